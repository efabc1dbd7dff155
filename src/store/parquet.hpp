#pragma once

// Owns: Parquet files as typed columns. Arrow stays behind this header, in a library that is opened
// on first use: a program that touches no Parquet file does not pay for it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace llem::store {

using IntColumn = std::vector<std::int64_t>;
using RealColumn = std::vector<double>;
using TextColumn = std::vector<std::string>;  // written dictionary-encoded
using OptionalIntColumn = std::vector<std::optional<std::int64_t>>;
using OptionalRealColumn = std::vector<std::optional<double>>;
using OptionalTextColumn = std::vector<std::optional<std::string>>;
using OptionalBoolColumn = std::vector<std::optional<bool>>;

/// Text of few distinct words in many rows: 4 bytes a row. Files hold the same as for a TextColumn,
/// which is what reading gives back.
struct WordColumn {
  std::vector<std::string> words;
  std::vector<std::int32_t> rows;  // index into words
};

struct Column {
  std::string name;
  std::string unit;  // "s", "J" … in the field's metadata; empty when none
  std::variant<IntColumn, RealColumn, TextColumn, WordColumn, OptionalIntColumn, OptionalRealColumn,
               OptionalTextColumn, OptionalBoolColumn>
      values;

  std::size_t size() const;
};

struct ParquetTable {
  std::vector<Column> columns;                  // all of one length
  std::map<std::string, std::string> metadata;  // schema name and version …; "units" is added

  const Column* find(std::string_view name) const;
  /// Rows; 0 without columns.
  std::size_t size() const;
};

/// zstd, written to `<path>.tmp`, fsynced, renamed. NaN and infinity are refused.
Expected<void> write_parquet(const sys::Path& path, ParquetTable table);

/// The rows of a long table part by part, so that only one part is held: the first one says which
/// columns there are, absent ends. A row group each.
using NextRows = std::function<std::optional<std::vector<Column>>()>;
Expected<void> write_parquet(const sys::Path& path, const NextRows& next,
                             std::map<std::string, std::string> metadata);

/// Reads a file this program wrote (or any flat file of int64, double, boolean and string columns).
/// With `columns`, those alone, in that order; one that is not there is an error. Nullable columns
/// come as optionals.
Expected<ParquetTable> read_parquet(const sys::Path& path,
                                    const std::vector<std::string>& columns = {});

}  // namespace llem::store
