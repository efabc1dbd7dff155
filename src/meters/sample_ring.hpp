#pragma once

// Owns: the way of samples from one sampler thread to the wait loop: a ring of fixed size, one
// writer, one reader.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "domain/channel.hpp"

namespace llem::meters {

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the counts lie on lines of their own
class SampleRing {
 public:
  /// Holds at least `capacity` samples; the memory is touched here, so that the writer meets no
  /// page fault.
  explicit SampleRing(std::size_t capacity) : samples_(std::bit_ceil(capacity)) {}

  /// Writer: publishes a block's samples at once; what has no room is dropped and counted.
  void publish(std::span<const domain::Sample> block) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t used = head - tail_.load(std::memory_order_acquire);
    const std::size_t room = samples_.size() - static_cast<std::size_t>(used);
    const std::size_t taken = block.size() < room ? block.size() : room;
    for (std::size_t i = 0; i < taken; ++i) {
      samples_[(head + i) & (samples_.size() - 1)] = block[i];
    }
    head_.store(head + taken, std::memory_order_release);
    if (taken < block.size()) {
      dropped_.store(dropped_.load(std::memory_order_relaxed) +
                         static_cast<std::int64_t>(block.size() - taken),
                     std::memory_order_relaxed);
    }
  }

  /// Reader: what has been published so far.
  std::uint64_t published() const noexcept { return head_.load(std::memory_order_acquire); }

  /// Reader: visits and frees everything up to `end`, a value of published().
  template <class Visit>
  void consume(std::uint64_t end, Visit&& visit) {
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    for (; tail < end; ++tail) {
      visit(samples_[tail & (samples_.size() - 1)]);
    }
    tail_.store(tail, std::memory_order_release);
  }

  std::int64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  std::vector<domain::Sample> samples_;
  // Counts that only grow; on lines of their own because writer and reader sit on different CPUs.
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::atomic<std::int64_t> dropped_{0};
};

}  // namespace llem::meters
