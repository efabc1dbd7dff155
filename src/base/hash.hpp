#pragma once

// Owns: SHA-256 (FIPS 180-4).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llem::base {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t size);
  /// 64 lower-case hexadecimal digits; the object must not be used afterwards.
  std::string hex_digest();
  std::array<std::uint8_t, 32> digest();

 private:
  void compress(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_{};
  std::uint64_t length_ = 0;
};

std::string sha256_hex(std::string_view text);

}  // namespace llem::base
