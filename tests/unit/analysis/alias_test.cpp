#include "analysis/alias.hpp"

#include <cmath>
#include <cstdint>

#include <gtest/gtest.h>

namespace llem::analysis {
namespace {

constexpr PartTime kQuarter{0.1, 0.025};

std::int64_t ns(double seconds) {
  return std::llround(seconds * 1e9);
}

/// Decode steps of `period_s`, each in turn longer and shorter by `swing_s`.
domain::Serve decoding(double period_s, double duration_s, double swing_s = 0) {
  domain::Serve serve;
  double t = 0;
  for (int i = 0; t < duration_s; ++i) {
    const double length = period_s + (i % 2 == 0 ? swing_s : -swing_s);
    serve.steps.push_back({ns(t), ns(t + length), 0, 1, 1, 1});
    t += length;
  }
  return serve;
}

std::optional<Lock> locked(const domain::Serve& serve, double duration_s,
                           const PartTime& sensor = kQuarter) {
  Window window;
  window.serve = &serve;
  window.duration_s = duration_s;
  return locked_period(window, sensor);
}

// 1/97 ms against 1/100 ms: 0.309 Hz, 3.1 beats in 10 s and 12.4 in 40 s.
TEST(Alias, counts_beats_of_steps_against_updates) {
  const auto lock = locked(decoding(0.097, 10), 10);
  ASSERT_TRUE(lock);
  EXPECT_NEAR(lock->period_s, 0.097, 1e-9);
  EXPECT_NEAR(lock->beats, 3.09, 0.01);
  EXPECT_FALSE(locked(decoding(0.097, 40), 40));
}

TEST(Alias, sees_steps_in_step_with_every_nth_update) {
  EXPECT_TRUE(locked(decoding(0.1, 10), 10));
  EXPECT_TRUE(locked(decoding(0.2, 10), 10));   // second harmonic
  EXPECT_TRUE(locked(decoding(0.05, 10), 10));  // every second step
  EXPECT_FALSE(locked(decoding(0.0437, 10), 10));
}

// Four whole steps of 6.25 ms in each 25 ms: the average leaves nothing of them.
TEST(Alias, leaves_out_what_averaging_leaves_out) {
  EXPECT_FALSE(locked(decoding(0.00625, 10), 10));
}

// σ = 30 ms: 10 s·(2π·0.03)²/(2·0.1³) = 178 times out of step.
TEST(Alias, leaves_out_work_that_is_too_irregular) {
  EXPECT_FALSE(locked(decoding(0.1, 10, 0.03), 10));
  EXPECT_TRUE(locked(decoding(0.1, 10, 0.003), 10));
}

TEST(Alias, looks_at_batches_and_passes_too) {
  domain::Serve batches;
  for (int i = 0; i < 50; ++i) {
    const double t = 0.2 * i;
    batches.steps.push_back({ns(t), ns(t + 0.033), 8, 0, 8, 1});
    batches.steps.push_back({ns(t + 0.033), ns(t + 0.033 + 0.01 * (i % 7)), 0, 1, 9, 1});
  }
  const auto by_batch = locked(batches, 10);
  ASSERT_TRUE(by_batch);
  EXPECT_NEAR(by_batch->period_s, 0.2, 1e-9);

  domain::Serve passes;
  passes.passes = 20;
  for (int i = 0; i < 20; ++i) {
    domain::RequestRecord request;
    request.pass = i;
    request.started_ns = ns(1 + 0.5 * i);
    passes.requests.push_back(request);
  }
  const auto by_pass = locked(passes, 10);
  ASSERT_TRUE(by_pass);
  EXPECT_NEAR(by_pass->period_s, 0.5, 1e-9);
}

TEST(Alias, is_unknown_without_a_step_log) {
  EXPECT_FALSE(locked({}, 10));
}

}  // namespace
}  // namespace llem::analysis
