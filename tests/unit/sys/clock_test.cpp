#include "sys/clock.hpp"

#include <gtest/gtest.h>

namespace llem::sys {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Clock, writes_utc_with_milliseconds) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_text(1'795'356'062 * kSecond + 999'999'999), "2026-11-22T14:01:02.999Z");
  EXPECT_EQ(utc_compact(1'795'356'062 * kSecond), "20261122T140102Z");
}

TEST(Clock, writes_moments_before_1970_and_leap_days) {
  EXPECT_EQ(utc_text(-1'000'000), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(utc_text(951'782'400 * kSecond), "2000-02-29T00:00:00.000Z");
}

TEST(Clock, never_goes_back_and_agrees_with_the_anchor) {
  const MonotonicClock clock;
  const std::int64_t before = to_ns(clock.now());
  const ClockAnchor anchor = read_clock_anchor();
  const std::int64_t after = to_ns(clock.now());
  EXPECT_LE(before, anchor.monotonic_ns);
  EXPECT_LE(anchor.monotonic_ns, after);
  EXPECT_GE(anchor.boottime_ns, before);  // counts suspended time too
  EXPECT_GT(anchor.realtime_ns, 0);
}

TEST(Clock, is_the_steady_clock_other_parts_compare_with) {
  const auto before = MonotonicTime::clock::now();
  const auto now = MonotonicClock().now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, MonotonicTime::clock::now());
}

}  // namespace
}  // namespace llem::sys
