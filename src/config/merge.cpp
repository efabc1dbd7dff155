#include "config/merge.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace llem::config {
namespace {

using base::FieldInfo;
using base::Kind;
using base::Tree;

const FieldInfo* field_of(const base::Table& table, std::string_view name) {
  const auto found = std::find_if(table.fields.begin(), table.fields.end(),
                                  [&](const FieldInfo& field) { return field.name == name; });
  return found == table.fields.end() ? nullptr : &*found;
}

/// The entry of that key; its place becomes that of the newer one.
Tree& entry_in(Tree& map, const Tree::Entry& newer) {
  for (Tree::Entry& entry : map.entries) {
    if (entry.key == newer.key) {
      entry.mark = newer.mark;
      return entry.value;
    }
  }
  map.entries.push_back({newer.key, newer.mark, {}});
  return map.entries.back().value;
}

void lay_field(const FieldInfo* field, Tree& lower, Tree upper) {
  const base::TypeInfo* type = field != nullptr ? &without_optional(*field->type) : nullptr;
  const bool object = type != nullptr && type->kind == Kind::object;
  if (object && upper.kind == Tree::Kind::null) {
    return;  // a section whose keys are all commented out
  }
  const bool maps = lower.kind == Tree::Kind::map && upper.kind == Tree::Kind::map;
  if (maps && object && type->table().merging == base::Merging::by_field) {
    lay_over(type->table(), lower, std::move(upper));
    return;
  }
  if (maps && type != nullptr && type->kind == Kind::map) {
    for (Tree::Entry& entry : upper.entries) {
      entry_in(lower, entry) = std::move(entry.value);
    }
    return;
  }
  lower = std::move(upper);
}

}  // namespace

void expand_shorthands(const base::Table& table, Tree& tree) {
  for (const FieldInfo& field : table.fields) {
    const base::TypeInfo& type = without_optional(*field.type);
    Tree* value = type.kind == Kind::object ? tree.find(field.name) : nullptr;
    if (value == nullptr) {
      continue;
    }
    const base::Table& inner = type.table();
    if (!inner.shorthand.empty() &&
        (value->kind == Tree::Kind::scalar || value->kind == Tree::Kind::list)) {
      Tree map;
      map.kind = Tree::Kind::map;
      map.mark = value->mark;
      map.entries.push_back({std::string(inner.shorthand), value->mark, std::move(*value)});
      *value = std::move(map);
    }
    expand_shorthands(inner, *value);
  }
}

void lay_over(const base::Table& table, Tree& lower, Tree upper) {
  lower.mark = upper.mark;
  for (Tree::Entry& entry : upper.entries) {
    lay_field(field_of(table, entry.key), entry_in(lower, entry), std::move(entry.value));
  }
}

void set_file(Tree& tree, std::size_t file) {
  tree.mark.file = file;
  for (Tree& item : tree.items) {
    set_file(item, file);
  }
  for (Tree::Entry& entry : tree.entries) {
    entry.mark.file = file;
    set_file(entry.value, file);
  }
}

}  // namespace llem::config
