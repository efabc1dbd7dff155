#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"

namespace llem::base {
namespace {

std::string bound_text(double bound) {
  return std::abs(bound) < 1e15 && std::trunc(bound) == bound ? fmt::format("{:.0f}", bound)
                                                              : shortest(bound);
}

/// ", 1 or more", ", above 0 and at most 1", ", 1 to 10"; empty where there is no bound.
std::string bounds_text(const FieldRules& rules) {
  const bool low = std::isfinite(rules.min);
  const bool high = std::isfinite(rules.max);
  const std::string min = bound_text(rules.min);
  const std::string max = bound_text(rules.max);
  if (low && rules.above_min) {
    return ", above " + min + (high ? " and at most " + max : "");
  }
  if (low && high) {
    return fmt::format(", {} to {}", min, max);
  }
  if (low) {
    return fmt::format(", {} or more", min);
  }
  return high ? ", at most " + max : "";
}

std::string size_text(const FieldRules& rules, std::string_view things) {
  if (rules.min == 1 && !std::isfinite(rules.max) && !rules.above_min) {
    return ", not empty";
  }
  const std::string bounds = bounds_text(rules);
  return bounds.empty() ? "" : fmt::format("{} {}", bounds, things);
}

std::string one_of(std::span<const std::string_view> words) {
  return fmt::format("one of {}", fmt::join(words, ", "));
}

std::string plural(const TypeInfo& type, const FieldRules& rules) {
  switch (type.kind) {
    case Kind::boolean:
      return "booleans";
    case Kind::integer:
      return "integers";
    case Kind::number:
      return "numbers";
    case Kind::text:
      return rules.allowed.empty() ? "texts"
                                   : fmt::format("words from {}", fmt::join(rules.allowed, ", "));
    case Kind::enumeration:
      return fmt::format("words from {}", fmt::join(type.words(), ", "));
    case Kind::object:
    case Kind::map:
      return "maps";
    case Kind::list:
      return "lists";
    case Kind::json:
      return "values";
    case Kind::optional:
      return plural(*type.element, rules);
  }
  return "values";
}

std::string describe(const TypeInfo& type, const FieldRules& rules) {
  switch (type.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return "integer" + bounds_text(rules);
    case Kind::number:
      return "number" + bounds_text(rules);
    case Kind::text:
      return rules.allowed.empty() ? "text" + size_text(rules, "characters")
                                   : one_of(rules.allowed);
    case Kind::enumeration:
      return one_of(type.words());
    case Kind::object: {
      const Table& table = type.table();
      for (const FieldInfo& field : table.fields) {
        if (field.name == table.shorthand) {
          return describe_type(field) + ", or map";
        }
      }
      return "map";
    }
    case Kind::optional:
      return describe(*type.element, rules);
    case Kind::list:
      return fmt::format("list of {}{}", plural(*type.element, rules), size_text(rules, "items"));
    case Kind::map:
      return fmt::format("map of names to {}{}", plural(*type.element, rules),
                         size_text(rules, "items"));
    case Kind::json:
      return "any value";
  }
  return "any value";
}

Json bound_json(double bound) {
  return std::abs(bound) < 0x1p53 && std::trunc(bound) == bound
             ? Json(static_cast<std::int64_t>(bound))
             : Json(bound);
}

Json words_json(std::span<const std::string_view> words) {
  Json list = Json::array();
  for (const std::string_view word : words) {
    list.push_back(word);
  }
  return list;
}

void take_members(Json& into, Json from) {
  for (auto& [key, value] : from.members()) {
    into[key] = std::move(value);
  }
}

class SchemaMaker {
 public:
  Json make(const Table& root, std::string_view id, std::string_view title) {
    Json schema = Json::object();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    schema["$id"] = id;
    schema["title"] = title;
    take_members(schema, of_table(root));
    if (!defs_.members().empty()) {
      schema["$defs"] = std::move(defs_);
    }
    return schema;
  }

