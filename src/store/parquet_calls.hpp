#pragma once

// Owns: what parquet_loader.cpp asks of the library built from parquet_plugin.cpp. One C symbol
// leads to a table of functions. They take C++ types because both sides are built from this tree by
// one compiler; the stamp, compared before anything is called, confirms that.

#include <map>
#include <string>
#include <vector>

#include "store/parquet.hpp"

namespace llem::store {

struct ParquetCalls {
  const char* stamp;  // version and compiler
  /// The bytes of a file; `next` gives at least one part.
  Expected<std::string> (*encode)(const NextRows& next,
                                  const std::map<std::string, std::string>& metadata);
  Expected<ParquetTable> (*read)(const std::string& path, const std::vector<std::string>& columns);
};

inline constexpr const char* kParquetSymbol = "llem_parquet_calls";
using ParquetEntry = const ParquetCalls*();

}  // namespace llem::store
