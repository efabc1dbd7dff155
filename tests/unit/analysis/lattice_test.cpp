#include "analysis/lattice.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace llem::analysis {
namespace {

// A sensor that shows the number of its update, from 3 s on every 101.3 ms, polled every 20 ms from
// 0.0037 s on.
constexpr double kPeriod = 0.1013;
constexpr double kFirst = 3;

template <class Shown>
domain::Trace polled(double until_s, double every_s, Shown&& shown) {
  domain::Trace trace;
  for (double t = 0.0037; t < until_s; t += every_s) {
    trace.push_back({std::llround(t * 1e9), 0, shown(t)});
  }
  return trace;
}

double update_at(double t) {
  return std::floor((t - kFirst) / kPeriod);
}

TEST(Lattice, finds_period_and_phase) {
  const auto lattice = fit_lattice(polled(60, 0.02, update_at));
  ASSERT_TRUE(lattice);
  EXPECT_NEAR(lattice->period.seconds, kPeriod, 1e-5);  // 20 ms/√12 over 590 updates: 1e-6 s
  EXPECT_LT(std::abs(lattice->period.seconds - kPeriod), 3 * lattice->period.u_seconds);
  const double phase = (lattice->first_s + 0.0037 - kFirst) / kPeriod;
  EXPECT_NEAR(phase, std::round(phase), 0.02);
}

TEST(Lattice, numbers_updates_across_a_time_without_changes) {
  // A hundred updates in a row show the same.
  const auto lattice = fit_lattice(polled(60, 0.02, [](double t) {
    const double update = update_at(t);
    return update > 170 && update < 270 ? 170 : update;
  }));
  ASSERT_TRUE(lattice);
  EXPECT_NEAR(lattice->period.seconds, kPeriod, 1e-5);
}

TEST(Lattice, is_absent_where_updates_lie_on_none) {
  // Intervals that grow by 1 % a second.
  EXPECT_FALSE(
      fit_lattice(polled(60, 0.02, [](double t) { return std::floor(100 * std::log1p(t / 10)); })));
  // Polled 1.3 times an update.
  EXPECT_FALSE(fit_lattice(polled(60, 0.08, update_at)));
  // Nineteen changes.
  EXPECT_FALSE(fit_lattice(polled(2, 0.02, update_at)));
  EXPECT_FALSE(fit_lattice({}));
}

// Polls every 20 ms leave it open which of two updates a reading shows; half a second of polls
// every millisecond does not.
TEST(MeanPeriod, is_taken_from_where_polls_are_close) {
  const auto shown = [](double t) { return std::floor(t / 0.0153); };
  auto trace = polled(30, 0.02, shown);
  EXPECT_FALSE(mean_period(trace));
  for (double t = 30; t < 30.5; t += 0.001) {
    trace.push_back({std::llround(t * 1e9), 0, shown(t)});
  }
  const auto period = mean_period(trace);
  ASSERT_TRUE(period);
  EXPECT_NEAR(period->seconds, 0.0153, 1e-4);
  EXPECT_LT(std::abs(period->seconds - 0.0153), 3 * period->u_seconds);
}

TEST(MeanPeriod, counts_an_update_that_shows_what_the_one_before_did) {
  // Two of three updates.
  const auto period = mean_period(polled(60, 0.02, [](double t) {
    const double update = update_at(t);
    return update - (std::fmod(update, 3) == 2 ? 1 : 0);
  }));
  ASSERT_TRUE(period);
  EXPECT_NEAR(period->seconds, kPeriod, 1e-3);
}

TEST(MeanPeriod, is_absent_where_a_sensor_shows_few_values) {
  // Power that steps once a second says nothing of a sensor that is read every 20 ms.
  EXPECT_FALSE(mean_period(
      polled(60, 0.02, [](double t) { return std::fmod(std::floor(t), 2) * 200 + 100; })));
  EXPECT_FALSE(mean_period({}));
}

TEST(Lattice, reads_what_each_update_published) {
  auto trace = polled(60, 0.02, update_at);
  const auto lattice = fit_lattice(trace);
  ASSERT_TRUE(lattice);
  const double shown = *reading_of(trace, *lattice, 100);
  EXPECT_EQ(*reading_of(trace, *lattice, 101), shown + 1);
  EXPECT_EQ(*reading_of(trace, *lattice, 300), shown + 200);
  const double at = lattice->first_s + 200 * lattice->period.seconds + 0.0037;
  std::erase_if(trace, [&](const auto& point) {
    return std::abs(static_cast<double>(point.t_ns) * 1e-9 - at) < kPeriod;
  });
  EXPECT_FALSE(reading_of(trace, *lattice, 200));
  EXPECT_FALSE(reading_of(trace, *lattice, -2));
}

}  // namespace
}  // namespace llem::analysis