 private:
  Json of_table(const Table& table) {
    Json properties = Json::object();
    Json required = Json::array();
    Json short_form;
    for (const FieldInfo& field : table.fields) {
      Json property = of_field(field);
      if (field.rules.required) {
        required.push_back(field.name);
      }
      if (field.name == table.shorthand) {
        short_form = property;
      }
      properties[field.name] = std::move(property);
    }
    Json object = Json::object();
    object["type"] = "object";
    object["additionalProperties"] = false;
    object["properties"] = std::move(properties);
    if (!required.items().empty()) {
      object["required"] = std::move(required);
    }
    Json schema = Json::object();
    schema["description"] = table.description;
    if (short_form.is_null()) {
      take_members(schema, std::move(object));
    } else {
      schema["anyOf"] = Json::array({std::move(short_form), std::move(object)});
    }
    return schema;
  }

  Json of_field(const FieldInfo& field) {
    Json schema = Json::object();
    schema["description"] = field.description;
    if (!field.rules.unit.empty()) {
      schema["x-unit"] = field.rules.unit;
    }
    take_members(schema, of_type(*field.type, field.rules));
    return schema;
  }

  Json of_type(const TypeInfo& type, const FieldRules& rules) {
    switch (type.kind) {
      case Kind::boolean:
        return Json::object({{"type", "boolean"}});
      case Kind::integer:
        return bounded("integer", rules);
      case Kind::number:
        return bounded("number", rules);
      case Kind::text:
        if (!rules.allowed.empty()) {
          return Json::object({{"type", "string"}, {"enum", words_json(rules.allowed)}});
        }
        return sized("string", "Length", rules);
      case Kind::enumeration:
        return Json::object({{"type", "string"}, {"enum", words_json(type.words())}});
      case Kind::object:
        return Json::object({{"$ref", reference(type.table())}});
      case Kind::optional:
        return or_null(of_type(*type.element, rules));
      case Kind::list: {
        Json list = sized("array", "Items", rules);
        list["items"] = of_type(*type.element, element_rules(rules));
        return list;
      }
      case Kind::map: {
        Json map = sized("object", "Properties", rules);
        map["additionalProperties"] = of_type(*type.element, element_rules(rules));
        return map;
      }
      case Kind::json:
        return Json::object();
    }
    return Json::object();
  }

  static FieldRules element_rules(const FieldRules& rules) {
    FieldRules element;
    element.allowed = rules.allowed;
    return element;
  }

  static Json bounded(std::string_view type, const FieldRules& rules) {
    Json schema = Json::object({{"type", type}});
    if (std::isfinite(rules.min)) {
      schema[rules.above_min ? "exclusiveMinimum" : "minimum"] = bound_json(rules.min);
    }
    if (std::isfinite(rules.max)) {
      schema["maximum"] = bound_json(rules.max);
    }
    return schema;
  }

  static Json sized(std::string_view type, const std::string& what, const FieldRules& rules) {
    Json schema = Json::object({{"type", type}});
    if (std::isfinite(rules.min)) {
      schema["min" + what] = bound_json(rules.above_min ? std::floor(rules.min) + 1 : rules.min);
    }
    if (std::isfinite(rules.max)) {
      schema["max" + what] = bound_json(rules.max);
    }
    return schema;
  }

  static Json or_null(Json schema) {
    Json* type = schema.find("type");
    if (type != nullptr && type->is_string() && schema.find("enum") == nullptr) {
      *type = Json::array({*type, "null"});
      return schema;
    }
    return Json::object(
        {{"anyOf", Json::array({std::move(schema), Json::object({{"type", "null"}})})}});
  }

  std::string reference(const Table& table) {
    const auto known = std::find_if(tables_.begin(), tables_.end(),
                                    [&](const Table* other) { return other->name == table.name; });
    if (known == tables_.end()) {
      tables_.push_back(&table);
      const std::string name(table.name);
      defs_[name] =
          Json::object();  // keeps the order of first use; filled once its fields are known
      Json made = of_table(table);
      defs_[name] = std::move(made);
    } else {
      LLEM_ASSERT(*known == &table, "two tables of a document share a name");
    }
    return fmt::format("#/$defs/{}", table.name);
  }

  Json defs_ = Json::object();
  std::vector<const Table*> tables_;
};

}  // namespace

std::string describe_type(const FieldInfo& field) {
  return describe(*field.type, field.rules);
}

Json make_schema(const Table& table, std::string_view id, std::string_view title) {
  return SchemaMaker().make(table, id, title);
}

}  // namespace llem::base
