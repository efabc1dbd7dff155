#include "store/flat_table.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace llem::store {
namespace {

using base::FieldInfo;
using base::Kind;
using base::TypeInfo;

/// One value of a column; nothing for a null.
using Cell = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

struct Way {
  std::vector<const FieldInfo*> fields;
  std::string name;
  bool nullable = false;
};

void collect(const base::Table& table, const Way& way, std::vector<Leaf>& leaves) {
  for (const FieldInfo& field : table.fields) {
    Way next = way;
    next.fields.push_back(&field);
    const bool is_quantity = field.name == "value" && !way.fields.empty();
    if (!is_quantity) {
      next.name =
          way.name.empty() ? std::string(field.name) : fmt::format("{}_{}", way.name, field.name);
    }
    const TypeInfo* type = field.type;
    if (type->kind == Kind::optional) {
      type = type->element;
      next.nullable = true;
    }
    switch (type->kind) {
      case Kind::object:
        collect(type->table(), next, leaves);
        break;
      case Kind::boolean:
      case Kind::integer:
      case Kind::number:
      case Kind::text:
      case Kind::enumeration: {
        const auto& rules = is_quantity ? way.fields.back()->rules : field.rules;
        leaves.push_back({next.name, std::string(rules.unit), next.fields, type, next.nullable});
        break;
      }
      case Kind::optional:
      case Kind::list:
      case Kind::map:
      case Kind::json:
        break;
    }
  }
}

/// The leaf's value, or null when an optional on the way is empty.
const void* find_value(const Leaf& leaf, const void* object) {
  // Field tables hand out plain pointers for reading and writing alike; nothing is written here.
  void* at = const_cast<void*>(object);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  for (const FieldInfo* field : leaf.way) {
    at = field->member(at);
    if (field->type->kind == Kind::optional) {
      if (!field->type->has(at)) {
        return nullptr;
      }
      at = field->type->item(at, 0);
    }
  }
  return at;
}

void* make_value(const Leaf& leaf, void* object) {
  void* at = object;
  for (const FieldInfo* field : leaf.way) {
    at = field->member(at);
    if (field->type->kind == Kind::optional) {
      at = field->type->has(at) ? field->type->item(at, 0) : field->type->emplace(at);
    }
  }
  return at;
}

template <class T>
const T& as(const void* value) {
  return *static_cast<const T*>(value);
}

std::string word_of(const TypeInfo& type, const void* value) {
  return std::string(type.words()[static_cast<std::size_t>(type.get_enum(value))]);
}

decltype(Column::values) make_values(const Leaf& leaf) {
  switch (leaf.type->kind) {
    case Kind::boolean:
      return OptionalBoolColumn();
    case Kind::integer:
      return leaf.nullable ? decltype(Column::values)(OptionalIntColumn()) : IntColumn();
    case Kind::number:
      return leaf.nullable ? decltype(Column::values)(OptionalRealColumn()) : RealColumn();
    case Kind::text:
    case Kind::enumeration:
    case Kind::object:
    case Kind::optional:
    case Kind::list:
    case Kind::map:
    case Kind::json:
      break;
  }
  return leaf.nullable ? decltype(Column::values)(OptionalTextColumn()) : TextColumn();
}

template <class Optional, class Plain, class T>
void push(decltype(Column::values)& values, std::optional<T> value) {
  if (auto* optional = std::get_if<Optional>(&values)) {
    optional->push_back(std::move(value));
  } else {
    std::get<Plain>(values).push_back(*std::move(value));
  }
}

void append(const Leaf& leaf, const void* value, Column& column) {
  switch (leaf.type->kind) {
    case Kind::boolean:
      std::get<OptionalBoolColumn>(column.values)
          .push_back(value != nullptr ? std::optional(as<bool>(value)) : std::nullopt);
      return;
    case Kind::integer:
      push<OptionalIntColumn, IntColumn>(
          column.values, value != nullptr ? std::optional(as<std::int64_t>(value)) : std::nullopt);
      return;
    case Kind::number:
      push<OptionalRealColumn, RealColumn>(
          column.values, value != nullptr ? std::optional(as<double>(value)) : std::nullopt);
      return;
    case Kind::text:
      push<OptionalTextColumn, TextColumn>(
          column.values, value != nullptr ? std::optional(as<std::string>(value)) : std::nullopt);
      return;
    case Kind::enumeration:
      push<OptionalTextColumn, TextColumn>(
          column.values,
          value != nullptr ? std::optional(word_of(*leaf.type, value)) : std::nullopt);
      return;
    case Kind::object:
    case Kind::optional:
    case Kind::list:
    case Kind::map:
    case Kind::json:
      return;
  }
}

struct CellReader {
  std::size_t row;

