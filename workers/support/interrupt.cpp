#include "support/interrupt.hpp"

#include <ctime>

namespace llem::worker {

namespace {

// The host waits a second for the answer to a cancel; a coarse clock is right to 4 ms or better.
constexpr std::int64_t kAskEveryNs = 20'000'000;

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::int64_t now_ns() noexcept {
  return read_clock(CLOCK_MONOTONIC);
}

bool Interrupt::raised() {
  if (by_host_ || by_deadline_) {
    return true;
  }
  const std::int64_t now = read_clock(CLOCK_MONOTONIC_COARSE);
  if (now >= next_ask_ns_) {
    next_ask_ns_ = now + kAskEveryNs;
    by_host_ = host_ && host_();
  }
  by_deadline_ = now >= deadline_ns_;
  return by_host_ || by_deadline_;
}

}  // namespace llem::worker
