#pragma once

// Owns: reading clocks. Durations come from the monotonic clock only; UTC is for people and file
// names.

#include <cstdint>
#include <string>

#include "base/quantity.hpp"

namespace llem::sys {

/// The clock a component is handed, so that tests move time by hand.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime now() const = 0;
};

class MonotonicClock final : public Clock {
 public:
  MonotonicTime now() const override;
};

/// One moment on every clock: pairs at start and end of a recording show suspends and wall-clock
/// steps.
struct ClockAnchor {
  std::int64_t monotonic_ns = 0;
  std::int64_t boottime_ns = 0;
  std::int64_t realtime_ns = 0;
};

ClockAnchor read_clock_anchor();

/// "2026-11-22T14:01:02.000Z"
std::string utc_text(std::int64_t realtime_ns);
/// "20261122T140102Z", for directory names.
std::string utc_compact(std::int64_t realtime_ns);

}  // namespace llem::sys
