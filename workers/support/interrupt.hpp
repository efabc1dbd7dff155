#pragma once

// Owns: whether running work must end: the host asked, or its time is up. Cheap enough to ask
// between the nodes of a compute graph.

#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

namespace llem::worker {

/// CLOCK_MONOTONIC of this kernel.
std::int64_t now_ns() noexcept;

class Interrupt {
 public:
  /// `host_interrupts` is asked at most every 20 ms.
  explicit Interrupt(std::function<bool()> host_interrupts) : host_(std::move(host_interrupts)) {}

  void set_deadline(std::int64_t deadline_ns) { deadline_ns_ = deadline_ns; }

  bool raised();

  bool by_host() const { return by_host_; }

 private:
  std::function<bool()> host_;
  std::int64_t deadline_ns_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t next_ask_ns_ = 0;
  bool by_host_ = false;
  bool by_deadline_ = false;
};

}  // namespace llem::worker
