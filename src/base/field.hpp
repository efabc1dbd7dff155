#pragma once

// Owns: field tables, the one declaration of each configuration and result struct. Readers,
// writers, schemas, hashes, documentation and dotted paths are ordinary functions over these
// type-erased entries (see field_io.hpp).
//
//   struct Window {
//     double min_s = 30;
//     static const base::Table& table();
//   };
//   const base::Table& Window::table() {
//     static constexpr std::array fields{
//         base::field<&Window::min_s>("min_s", "Shortest window", {.unit = "s", .min = 0})};
//     static constexpr base::Table table{"window", "The measured window", fields};
//     return table;
//   }

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/json.hpp"

namespace llem::base {

enum class Kind { boolean, integer, number, text, enumeration, object, optional, list, map, json };

struct Table;

/// What a reader or writer must know of a C++ type, erased. `element` is the inner type of
/// optional, list and map.
struct TypeInfo {
  Kind kind;
  const TypeInfo* element = nullptr;
  const Table& (*table)() = nullptr;  // object
  std::span<const std::string_view> (*words)() =
      nullptr;                         // enumeration: names in the order of the values 0, 1, …
  bool (*has)(const void*) = nullptr;  // optional
  void* (*emplace)(void*) = nullptr;   // optional: makes a default value
  void (*clear)(void*) = nullptr;      // optional, list, map
  std::size_t (*size)(const void*) = nullptr;                   // list, map
  void* (*item)(void*, std::size_t) = nullptr;                  // list, map (in key order)
  std::string_view (*key)(const void*, std::size_t) = nullptr;  // map
  void* (*append)(void*, std::string_view) = nullptr;           // list (key unused), map
  int (*get_enum)(const void*) = nullptr;
  void (*set_enum)(void*, int) = nullptr;
  std::shared_ptr<void> (*make)() = nullptr;  // a default value
  void (*copy)(void* to, const void* from) = nullptr;
};

/// What an optional holds, or the type itself.
constexpr const TypeInfo& without_optional(const TypeInfo& type) {
  return type.kind == Kind::optional ? without_optional(*type.element) : type;
}

/// Bounds and role of a field.
struct FieldRules {
  std::string_view unit{};  // "s", "J", "tokens", … ; must agree with the name's suffix (tested)
  double min =
      -std::numeric_limits<double>::infinity();  // numbers; shortest length of a list or text
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;  // min itself is not allowed
  bool required = false;
  bool hashed = true;                           // part of the content hash of a configuration
  bool hidden = false;                          // left out of help and the reference
  std::span<const std::string_view> allowed{};  // words a text field may hold
};

struct FieldInfo {
  std::string_view name;
  std::string_view description;
  FieldRules rules;
  const TypeInfo* type;
  void* (*member)(void*);
};

/// What becomes of an object that a later document writes again.
enum class Merging {
  by_field,  // fields it leaves out keep what they had
  whole,     // it is replaced: its fields are alternatives
};

struct Table {
  std::string_view name;
  std::string_view description;
  std::span<const FieldInfo> fields;
  /// Field that takes a scalar (or list) written where a mapping is expected: `model: x` means
  /// `model: {name: x}`.
  std::string_view shorthand{};
  Merging merging = Merging::by_field;
};

// --- erasing types ---

template <class T>
struct IsOptional : std::false_type {};

template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsVector : std::false_type {};

template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsMap : std::false_type {};

template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
concept Described = requires {
  { T::table() } -> std::same_as<const Table&>;
};

/// An enum takes part by a `words(E)` found by argument-dependent lookup, returning its names in
/// value order.
template <class E>
concept Worded = std::is_enum_v<E> && requires(E e) {
  { words(e) } -> std::convertible_to<std::span<const std::string_view>>;
};

template <class T>
constexpr TypeInfo make_type();

template <class T>
inline constexpr TypeInfo type_of = make_type<T>();

template <class T>
constexpr TypeInfo make_type() {
  TypeInfo info{};
  info.make = []() -> std::shared_ptr<void> { return std::make_shared<T>(); };
  info.copy = [](void* to, const void* from) {
    *static_cast<T*>(to) = *static_cast<const T*>(from);
  };
  if constexpr (std::is_same_v<T, bool>) {
    info.kind = Kind::boolean;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    info.kind = Kind::integer;
  } else if constexpr (std::is_same_v<T, double>) {
    info.kind = Kind::number;
  } else if constexpr (std::is_same_v<T, std::string>) {
    info.kind = Kind::text;
  } else if constexpr (std::is_same_v<T, Json>) {
    info.kind = Kind::json;
  } else if constexpr (Worded<T>) {
    info.kind = Kind::enumeration;
    info.words = []() -> std::span<const std::string_view> { return words(T{}); };
    info.get_enum = [](const void* p) { return static_cast<int>(*static_cast<const T*>(p)); };
    info.set_enum = [](void* p, int v) { *static_cast<T*>(p) = static_cast<T>(v); };
  } else if constexpr (IsOptional<T>::value) {
    info.kind = Kind::optional;
    info.element = &type_of<typename T::value_type>;
    info.has = [](const void* p) { return static_cast<const T*>(p)->has_value(); };
    info.emplace = [](void* p) -> void* { return &static_cast<T*>(p)->emplace(); };
    info.item = [](void* p, std::size_t) -> void* { return &**static_cast<T*>(p); };
    info.clear = [](void* p) { static_cast<T*>(p)->reset(); };
  } else if constexpr (IsVector<T>::value) {
    info.kind = Kind::list;
    info.element = &type_of<typename T::value_type>;
    info.size = [](const void* p) { return static_cast<const T*>(p)->size(); };
    info.item = [](void* p, std::size_t i) -> void* { return &(*static_cast<T*>(p))[i]; };
    info.append = [](void* p, std::string_view) -> void* {
      return &static_cast<T*>(p)->emplace_back();
    };
    info.clear = [](void* p) { static_cast<T*>(p)->clear(); };
  } else if constexpr (IsMap<T>::value) {
    info.kind = Kind::map;
    info.element = &type_of<typename T::mapped_type>;
    info.size = [](const void* p) { return static_cast<const T*>(p)->size(); };
    info.item = [](void* p, std::size_t i) -> void* {
      auto it = static_cast<T*>(p)->begin();
      std::advance(it, static_cast<std::ptrdiff_t>(i));
      return &it->second;
    };
    info.key = [](const void* p, std::size_t i) -> std::string_view {
      auto it = static_cast<const T*>(p)->begin();
      std::advance(it, static_cast<std::ptrdiff_t>(i));
      return it->first;
    };
    info.append = [](void* p, std::string_view key) -> void* {
      return &(*static_cast<T*>(p))[std::string(key)];
    };
    info.clear = [](void* p) { static_cast<T*>(p)->clear(); };
  } else {
    static_assert(Described<T>, "a field's type needs a table()");
    info.kind = Kind::object;
    info.table = &T::table;
  }
  return info;
}

template <class T>
struct MemberOf;

template <class Struct, class Value>
struct MemberOf<Value Struct::*> {
  using struct_type = Struct;
  using value_type = Value;
};

template <auto Member>
constexpr FieldInfo field(std::string_view name, std::string_view description,
                          FieldRules rules = {}) {
  using S = typename MemberOf<decltype(Member)>::struct_type;
  using V = typename MemberOf<decltype(Member)>::value_type;
  return {name, description, rules, &type_of<V>,
          [](void* object) -> void* { return &(static_cast<S*>(object)->*Member); }};
}

}  // namespace llem::base