  Cell operator()(const WordColumn& column) const {
    return column.words[static_cast<std::size_t>(column.rows[row])];
  }

  template <class T>
  Cell operator()(const std::vector<std::optional<T>>& column) const {
    return column[row] ? Cell(*column[row]) : Cell();
  }

  template <class T>
  Cell operator()(const std::vector<T>& column) const {
    return column[row];
  }
};

bool fits(const Leaf& leaf, const Column& column) {
  const auto& held = column.values;
  switch (leaf.type->kind) {
    case Kind::boolean:
      return std::holds_alternative<OptionalBoolColumn>(held);
    case Kind::integer:
      return std::holds_alternative<IntColumn>(held) ||
             std::holds_alternative<OptionalIntColumn>(held);
    case Kind::number:
      return std::holds_alternative<RealColumn>(held) ||
             std::holds_alternative<OptionalRealColumn>(held);
    case Kind::text:
    case Kind::enumeration:
    case Kind::object:
    case Kind::optional:
    case Kind::list:
    case Kind::map:
    case Kind::json:
      break;
  }
  return std::holds_alternative<TextColumn>(held) || std::holds_alternative<WordColumn>(held) ||
         std::holds_alternative<OptionalTextColumn>(held);
}

Expected<void> store_value(const Leaf& leaf, Cell cell, void* value) {
  if (auto* held = std::get_if<bool>(&cell)) {
    *static_cast<bool*>(value) = *held;
  } else if (auto* integer = std::get_if<std::int64_t>(&cell)) {
    *static_cast<std::int64_t*>(value) = *integer;
  } else if (auto* real = std::get_if<double>(&cell)) {
    *static_cast<double*>(value) = *real;
  } else if (auto* text = std::get_if<std::string>(&cell)) {
    if (leaf.type->kind == Kind::text) {
      *static_cast<std::string*>(value) = std::move(*text);
      return {};
    }
    const auto words = leaf.type->words();
    const auto word = std::ranges::find(words, std::string_view(*text));
    if (word == words.end()) {
      return failure(ErrorKind::io, fmt::format("column `{}`: unknown word `{}`", leaf.name, *text),
                     fmt::format("one of {}", fmt::join(words, ", ")), "bad_parquet");
    }
    leaf.type->set_enum(value, static_cast<int>(word - words.begin()));
  }
  return {};
}

}  // namespace

std::vector<Leaf> leaves_of(const base::Table& table) {
  std::vector<Leaf> leaves;
  collect(table, {}, leaves);
  return leaves;
}

FlatWriter::FlatWriter(const base::Table& table) : leaves_(leaves_of(table)) {
  for (const Leaf& leaf : leaves_) {
    columns_.push_back({leaf.name, leaf.unit, make_values(leaf)});
  }
}

void FlatWriter::add(const void* object) {
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    append(leaves_[i], find_value(leaves_[i], object), columns_[i]);
  }
}

Expected<FlatReader> FlatReader::open(const base::Table& table, const ParquetTable& columns) {
  FlatReader reader;
  for (Leaf& leaf : leaves_of(table)) {
    const Column* column = columns.find(leaf.name);
    if (column == nullptr) {
      continue;
    }
    if (!fits(leaf, *column)) {
      return failure(ErrorKind::io, fmt::format("column `{}` has the wrong type", leaf.name),
                     "the file is damaged or of another program", "bad_parquet");
    }
    reader.bound_.push_back({std::move(leaf), column});
  }
  return reader;
}

Expected<void> FlatReader::read(std::size_t row, void* object) const {
  for (const Bound& bound : bound_) {
    Cell cell = std::visit(CellReader{row}, bound.column->values);
    if (std::holds_alternative<std::monostate>(cell)) {
      if (!bound.leaf.nullable) {
        return failure(ErrorKind::io,
                       fmt::format("column `{}`, row {}: a value is missing", bound.leaf.name, row),
                       "the file is damaged or of another program", "bad_parquet");
      }
      continue;
    }
    LLEM_TRY(store_value(bound.leaf, std::move(cell), make_value(bound.leaf, object)));
  }
  return {};
}

}  // namespace llem::store
