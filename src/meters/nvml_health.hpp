#pragma once

// Owns: when a device that fails counts as gone.

#include <atomic>

#include "meters/nvml_api.hpp"
#include "meters/opened.hpp"

namespace llem::meters::nvml {

/// Written by the thread that reads the device, read by any.
class Health {
 public:
  /// One failed call over `channels` channels. Nothing but unknown errors many times running is a
  /// driver that will not come back.
  void fail(int code, std::int64_t channels = 1) noexcept {
    failed_.add(channels);
    if (code_info(code).fault == Fault::gone ||
        (code == kUnknown && ++unknown_in_a_row_ >= kUnknownLimit)) {
      lost_.store(true, std::memory_order_relaxed);
    }
  }

  void succeed() noexcept { unknown_in_a_row_ = 0; }

  bool lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

  std::int64_t failed() const noexcept { return failed_.count(); }

 private:
  static constexpr int kUnknownLimit = 60;
  Tally failed_;
  std::atomic<bool> lost_{false};
  int unknown_in_a_row_ = 0;
};

}  // namespace llem::meters::nvml
