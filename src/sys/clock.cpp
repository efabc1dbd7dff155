#include "sys/clock.hpp"

#include <ctime>

#include <fmt/format.h>

namespace llem::sys {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t read_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * kNsPerSecond + time.tv_nsec;
}

struct CalendarTime {
  std::tm fields{};
  std::int64_t milliseconds = 0;
};

CalendarTime calendar(std::int64_t realtime_ns) {
  std::int64_t seconds = realtime_ns / kNsPerSecond;
  std::int64_t rest = realtime_ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  CalendarTime out;
  out.milliseconds = rest / 1'000'000;
  const std::time_t time{seconds};
  gmtime_r(&time, &out.fields);
  return out;
}

}  // namespace

MonotonicTime MonotonicClock::now() const {
  return from_ns(read_ns(CLOCK_MONOTONIC));
}

ClockAnchor read_clock_anchor() {
  // A preemption between the three readings would look like a clock step: keep the tightest of a
  // few tries.
  constexpr int kTries = 5;
  ClockAnchor best;
  std::int64_t best_gap = -1;
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t before = read_ns(CLOCK_MONOTONIC);
    const std::int64_t boottime = read_ns(CLOCK_BOOTTIME);
    const std::int64_t realtime = read_ns(CLOCK_REALTIME);
    const std::int64_t gap = read_ns(CLOCK_MONOTONIC) - before;
    if (best_gap < 0 || gap < best_gap) {
      best_gap = gap;
      best = {before + gap / 2, boottime, realtime};
    }
  }
  return best;
}

std::string utc_text(std::int64_t realtime_ns) {
  const CalendarTime time = calendar(realtime_ns);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", time.fields.tm_year + 1900,
                     time.fields.tm_mon + 1, time.fields.tm_mday, time.fields.tm_hour,
                     time.fields.tm_min, time.fields.tm_sec, time.milliseconds);
}

std::string utc_compact(std::int64_t realtime_ns) {
  const CalendarTime time = calendar(realtime_ns);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", time.fields.tm_year + 1900,
                     time.fields.tm_mon + 1, time.fields.tm_mday, time.fields.tm_hour,
                     time.fields.tm_min, time.fields.tm_sec);
}

}  // namespace llem::sys
