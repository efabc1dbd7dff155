#pragma once

// Owns: a document as text with places: what a field-table reader takes. Scalars stay text until a
// field's type decides.

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace llem::base {

struct Mark {
  int line = 0;  // 1-based; 0 = unknown
  int column = 0;
  std::size_t file = 0;  // which one, in a tree put together from several
};

/// The names of the files a tree was put together from; mostly one.
class FileNames {
 public:
  template <std::convertible_to<std::string_view> Name>
  FileNames(const Name& one) : names_{std::string_view(one)} {}  // NOLINT

  FileNames(const std::vector<std::string>& names)
      : names_(names.begin(), names.end()) {}  // NOLINT

  std::string_view operator[](std::size_t file) const {
    return file < names_.size() ? names_[file] : std::string_view();
  }

 private:
  std::vector<std::string_view> names_;
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
std::string place(const FileNames& files, Mark mark);

}  // namespace llem::base
