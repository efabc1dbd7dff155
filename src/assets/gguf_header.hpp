#pragma once

// Owns: the header of a GGUF file (versions 2 and 3): metadata and tensor table, no weights.
// Format: ggml/docs/gguf.md. Memory stays proportional to the bytes given, whatever their counts
// say.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"

namespace llem::assets {

struct GgufArray {
  std::uint64_t count = 0;
  std::vector<double> numbers;  // of short arrays of numbers (one a layer); else empty
};

using GgufValue = std::variant<std::int64_t, double, bool, std::string, GgufArray>;

struct GgufTensor {
  std::string name;
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};  // fastest first
  std::uint32_t type = 0;
  std::uint64_t offset = 0;  // from the begin of the data
};

struct GgufHeader {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;
  std::uint64_t data_begin = 0;
};

/// From the first bytes of a file of `file_size` bytes. The error's code is "more_bytes" when the
/// header goes on after `bytes` and the file does as well. Messages go on after the file's name:
/// "is not a GGUF file".
Expected<GgufHeader> parse_gguf_header(std::string_view bytes, std::uint64_t file_size);

}  // namespace llem::assets
