#pragma once

// Owns: the JSON value of this program. Objects keep insertion order. Numbers keep their kind: an
// integer that fits 64 bits stays exact. The writer refuses NaN and infinities: absent is a missing
// key, never a null number.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"

namespace llem::base {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;

  Json(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)

  Json(bool value) : value_(value) {}  // NOLINT(google-explicit-constructor)

  Json(int value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)

  Json(std::int64_t value) : value_(value) {}  // NOLINT(google-explicit-constructor)

  Json(double value) : value_(value) {}  // NOLINT(google-explicit-constructor)

  Json(const char* value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)

  Json(std::string value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  Json(std::string_view value)
      : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)

  Json(Array value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  Json(Object value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }

  static Json array(std::initializer_list<Json> items = {}) { return Json(Array(items)); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }

  bool is_bool() const { return std::holds_alternative<bool>(value_); }

  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }

  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }

  bool is_string() const { return std::holds_alternative<std::string>(value_); }

  bool is_array() const { return std::holds_alternative<Array>(value_); }

  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // The accessors below assert the kind: ask first where the value comes from outside.
  bool boolean() const { return std::get<bool>(value_); }

  std::int64_t integer() const { return std::get<std::int64_t>(value_); }

  double number() const;

  const std::string& string() const { return std::get<std::string>(value_); }

  const Array& items() const { return std::get<Array>(value_); }

  Array& items() { return std::get<Array>(value_); }

  const Object& members() const { return std::get<Object>(value_); }

  Object& members() { return std::get<Object>(value_); }

  /// The member of that name, or null when this is no object or has none.
  const Json* find(std::string_view key) const;
  Json* find(std::string_view key);
  /// The member of that name, made (and this value made an object) when absent.
  Json& operator[](std::string_view key);
  /// Appends to an array (a null value becomes one).
  void push_back(Json item);

  // Reading with a fallback, for documents already validated.
  std::string_view text_or(std::string_view key, std::string_view fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback) const;
  double number_or(std::string_view key, double fallback) const;
  bool bool_or(std::string_view key, bool fallback) const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

enum class JsonStyle { compact, indented, canonical };

/// The arrays under one key, which hold integers only, beside the tree and in the order of the
/// document: eight bytes a number instead of a node each. In the tree they are empty.
struct IntegerLists {
  std::string key;
  std::vector<std::vector<std::int64_t>> lists;
};

/// Serialises. Doubles print in the shortest form that reads back exactly; canonical sorts keys,
/// leaves out every space and prints whole floats below 2^53 as integers. Asserts on NaN or
/// infinity.
std::string write_json(const Json& value, JsonStyle style = JsonStyle::compact);
/// Compact; the empty arrays under the key of `lists` are written as its lists, one for each.
std::string write_json(const Json& value, const IntegerLists& lists);

/// Parses one document (UTF-8, duplicate keys refused, nesting at most 200). The error says the
/// byte offset.
Expected<Json> parse_json(std::string_view text);
/// Arrays under the key of `lists` go there, and hold nothing but integers.
Expected<Json> parse_json(std::string_view text, IntegerLists& lists);

}  // namespace llem::base
