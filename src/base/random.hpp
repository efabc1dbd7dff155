#pragma once

// Owns: random numbers that are the same on every machine and compiler: results carry their seed.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace llem::base {

/// xoshiro256** 1.0 (Blackman and Vigna, 2018), seeded by splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform integer in [0, bound), unbiased (Lemire 2019). `bound` > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Standard normal by the polar method (Marsaglia and Bray, 1964).
  double normal();

  /// Fisher-Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[below(i)]);
    }
  }

 private:
  std::array<std::uint64_t, 4> state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// The documented sub-seed for one purpose ("sample", "lengths", "sampling", …) and block: the
/// first eight bytes, big-endian, of SHA-256 over "<seed>/<purpose>/<block>".
std::uint64_t derive_seed(std::uint64_t seed, std::string_view purpose, std::uint64_t block = 0);

}  // namespace llem::base
