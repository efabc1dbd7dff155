#pragma once

// Owns: a document as text with places: what a field-table reader takes. Scalars stay text until a
// field's type decides.

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace llem::base {

struct Mark {
  int line = 0;  // 1-based; 0 = unknown
  int column = 0;
};

struct Tree {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string scalar;
  bool quoted = false;  // a quoted scalar is a string, whatever it looks like
  Mark mark;
  std::vector<Tree> items;
  std::vector<Entry> entries;

  const Tree* find(std::string_view key) const;
  Tree* find(std::string_view key);
};

struct Tree::Entry {
  std::string key;
  Mark mark;  // of the key
  Tree value;
};

/// A tree without places, for JSON documents read through the same field tables.
Tree tree_from_json(const Json& json);

/// Scalars resolved by the YAML 1.2 core schema (null ~, true/false, integers, floats), quoted ones
/// as strings.
Json json_from_tree(const Tree& tree);

/// Sets `a.b.c` to `value`, making maps on the way.
void set_path(Tree& tree, std::string_view dotted, Tree value);

/// "file:12:3", or "file" where the place is unknown.
std::string place(std::string_view file, Mark mark);

}  // namespace llem::base
