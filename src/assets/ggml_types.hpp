#pragma once

// Owns: sizes and names of tensor types in GGUF files.

#include <cstdint>
#include <string_view>

namespace llem::assets {

struct GgmlType {
  std::string_view name;
  std::uint64_t block_elements = 0;
  std::uint64_t block_bytes = 0;
};

/// Null for a type this table does not know.
const GgmlType* find_ggml_type(std::uint32_t id);

/// "Q4_1" for a value of general.file_type; empty when unknown.
std::string_view file_type_name(std::int64_t id);

}  // namespace llem::assets
