// The one file that includes Arrow: built into libllem_parquet.so, opened by parquet_loader.cpp.

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include "store/parquet_calls.hpp"

namespace llem::store {
namespace {

constexpr const char* kStamp = LLEM_PARQUET_STAMP " " __VERSION__;
/// Arrow's own default; a reader then needs a few megabytes per column at a time.
constexpr std::int64_t kRowsPerGroup = std::int64_t{1} << 20;

using ArrayPtr = std::shared_ptr<arrow::Array>;

arrow::MemoryPool* pool() {
  return arrow::system_memory_pool();
}

// --- columns to arrays; vectors of plain numbers are lent, not copied ---

template <class ArrowArray, class T>
ArrayPtr lend(const std::vector<T>& values) {
  return std::make_shared<ArrowArray>(static_cast<std::int64_t>(values.size()),
                                      arrow::Buffer::Wrap(values));
}

template <class Builder, class Values>
arrow::Result<ArrayPtr> build(const Values& values) {
  Builder builder(pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<std::int64_t>(values.size())));
  for (const auto& value : values) {
    ARROW_RETURN_NOT_OK(value ? builder.Append(*value) : builder.AppendNull());
  }
  return builder.Finish();
}

arrow::Result<ArrayPtr> array_of(const IntColumn& values) {
  return lend<arrow::Int64Array>(values);
}

arrow::Result<ArrayPtr> array_of(const RealColumn& values) {
  return lend<arrow::DoubleArray>(values);
}

arrow::Result<ArrayPtr> array_of(const TextColumn& values) {
  arrow::StringDictionary32Builder builder(pool());
  for (const std::string& value : values) {
    ARROW_RETURN_NOT_OK(builder.Append(value));
  }
  return builder.Finish();
}

arrow::Result<ArrayPtr> array_of(const WordColumn& values) {
  arrow::StringBuilder words(pool());
  ARROW_RETURN_NOT_OK(words.AppendValues(values.words));
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr dictionary, words.Finish());
  return arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()),
                                            lend<arrow::Int32Array>(values.rows), dictionary);
}

arrow::Result<ArrayPtr> array_of(const OptionalIntColumn& values) {
  return build<arrow::Int64Builder>(values);
}

arrow::Result<ArrayPtr> array_of(const OptionalRealColumn& values) {
  return build<arrow::DoubleBuilder>(values);
}

arrow::Result<ArrayPtr> array_of(const OptionalTextColumn& values) {
  return build<arrow::StringDictionary32Builder>(values);
}

arrow::Result<ArrayPtr> array_of(const OptionalBoolColumn& values) {
  return build<arrow::BooleanBuilder>(values);
}

bool is_nullable(const Column& column) {
  return std::holds_alternative<OptionalIntColumn>(column.values) ||
         std::holds_alternative<OptionalRealColumn>(column.values) ||
         std::holds_alternative<OptionalTextColumn>(column.values) ||
         std::holds_alternative<OptionalBoolColumn>(column.values);
}

parquet::WriterProperties::Builder properties_of(const std::vector<Column>& columns) {
  parquet::WriterProperties::Builder properties;
  properties.compression(arrow::Compression::ZSTD)
      ->created_by("llem " LLEM_PARQUET_STAMP)
      ->memory_pool(pool());
  for (const Column& column : columns) {
    // Times rise by nearly equal steps: their differences take a tenth of the space, and no time to
    // hash.
    if (column.unit == "ns" && std::holds_alternative<IntColumn>(column.values)) {
      properties.disable_dictionary(column.name)
          ->encoding(column.name, parquet::Encoding::DELTA_BINARY_PACKED);
    } else if (std::holds_alternative<RealColumn>(column.values)) {
      properties.disable_dictionary(column.name)
          ->encoding(column.name, parquet::Encoding::BYTE_STREAM_SPLIT);
    }
  }
  return properties;
}

