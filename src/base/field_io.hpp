#pragma once

// Owns: reading, writing, describing and walking structs through their field tables.

#include <string>
#include <string_view>

#include "base/field.hpp"
#include "base/json.hpp"
#include "base/tree.hpp"

namespace llem::base {

/// Reads `tree` over the values already in `object`; keys that are absent keep them. Refuses
/// unknown keys (with the nearest valid name), wrong types, values out of bounds and, in `required`
/// fields, absence. `file` and `path` (the dotted path of this object) only shape the error text.
Expected<void> read_fields(const Table& table, void* object, const Tree& tree,
                           const FileNames& files, std::string_view path = {});

/// One value of a field's type, for a tree that is no part of a document of its struct. `name` is
/// what errors call it, `path` where they say it stands.
struct ValueName {
  std::string name;
  std::string path;
};

Expected<void> read_value(const FieldInfo& field, void* value, const Tree& tree,
                          const FileNames& files, const ValueName& name);

template <Described T>
Expected<T> read_struct(const Tree& tree, const FileNames& files, std::string_view path = {}) {
  T object{};
  LLEM_TRY(read_fields(T::table(), &object, tree, files, path));
  return object;
}

/// A struct from a JSON document of ours; `document` names it in errors.
template <Described T>
Expected<T> read_json_struct(const Json& json, std::string_view document) {
  return read_struct<T>(tree_from_json(json), document);
}

/// Writes every field; empty optionals are left out.
Json write_fields(const Table& table, const void* object);

template <Described T>
Json write_struct(const T& object) {
  return write_fields(T::table(), &object);
}

/// One value of a field's type; an empty optional is null.
Json write_value(const TypeInfo& type, const void* value);

/// The canonical form a content hash is taken over: hashed fields that differ from `defaults`,
/// recursively.
Json hashed_fields(const Table& table, const void* object, const void* defaults);

/// JSON Schema (2020-12) of a document; nested tables become `$defs`.
Json make_schema(const Table& table, std::string_view id, std::string_view title);

/// "integer, 1 or more", "one of static, continuous": what a field takes, for errors and the
/// reference.
std::string describe_type(const FieldInfo& field);

}  // namespace llem::base
