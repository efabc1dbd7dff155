#pragma once

// Owns: Parquet files as typed columns. Arrow stays behind this header.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
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

struct Column {
  std::string name;
  std::string unit;  // "s", "J" … in the field's metadata; empty when none
  std::variant<IntColumn, RealColumn, TextColumn, OptionalIntColumn, OptionalRealColumn,
               OptionalTextColumn>
      values;
};

struct ParquetTable {
  std::vector<Column> columns;  // all of one length
  std::map<std::string, std::string> metadata;  // schema name and version, units …

  const Column* find(std::string_view name) const;
};

/// zstd, written to `<path>.tmp`, fsynced, renamed. NaN and infinity are refused.
Expected<void> write_parquet(const sys::Path& path, const ParquetTable& table);
/// Reads a file this program wrote (or any flat file of int64, double and string columns).
Expected<ParquetTable> read_parquet(const sys::Path& path);

}  // namespace llem::store