arrow::Result<std::shared_ptr<arrow::Table>> table_of(
    const std::vector<Column>& columns,
    const std::shared_ptr<const arrow::KeyValueMetadata>& metadata) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const Column& column : columns) {
    ARROW_ASSIGN_OR_RAISE(
        ArrayPtr array,
        std::visit([](const auto& values) { return array_of(values); }, column.values));
    auto field = arrow::field(column.name, array->type(), is_nullable(column));
    if (!column.unit.empty()) {
      field = field->WithMetadata(arrow::key_value_metadata({"unit"}, {column.unit}));
    }
    fields.push_back(std::move(field));
    arrays.push_back(std::move(array));
  }
  return arrow::Table::Make(arrow::schema(fields, metadata), arrays,
                            arrays.empty() ? 0 : arrays.front()->length());
}

arrow::Result<std::string> encode_arrow(const NextRows& next,
                                        const std::map<std::string, std::string>& metadata) {
  auto notes = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : metadata) {
    notes->Append(key, value);
  }
  ARROW_ASSIGN_OR_RAISE(auto sink, arrow::io::BufferOutputStream::Create(1 << 16, pool()));
  std::unique_ptr<parquet::arrow::FileWriter> writer;
  while (const auto columns = next()) {
    ARROW_ASSIGN_OR_RAISE(const auto table, table_of(*columns, notes));
    if (!writer) {
      ARROW_ASSIGN_OR_RAISE(writer,
                            parquet::arrow::FileWriter::Open(
                                *table->schema(), pool(), sink, properties_of(*columns).build(),
                                parquet::ArrowWriterProperties::Builder().store_schema()->build()));
    }
    ARROW_RETURN_NOT_OK(writer->WriteTable(*table, kRowsPerGroup));
  }
  if (!writer) {
    return arrow::Status::Invalid("no rows were given");
  }
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto buffer, sink->Finish());
  return buffer->ToString();
}

// --- arrays to columns ---

template <class ArrowArray, class T>
std::vector<T> plain_values(const arrow::ChunkedArray& chunks) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(chunks.length()));
  for (const ArrayPtr& chunk : chunks.chunks()) {
    const auto& array = static_cast<const ArrowArray&>(*chunk);
    values.insert(values.end(), array.raw_values(), array.raw_values() + array.length());
  }
  return values;
}

template <class ArrowArray, class T>
std::vector<std::optional<T>> optional_values(const arrow::ChunkedArray& chunks) {
  std::vector<std::optional<T>> values;
  values.reserve(static_cast<std::size_t>(chunks.length()));
  for (const ArrayPtr& chunk : chunks.chunks()) {
    const auto& array = static_cast<const ArrowArray&>(*chunk);
    for (std::int64_t row = 0; row < array.length(); ++row) {
      values.push_back(array.IsNull(row) ? std::optional<T>() : std::optional<T>(array.Value(row)));
    }
  }
  return values;
}

template <class ArrowArray, class T>
decltype(Column::values) numbers(const arrow::ChunkedArray& chunks, bool nullable) {
  if (nullable) {
    return optional_values<ArrowArray, T>(chunks);
  }
  return plain_values<ArrowArray, T>(chunks);
}

bool is_text(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) {
    return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return type.id() == arrow::Type::STRING;
}

/// Of a string or dictionary column; a null becomes a default-made element.
template <class Texts>
Texts texts(const arrow::ChunkedArray& chunks) {
  Texts values;
  values.reserve(static_cast<std::size_t>(chunks.length()));
  for (const ArrayPtr& chunk : chunks.chunks()) {
    const auto* coded = chunk->type_id() == arrow::Type::DICTIONARY
                            ? static_cast<const arrow::DictionaryArray*>(chunk.get())
                            : nullptr;
    const auto& words =
        static_cast<const arrow::StringArray&>(coded != nullptr ? *coded->dictionary() : *chunk);
    for (std::int64_t row = 0; row < chunk->length(); ++row) {
      if (chunk->IsNull(row)) {
        values.emplace_back();
      } else {
        values.emplace_back(words.GetString(coded != nullptr ? coded->GetValueIndex(row) : row));
      }
    }
  }
  return values;
}

