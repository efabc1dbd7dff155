#include <cerrno>
#include <cmath>
#include <dlfcn.h>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.hpp"
#include "store/parquet.hpp"
#include "store/parquet_calls.hpp"
#include "sys/library.hpp"
#include "sys/system_error.hpp"

namespace llem::store {
namespace {

constexpr const char* kLibrary = "libllem_parquet.so";
constexpr const char* kStamp = LLEM_PARQUET_STAMP " " __VERSION__;

/// Beside the program or library that holds this code, then where an installed or built tree keeps
/// libraries.
std::vector<std::string> library_names() {
  static const int here = 0;
  Dl_info facts{};
  sys::Path folder;
  if (::dladdr(&here, &facts) != 0 && facts.dli_fname != nullptr) {
    std::error_code error;
    folder = std::filesystem::canonical(facts.dli_fname, error).parent_path();
  }
  if (folder.empty()) {
    std::error_code error;
    folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  }
  return {(folder / kLibrary).string(),
          (folder / LLEM_PARQUET_FOLDER / kLibrary).lexically_normal().string(),
          (folder / "../lib" / kLibrary).lexically_normal().string()};
}

Expected<const ParquetCalls*> open_calls() {
  auto library = sys::DynamicLibrary::open(library_names());
  if (!library) {
    Error error = std::move(library).error();
    error.hint = fmt::format(
        "{} belongs into the folder of the program or its lib folder: install again", kLibrary);
    return tl::unexpected<Error>(std::move(error));
  }
  // Never closed: Arrow's threads and thread-local state outlive every use of it.
  static const sys::DynamicLibrary kept = *std::move(library);
  auto* entry = kept.symbol<ParquetEntry>(kParquetSymbol);
  const ParquetCalls* calls = entry != nullptr ? entry() : nullptr;
  if (calls == nullptr || std::string_view(calls->stamp) != kStamp) {
    return failure(ErrorKind::io,
                   fmt::format("`{}` belongs to another version of this program ({}, not {})",
                               kept.name(), calls != nullptr ? calls->stamp : "unknown", kStamp),
                   "install the program and its libraries together", "library_mismatch");
  }
  return calls;
}

Expected<const ParquetCalls*> parquet_calls() {
  static const Expected<const ParquetCalls*> calls = open_calls();
  return calls;
}

tl::unexpected<Error> refused(std::string message) {
  return failure(ErrorKind::internal, std::move(message));
}

bool is_finite(double value) {
  return std::isfinite(value);
}

bool is_finite(const std::optional<double>& value) {
  return !value || std::isfinite(*value);
}

template <class Values>
Expected<void> check_finite(const Column& column, const Values& values) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    if (!is_finite(values[row])) {
      return refused(fmt::format("column `{}`, row {}: not a finite number", column.name, row));
    }
  }
  return {};
}

Expected<void> check_column(const Column& column) {
  if (const auto* real = std::get_if<RealColumn>(&column.values)) {
    return check_finite(column, *real);
  }
  if (const auto* real = std::get_if<OptionalRealColumn>(&column.values)) {
    return check_finite(column, *real);
  }
  if (const auto* text = std::get_if<WordColumn>(&column.values)) {
    for (const std::int32_t word : text->rows) {
      if (word < 0 || static_cast<std::size_t>(word) >= text->words.size()) {
        return refused(fmt::format("column `{}`: no word {}", column.name, word));
      }
    }
  }
  return {};
}

Expected<void> check_columns(const std::vector<Column>& columns) {
  for (const Column& column : columns) {
    if (column.size() != columns.front().size()) {
      return refused(fmt::format("column `{}` has {} rows, the first one {}", column.name,
                                 column.size(), columns.front().size()));
    }
    LLEM_TRY(check_column(column));
  }
  return {};
}

std::string units_of(const std::vector<Column>& columns) {
  base::Json units = base::Json::object();
  for (const Column& column : columns) {
    if (!column.unit.empty()) {
      units[column.name] = column.unit;
    }
  }
  return base::write_json(units);
}

}  // namespace

std::size_t Column::size() const {
  return std::visit(
      [](const auto& held) {
        if constexpr (std::is_same_v<std::decay_t<decltype(held)>, WordColumn>) {
          return held.rows.size();
        } else {
          return held.size();
        }
      },
      values);
}

const Column* ParquetTable::find(std::string_view name) const {
  for (const Column& column : columns) {
    if (column.name == name) {
      return &column;
    }
  }
  return nullptr;
}

std::size_t ParquetTable::size() const {
  return columns.empty() ? 0 : columns.front().size();
}

Expected<void> write_parquet(const sys::Path& path, ParquetTable table) {
  std::optional<std::vector<Column>> whole = std::move(table.columns);
  return write_parquet(
      path, [&] { return std::exchange(whole, std::nullopt); }, std::move(table.metadata));
}

Expected<void> write_parquet(const sys::Path& path, const NextRows& next,
                             std::map<std::string, std::string> metadata) {
  LLEM_ASSIGN(const ParquetCalls* calls, parquet_calls());
  std::optional<std::vector<Column>> first = next();
  LLEM_ASSERT(first.has_value(), "a table has columns");
  metadata.try_emplace("units", units_of(*first));
  Expected<void> checked;
  const auto checked_next = [&]() -> std::optional<std::vector<Column>> {
    auto part = first ? std::exchange(first, std::nullopt) : next();
    if (part) {
      checked = check_columns(*part);
    }
    return checked ? std::move(part) : std::nullopt;
  };
  auto bytes = calls->encode(checked_next, metadata);
  if (!checked) {
    return tl::unexpected<Error>(std::move(checked).error().at(path.string()));
  }
  if (!bytes) {
    return tl::unexpected<Error>(std::move(bytes).error().at(path.string()));
  }
  return sys::write_file_atomic(path, *bytes);
}

Expected<ParquetTable> read_parquet(const sys::Path& path,
                                    const std::vector<std::string>& columns) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::not_found) {
    return sys::io_failure("read", path, ENOENT);
  }
  if (kind == std::filesystem::file_type::directory) {
    return sys::io_failure("read", path, EISDIR);
  }
  LLEM_ASSIGN(const ParquetCalls* calls, parquet_calls());
  return calls->read(path.string(), columns);
}

}  // namespace llem::store
