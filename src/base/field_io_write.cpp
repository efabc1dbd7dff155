#include <cstddef>
#include <cstdint>

#include "base/field_io.hpp"

namespace llem::base {
namespace {

enum class Scope { all, hashed };

// Field tables reach members through one accessor for reading and writing; nothing below writes.
void* accessible(const void* object) {
  return const_cast<void*>(object);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

template <class T>
const T& as(const void* value) {
  return *static_cast<const T*>(value);
}

Json write_value(const TypeInfo& type, const void* value, Scope scope);

Json write_object(const Table& table, const void* object, Scope scope) {
  Json json = Json::object();
  for (const FieldInfo& field : table.fields) {
    if (scope == Scope::hashed && !field.rules.hashed) {
      continue;
    }
    const void* member = field.member(accessible(object));
    const bool absent = (field.type->kind == Kind::optional && !field.type->has(member)) ||
                        (field.type->kind == Kind::json && as<Json>(member).is_null());
    if (absent) {
      continue;
    }
    json.members().emplace_back(field.name, write_value(*field.type, member, scope));
  }
  return json;
}

Json write_list(const TypeInfo& type, const void* value, Scope scope) {
  Json list = Json::array();
  for (std::size_t i = 0; i < type.size(value); ++i) {
    list.push_back(write_value(*type.element, type.item(accessible(value), i), scope));
  }
  return list;
}

Json write_map(const TypeInfo& type, const void* value, Scope scope) {
  Json map = Json::object();
  for (std::size_t i = 0; i < type.size(value); ++i) {
    map.members().emplace_back(type.key(value, i),
                               write_value(*type.element, type.item(accessible(value), i), scope));
  }
  return map;
}

Json write_value(const TypeInfo& type, const void* value, Scope scope) {
  switch (type.kind) {
    case Kind::boolean:
      return as<bool>(value);
    case Kind::integer:
      return as<std::int64_t>(value);
    case Kind::number:
      return as<double>(value);
    case Kind::text:
      return as<std::string>(value);
    case Kind::enumeration: {
      const int index = type.get_enum(value);
      LLEM_ASSERT(index >= 0 && static_cast<std::size_t>(index) < type.words().size(),
                  "an enumeration's values are the indices of its words");
      return type.words()[static_cast<std::size_t>(index)];
    }
    case Kind::object:
      return write_object(type.table(), value, scope);
    case Kind::optional:
      return type.has(value) ? write_value(*type.element, type.item(accessible(value), 0), scope)
                             : Json();
    case Kind::list:
      return write_list(type, value, scope);
    case Kind::map:
      return write_map(type, value, scope);
    case Kind::json:
      return as<Json>(value);
  }
  return {};
}

/// Equal in the hash: 5 and 5.0 where anything may stand, and maps in another order, are the same
/// setting.
bool same_json(const Json& a, const Json& b) {
  return write_json(a, JsonStyle::canonical) == write_json(b, JsonStyle::canonical);
}

bool same(const TypeInfo& type, const void* a, const void* b);

bool same_entries(const TypeInfo& type, const void* a, const void* b) {
  if (type.size(a) != type.size(b)) {
    return false;
  }
  for (std::size_t i = 0; i < type.size(a); ++i) {
    const bool keys = type.kind == Kind::list || type.key(a, i) == type.key(b, i);
    if (!keys || !same(*type.element, type.item(accessible(a), i), type.item(accessible(b), i))) {
      return false;
    }
  }
  return true;
}

bool same(const TypeInfo& type, const void* a, const void* b) {
  switch (type.kind) {
    case Kind::boolean:
      return as<bool>(a) == as<bool>(b);
    case Kind::integer:
      return as<std::int64_t>(a) == as<std::int64_t>(b);
    case Kind::number:
      return as<double>(a) == as<double>(b);
    case Kind::text:
      return as<std::string>(a) == as<std::string>(b);
    case Kind::enumeration:
      return type.get_enum(a) == type.get_enum(b);
    case Kind::optional:
      return type.has(a) == type.has(b) &&
             (!type.has(a) ||
              same(*type.element, type.item(accessible(a), 0), type.item(accessible(b), 0)));
    case Kind::list:
    case Kind::map:
      return same_entries(type, a, b);
    case Kind::object:
      return same_json(write_object(type.table(), a, Scope::hashed),
                       write_object(type.table(), b, Scope::hashed));
    case Kind::json:
      break;
  }
  return same_json(as<Json>(a), as<Json>(b));
}

}  // namespace

Json write_fields(const Table& table, const void* object) {
  return write_object(table, object, Scope::all);
}

Json write_value(const TypeInfo& type, const void* value) {
  return write_value(type, value, Scope::all);
}

Json hashed_fields(const Table& table, const void* object, const void* defaults) {
  Json json = Json::object();
  for (const FieldInfo& field : table.fields) {
    if (!field.rules.hashed) {
      continue;
    }
    const TypeInfo* type = field.type;
    const void* member = field.member(accessible(object));
    const void* usual = field.member(accessible(defaults));
    if (type->kind == Kind::optional && type->has(member) && type->has(usual)) {
      member = type->item(accessible(member), 0);
      usual = type->item(accessible(usual), 0);
      type = type->element;
    }
    if (type->kind == Kind::object) {
      Json inner = hashed_fields(type->table(), member, usual);
      if (!inner.members().empty()) {
        json.members().emplace_back(field.name, std::move(inner));
      }
      continue;
    }
    // An optional that is absent here but set by default differs too, and says so as null.
    if (!same(*type, member, usual)) {
      json.members().emplace_back(field.name, write_value(*type, member, Scope::hashed));
    }
  }
  return json;
}

}  // namespace llem::base