arrow::Result<Column> column_of(const arrow::Field& field, const arrow::ChunkedArray& chunks) {
  Column column;
  column.name = field.name();
  if (field.metadata() != nullptr) {
    column.unit = field.metadata()->Get("unit").ValueOr("");
  }
  const bool nullable = field.nullable();
  if (!nullable && chunks.null_count() > 0) {
    return arrow::Status::Invalid("column `", field.name(), "` has nulls and says it has none");
  }
  const auto type = field.type()->id();
  if (type == arrow::Type::INT64) {
    column.values = numbers<arrow::Int64Array, std::int64_t>(chunks, nullable);
  } else if (type == arrow::Type::DOUBLE) {
    column.values = numbers<arrow::DoubleArray, double>(chunks, nullable);
  } else if (type == arrow::Type::BOOL) {
    column.values = optional_values<arrow::BooleanArray, bool>(chunks);
  } else if (is_text(*field.type()) && nullable) {
    column.values = texts<OptionalTextColumn>(chunks);
  } else if (is_text(*field.type())) {
    column.values = texts<TextColumn>(chunks);
  } else {
    return arrow::Status::TypeError("column `", field.name(), "` holds ", field.type()->ToString(),
                                    "; int64, double, bool and string are read");
  }
  return column;
}

arrow::Result<ParquetTable> read_arrow(const std::string& path,
                                       const std::vector<std::string>& wanted) {
  ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path, pool()));
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(file, parquet::ReaderProperties(pool())));
  ARROW_ASSIGN_OR_RAISE(const auto reader, builder.memory_pool(pool())->Build());
  std::shared_ptr<arrow::Schema> schema;
  ARROW_RETURN_NOT_OK(reader->GetSchema(&schema));

  ParquetTable table;
  if (schema->metadata() != nullptr) {
    for (const auto& [key, value] : schema->metadata()->sorted_pairs()) {
      table.metadata[key] = value;
    }
  }
  std::vector<int> indices;
  if (wanted.empty()) {
    for (int i = 0; i < schema->num_fields(); ++i) {
      indices.push_back(i);
    }
  }
  for (const std::string& name : wanted) {
    const int index = schema->GetFieldIndex(name);
    if (index < 0) {
      return arrow::Status::KeyError("it has no column `", name, "`");
    }
    indices.push_back(index);
  }
  const std::int64_t rows = reader->parquet_reader()->metadata()->num_rows();
  for (const int index : indices) {
    std::shared_ptr<arrow::ChunkedArray> chunks;
    ARROW_RETURN_NOT_OK(reader->ReadColumn(index, &chunks));
    if (chunks->length() != rows) {
      return arrow::Status::Invalid("column `", schema->field(index)->name(), "` has ",
                                    chunks->length(), " of ", rows, " rows");
    }
    ARROW_ASSIGN_OR_RAISE(Column column, column_of(*schema->field(index), *chunks));
    table.columns.push_back(std::move(column));
  }
  return table;
}

// --- what the loader calls; nothing is thrown across ---

/// Runs `work` and gives its value, or the reason why there is none.
template <class Work>
auto value_or_reason(Work work, std::string& reason)
    -> std::optional<std::decay_t<decltype(*work())>> {
  try {
    auto outcome = work();
    if (outcome.ok()) {
      return std::move(outcome).ValueUnsafe();
    }
    reason = outcome.status().message();
  } catch (const std::exception& exception) {
    reason = exception.what();
  }
  return std::nullopt;
}

Expected<std::string> encode(const NextRows& next,
                             const std::map<std::string, std::string>& metadata) {
  std::string reason;
  auto bytes = value_or_reason([&] { return encode_arrow(next, metadata); }, reason);
  if (!bytes) {
    return failure(ErrorKind::internal, fmt::format("cannot make a Parquet file: {}", reason));
  }
  return *std::move(bytes);
}

Expected<ParquetTable> read(const std::string& path, const std::vector<std::string>& columns) {
  std::string reason;
  auto table = value_or_reason([&] { return read_arrow(path, columns); }, reason);
  if (!table) {
    return failure(ErrorKind::io, fmt::format("cannot read `{}`: {}", path, reason),
                   "the file is torn, damaged or no Parquet file of this program", "bad_parquet");
  }
  return *std::move(table);
}

constexpr ParquetCalls kCalls{kStamp, &encode, &read};

}  // namespace
}  // namespace llem::store

extern "C" __attribute__((visibility("default"))) const llem::store::ParquetCalls*
llem_parquet_calls() {
  return &llem::store::kCalls;
}
