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
  EXPECT_NEAR(lattice->period_s, kPeriod, 1e-5);  // 20 ms/√12 over 590 updates: 1e-6 s
  EXPECT_LT(std::abs(lattice->period_s - kPeriod), 3 * lattice->period_u_s);
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
  EXPECT_NEAR(lattice->period_s, kPeriod, 1e-5);
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

TEST(Lattice, reads_what_each_update_published) {
  auto trace = polled(60, 0.02, update_at);
  const auto lattice = fit_lattice(trace);
  ASSERT_TRUE(lattice);
  const double shown = *reading_of(trace, *lattice, 100);
  EXPECT_EQ(*reading_of(trace, *lattice, 101), shown + 1);
  EXPECT_EQ(*reading_of(trace, *lattice, 300), shown + 200);
  const double at = lattice->first_s + 200 * lattice->period_s + 0.0037;
  std::erase_if(trace, [&](const auto& point) {
    return std::abs(static_cast<double>(point.t_ns) * 1e-9 - at) < kPeriod;
  });
  EXPECT_FALSE(reading_of(trace, *lattice, 200));
  EXPECT_FALSE(reading_of(trace, *lattice, -2));
}

}  // namespace
}  // namespace llem::analysis
