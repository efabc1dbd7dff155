#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fidelity/errors.hpp"
#include "fidelity/report.hpp"
#include "fidelity/scene.hpp"

namespace llem::fidelity {
namespace {

constexpr double kPeriod = 0.1013;
constexpr double kSlow = 0.02;  // measure.sample_hz: 50

Readings watch(const Waveform& power, double length_s, double window_s, Draws& draws) {
  const auto updates = update_times({kPeriod, 0}, length_s, draws);
  return polled(power_average(power, updates, {window_s, 1, 1e-3}),
                poll_times({kSlow, {}}, length_s, draws));
}

/// As a trial goes: idle, warm-up, idle, window, idle. A faint ripple keeps readings at idle apart.
Waveform whole_trial(const Timetable& table, const Waveform& load) {
  return load_between(load, 0, 3, table.idle_s - 2) +
         load_between(load, 0, table.begin_s(), table.end_s()) + sine(80, 0.05, 0.37, 0);
}

Errors averaged_errors(int updates, double table_window_s, std::uint64_t seed) {
  Draws draws(seed);
  Errors errors;
  for (const double window_s : {0.5, 1.0, 2.3, 5.0, 10.0}) {
    for (int i = 0; i < 20; ++i) {
      Timetable table;
      table.idle_s = 40;
      table.tail_s = 5;
      table.window_s = window_s + draws.uniform(0, 0.1);
      const auto load = bursts({140, 320, 0.02, 0.12}, table.length_s(), draws) +
                        sine(0, 20, 1.7, 0) + ramp(table.begin_s(), table.end_s(), 30);
      const auto power = whole_trial(table, load);
      const auto seen = watch(power, table.length_s(), updates * kPeriod, draws);
      SensorFacts facts;
      facts.averaging_s = table_window_s;
      const auto scope = scope_of(Scene(table).gauge(seen, facts).analyse());
      EXPECT_TRUE(scope);
      errors.add(scope->gross.value / power.between(table.begin_s(), table.end_s()) - 1);
    }
  }
  return errors;
}

TEST(Gauge, that_averages_over_its_period_is_exact_between_pads) {
  const auto errors = averaged_errors(1, 0.1, 21);
  EXPECT_LE(errors.largest(), 1e-4);
  report("boxcar, W = T, pads, 0.5 to 10 s", "max ≤ 0.01 %", "max " + percent(errors.largest()));
}

TEST(Gauge, that_averages_over_ten_periods_is_exact_between_pads) {
  const auto errors = averaged_errors(10, 1, 22);
  EXPECT_LE(errors.largest(), 1e-4);
  report("moving average, W = 10 T, pads, 0.5 to 10 s", "max ≤ 0.01 %",
         "max " + percent(errors.largest()));
}

TEST(Gauge, that_lags_is_corrected_at_the_edges) {
  constexpr double kLag = 0.84;
  Draws draws(25);
  Errors errors;
  Errors uncorrected;
  int covered = 0;
  constexpr int kRuns = 200;
  for (int i = 0; i < kRuns; ++i) {
    Timetable table;
    table.pad_s = 0;
    Steps steps;
    steps.then(80, table.begin_s());
    while (steps.end() < table.end_s()) {
      const double seconds = draws.uniform(0.02, 0.12);
      steps.then(draws.uniform(220, 420), std::min(seconds, table.end_s() - steps.end()));
    }
    steps.then(80, 10);
    const auto updates = update_times({kPeriod, 0}, table.length_s(), draws);
    const auto seen = polled(lagging(steps, updates, kLag, 1e-3),
                             poll_times({kSlow, {}}, table.length_s(), draws));
    SensorFacts facts;
    const double truth = steps.waveform().between(table.begin_s(), table.end_s());
    uncorrected.add(scope_of(Scene(table).gauge(seen, facts).analyse())->gross.value / truth - 1);
    facts.lag_s = kLag;
    const auto scope = scope_of(Scene(table).gauge(seen, facts).analyse());
    ASSERT_TRUE(scope);
    errors.add(scope->gross.value / truth - 1);
    covered += std::abs(scope->gross.value - truth) <= 2 * *scope->gross.u_random ? 1 : 0;
  }
  EXPECT_LE(errors.largest(), 0.003);
  EXPECT_GE(covered, 0.95 * kRuns);
  report("first-order lag of 0.84 s, no pads, 10 s", "max ≤ 0.3 %",
         fmt::format("max {} (uncorrected {})", percent(errors.largest()),
                     percent(uncorrected.largest())));
}

SensorFacts part_time_facts() {
  SensorFacts facts;
  facts.averaging_s = 0.025;
  return facts;
}

TEST(Gauge, that_sees_a_quarter_of_an_irregular_load_is_unbiased_and_says_how_uncertain_it_is) {
  Draws draws(23);
  Errors errors;
  int covered = 0;
  int flagged = 0;
  constexpr int kRuns = 600;
  for (int i = 0; i < kRuns; ++i) {
    const Timetable table;
    const auto [load, begins] = logged_bursts({}, table.begin_s(), table.end_s(), draws);
    const auto power = load_between(load, 80, table.begin_s(), table.end_s());
    const auto seen = watch(power, table.length_s(), kPeriod / 4, draws);
    const auto result = Scene(table).gauge(seen, part_time_facts()).steps(begins).analyse();
    const auto scope = scope_of(result);
    ASSERT_TRUE(scope);
    const double truth = power.between(table.begin_s(), table.end_s());
    errors.add(scope->gross.value / truth - 1);
    covered += std::abs(scope->gross.value - truth) <= 2 * *scope->gross.u_random ? 1 : 0;
    flagged += has_code(result, "alias_risk") ? 1 : 0;
  }
  const double share = covered / static_cast<double>(kRuns);
  EXPECT_LE(std::abs(errors.mean()), 0.002);
  EXPECT_GE(share, 0.92);
  EXPECT_LE(share, 0.999);
  EXPECT_EQ(flagged, 0);
  report("part-time, W = T/4, irregular load, 10 s", "bias ≤ 0.2 %, ± 2u covers 92 to 99.9 %",
         fmt::format("bias {}, sd {}, {:.1f} %", percent(std::abs(errors.mean())),
                     percent(errors.deviation()), 100 * share));
}

TEST(Gauge, that_sees_a_quarter_of_a_load_in_step_with_it_is_flagged_and_bounded) {
  constexpr int kPhases = 200;
  Draws draws(24);
  Errors errors;
  int flagged = 0;
  int bounded = 0;
  for (int i = 0; i < kPhases; ++i) {
    const Timetable table;
    const double phase = table.begin_s() + i * kPeriod / kPhases;
    const auto power =
        load_between(square(150, 420, kPeriod, 0.5, phase), 80, table.begin_s(), table.end_s());
    std::vector<double> begins;
    for (double t = phase; t < table.end_s(); t += kPeriod) {
      begins.push_back(t);
    }
    const auto seen = watch(power, table.length_s(), kPeriod / 4, draws);
    const auto result =
        Scene(table).gauge(seen, part_time_facts()).power_limit(450).steps(begins).analyse();
    const auto scope = scope_of(result);
    ASSERT_TRUE(scope);
    const double truth = power.between(table.begin_s(), table.end_s());
    errors.add(scope->gross.value / truth - 1);
    flagged += has_code(result, "alias_risk") ? 1 : 0;
    bounded += std::abs(scope->gross.value - truth) <= 2 * *scope->gross.u_random ? 1 : 0;
  }
  EXPECT_EQ(flagged, kPhases);
  EXPECT_EQ(bounded, kPhases);
  report(
      "part-time, W = T/4, load period = T, 200 phases", "all flagged, all bounded",
      fmt::format("{} flagged, {} bounded, max {}", flagged, bounded, percent(errors.largest())));
}

}  // namespace
}  // namespace llem::fidelity
