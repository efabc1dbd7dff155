#pragma once

// Owns: what opening one meter family answers.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "meters/meter.hpp"

namespace llem::meters {

struct Opened {
  std::vector<std::unique_ptr<Meter>> meters;
  std::vector<domain::Device> devices;
  /// Never empty; the first says whether the family works.
  std::vector<MeterFinding> findings;
  /// The user's own words were wrong (a device that does not exist): an error even where the family
  /// may be missing.
  std::optional<Error> error;
  /// Some channel measures energy or power.
  bool measures_energy = false;
  /// As in MeterSet.
  std::function<std::vector<domain::DeviceProcess>()> gpu_processes;
};

/// The clock of every sample.
inline std::int64_t now_ns() noexcept {
  return to_ns(std::chrono::steady_clock::now());
}

/// A count one thread writes and others read.
class Tally {
 public:
  void add(std::int64_t n = 1) noexcept {
    count_.store(count_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::int64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> count_{0};
};

}  // namespace llem::meters
