#pragma once

// Owns: a histogram of delays of fixed size, written by one thread while others read it. Each power
// of two is divided into 32 bins, so a quantile is at most 3 % too high and never too low.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace llem::meters {

class LatenessHistogram {
 public:
  void add(std::int64_t ns) noexcept {
    const auto value = static_cast<std::uint64_t>(ns > 0 ? ns : 0);
    std::atomic<std::uint64_t>& bin = bins_[bin_of(value)];
    bin.store(bin.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (value > max_.load(std::memory_order_relaxed)) {
      max_.store(value, std::memory_order_relaxed);
    }
  }

  /// The smallest delay that at least the share `p` of all did not exceed, rounded up to its bin's
  /// end; 0 when empty.
  std::int64_t quantile(double p) const noexcept {
    std::uint64_t all = 0;
    for (const auto& bin : bins_) {
      all += bin.load(std::memory_order_relaxed);
    }
    const double wanted = p * static_cast<double>(all);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kBins; ++i) {
      below += bins_[i].load(std::memory_order_relaxed);
      if (below > 0 && static_cast<double>(below) >= wanted) {
        return std::min(end_of(i), max());
      }
    }
    return 0;
  }

  std::int64_t max() const noexcept {
    return static_cast<std::int64_t>(max_.load(std::memory_order_relaxed));
  }

 private:
  static constexpr unsigned kBits = 5;
  // Up to the longest delay a signed count of nanoseconds can hold.
  static constexpr std::size_t kBins = (64 - kBits) << kBits;

  static std::size_t bin_of(std::uint64_t value) noexcept {
    if (value < (1U << kBits)) {
      return value;
    }
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kBits;
    return (std::size_t{shift} << kBits) + (value >> shift);
  }

  static std::int64_t end_of(std::size_t bin) noexcept {
    if (bin < (2U << kBits)) {
      return static_cast<std::int64_t>(bin);
    }
    const std::size_t shift = (bin >> kBits) - 1;
    const std::size_t mantissa = bin - (shift << kBits);
    return static_cast<std::int64_t>(((mantissa + 1) << shift) - 1);
  }

  std::array<std::atomic<std::uint64_t>, kBins> bins_{};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace llem::meters
