// Any bytes as a GGUF file: facts or an error, never a crash or an allocation beyond the input's
// size.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "assets/assets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)llem::assets::parse_gguf(bytes, size);
  (void)llem::assets::parse_gguf(bytes, std::uint64_t{1} << 40);
  return 0;
}
