#pragma once

// Owns: dotted paths into structs through their field tables, and values to put there.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/field.hpp"
#include "base/json.hpp"
#include "base/tree.hpp"

namespace llem::base {

/// `path` is `outer` or lies within it.
bool is_within(std::string_view path, std::string_view outer);

/// "batch_size" of "deploy.batch_size".
std::string_view last_name(std::string_view path);

/// A visible path of the table that ends in this name; empty when none does.
std::string path_ending_in(const Table& table, std::string_view name);

/// Where a dotted path leads in the objects of one table: found once, followed often. Below a map
/// the next name is a key, below a JSON value names are members.
class FieldPath {
 public:
  /// The error has no context: only the caller knows where the path is written.
  static Expected<FieldPath> find(const Table& table, std::string_view dotted);

  const std::string& text() const { return text_; }

  /// What stands there: type, words and bounds.
  const FieldInfo& field() const { return field_; }

  /// The value itself; whatever is missing on the way is made.
  void* in(void* object) const;

  /// The value as JSON; null where it is missing.
  Json value_in(const void* object) const;

 private:
  enum class Way { member, content, entry, json };

  struct Step {
    Way way;
    const FieldInfo* field = nullptr;  // member
    const TypeInfo* type = nullptr;    // content of an optional, entry of a map
    std::string key;                   // entry, json
  };

  std::string text_;
  FieldInfo field_{};
  std::vector<Step> steps_;
};

/// A value for one path, read once, put into many objects. It replaces what stands there: an object
/// is read over defaults.
class Assignment {
 public:
  /// `where` is the path under which the value is written, for errors.
  static Expected<Assignment> read(std::shared_ptr<const FieldPath> path, const Tree& value,
                                   const FileNames& files, const std::string& where);

  const FieldPath& path() const { return *path_; }

  void apply(void* object) const;
  Json value() const;

 private:
  std::shared_ptr<const FieldPath> path_;
  std::shared_ptr<void> value_;
};

}  // namespace llem::base
