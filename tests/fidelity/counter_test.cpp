#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fidelity/errors.hpp"
#include "fidelity/report.hpp"
#include "fidelity/scene.hpp"

namespace llem::fidelity {
namespace {

constexpr Updates kUpdates{0.1013, 0.03};
constexpr double kMarkU = 50e-6;  // what src/analysis/window.cpp takes for the marks of a worker
constexpr double kSlow = 0.02;    // measure.sample_hz: 50

enum class Polls { everywhere_alike, dense_at_the_edges };

Polling polling_of(Polls polls, const Timetable& table) {
  return polls == Polls::dense_at_the_edges ? dense_at_edges(table, kSlow, 0.1)
                                            : Polling{kSlow, {}};
}

/// What the analysis says of a window whose energy is known.
struct Run {
  domain::ScopeEnergy scope;
  double truth_j = 0;
  double gain = 1;

  double relative_error() const { return scope.gross.value / (gain * truth_j) - 1; }
};

std::optional<Run> measure(const Timetable& table, const Waveform& power, const Polling& polling,
                           Draws& draws, double gain = 1) {
  const auto updates = update_times(kUpdates, table.length_s(), draws);
  Counter counter;
  counter.gain = gain;
  const auto seen =
      polled(energy_counter(power, updates, counter), poll_times(polling, table.length_s(), draws));
  const double begin_s = table.begin_s() + draws.normal(0, kMarkU);
  const double end_s = table.end_s() + draws.normal(0, kMarkU);
  const auto scope = scope_of(Scene(table).counter(seen, {}).marks(begin_s, end_s).analyse());
  if (!scope) {
    return std::nullopt;
  }
  return Run{*scope, power.between(table.begin_s(), table.end_s()), gain};
}

std::string spread(const Errors& errors) {
  return fmt::format("sd {}, max {}", percent(errors.deviation()), percent(errors.largest()));
}

Waveform bursts_between(const Timetable& table, double idle_w, Draws& draws) {
  return load_between(bursts({}, table.length_s(), draws), idle_w, table.begin_s(), table.end_s());
}

/// Windows of two loads, each in many phases.
Errors padded_errors(double window_s, Polls polls, int runs, std::uint64_t seed) {
  Draws draws(seed);
  Errors errors;
  Timetable table;
  for (int i = 0; i < runs; ++i) {
    table.window_s = window_s + draws.uniform(0, 0.1);
    const auto power = i % 2 == 0
                           ? bursts_between(table, 80, draws)
                           : load_between(constant(150), 100, table.begin_s(), table.end_s());
    const auto run = measure(table, power, polling_of(polls, table), draws);
    if (run && run->scope.method == "counter_padded") {
      errors.add(run->relative_error());
    }
  }
  EXPECT_EQ(errors.count(), static_cast<std::size_t>(runs));
  return errors;
}

TEST(Counter, between_pads_is_right_to_a_few_per_mille) {
  Errors all;
  for (const double window_s : {1.0, 1.5, 2.0, 3.0}) {
    all.add(padded_errors(window_s, Polls::dense_at_the_edges, 100, 11).largest());
  }
  EXPECT_LE(all.largest(), 0.003);
  report("counter, pads, 1 ms polls at the edges, 1 to 3 s", "max ≤ 0.3 %",
         "max " + percent(all.largest()));
}

TEST(Counter, between_pads_is_right_to_one_per_mille_from_five_seconds_on) {
  Errors all;
  for (const double window_s : {5.0, 7.0, 10.0, 30.0}) {
    all.add(padded_errors(window_s, Polls::dense_at_the_edges, 60, 12).largest());
  }
  EXPECT_LE(all.largest(), 0.001);
  report("counter, pads, 1 ms polls at the edges, 5 to 30 s", "max ≤ 0.1 %",
         "max " + percent(all.largest()));
}

TEST(Counter, between_pads_polled_as_everywhere_errs_as_its_polls_place_it) {
  for (const double window_s : {1.0, 5.0, 30.0}) {
    const auto errors = padded_errors(window_s, Polls::everywhere_alike, 100, 13);
    report(fmt::format("counter, pads, 20 ms polls, {:g} s", window_s), "-", spread(errors));
    // Each of two updates lies anywhere within 20 ms; idle takes two thirds of the power at most.
    EXPECT_LE(errors.largest(), 2 * kSlow * 100 / (150 * window_s));
  }
}

TEST(Counter, without_pads_has_no_bias_where_the_load_steps) {
  Draws draws(14);
  Errors errors;
  Timetable table;
  table.pad_s = 0;
  for (int i = 0; i < 300; ++i) {
    const auto power = load_between(constant(400), 80, table.begin_s(), table.end_s());
    const auto run = measure(table, power, {kSlow, {}}, draws);
    ASSERT_TRUE(run);
    errors.add(run->relative_error());
  }
  EXPECT_LE(std::abs(errors.mean()), 0.001);
  EXPECT_LE(errors.largest(), 0.01);
  report(
      "counter, no pads, load steps at the edges, 10 s", "mean ≤ 0.1 %, max ≤ 1 %",
      fmt::format("mean {}, max {}", percent(std::abs(errors.mean())), percent(errors.largest())));
}

/// Windows that begin and end within a load of random bursts.
Errors interpolated_errors(const Bursts& shape, double poll_s, std::uint64_t seed) {
  Draws draws(seed);
  Errors errors;
  Timetable table;
  table.window_s = 5;
  table.pad_s = 0;
  for (int i = 0; i < 400; ++i) {
    const auto power =
        load_between(bursts(shape, table.length_s(), draws), 80, table.idle_s, table.length_s());
    const auto run = measure(table, power, {poll_s, {}}, draws);
    if (run && run->scope.method == "counter_interpolated") {
      errors.add(run->relative_error());
    }
  }
  EXPECT_EQ(errors.count(), 400U);
  return errors;
}

// Ten polls an update, and a load whose bursts are shorter than one.
TEST(Counter, within_stationary_load_is_interpolated_between_updates) {
  const auto errors = interpolated_errors({220, 420, 0.01, 0.06}, 0.01, 15);
  EXPECT_LE(errors.deviation(), 0.002);
  EXPECT_LE(errors.largest(), 0.005);
  report("counter, within bursts of 10 to 60 ms, 10 ms polls, 5 s", "sd ≤ 0.2 %, max ≤ 0.5 %",
         spread(errors));
  const auto slower = interpolated_errors({}, kSlow, 20);
  report("counter, within bursts of 20 to 120 ms, 20 ms polls, 5 s", "-", spread(slower));
  EXPECT_LE(slower.largest(), 0.01);
}

/// Widths of intervals at k = 2, what lay within them, and the errors themselves.
struct Coverage {
  Errors errors;
  Errors half_widths;
  int covered = 0;

  void add(double error, double u) {
    errors.add(error);
    half_widths.add(2 * u);
    covered += std::abs(error) <= 2 * u ? 1 : 0;
  }

  double share() const { return covered / static_cast<double>(errors.count()); }

  /// Against the half-width that 95 % of the errors need, which only a simulation knows.
  double against_oracle() const { return half_widths.quantile(0.5) / errors.quantile(0.95); }
};

void expect_coverage(Polls polls, const std::string& name, std::uint64_t seed) {
  constexpr int kRuns = 1000;
  constexpr double kGainU = 0.04;
  Draws draws(seed);
  Coverage random;
  Coverage full;
  Timetable table;
  table.window_s = 5;
  for (int i = 0; i < kRuns; ++i) {
    const double gain = draws.normal(1, kGainU);
    const auto power = bursts_between(table, 80, draws);
    const auto run = measure(table, power, polling_of(polls, table), draws, gain);
    ASSERT_TRUE(run);
    const auto& gross = run->scope.gross;
    random.add(gross.value - run->gain * run->truth_j, *gross.u_random);
    full.add(gross.value - run->truth_j, std::hypot(*gross.u_random, *gross.u_systematic));
  }
  for (const auto& [kind, coverage] : {std::pair("random", &random), std::pair("full", &full)}) {
    EXPECT_GE(coverage->share(), 0.935) << kind;
    EXPECT_LE(coverage->against_oracle(), 1.3) << kind;
    report(fmt::format("{} interval, k = 2, {}, 5 s", kind, name),
           "covers ≥ 93.5 %, ≤ 1.3 × the oracle's",
           fmt::format("{:.1f} %, {:.2f} ×", 100 * coverage->share(), coverage->against_oracle()));
  }
}

TEST(Counter, says_how_uncertain_it_is_with_dense_polls_at_the_edges) {
  expect_coverage(Polls::dense_at_the_edges, "counter, pads, 1 ms polls at the edges", 16);
}

TEST(Counter, says_how_uncertain_it_is_polled_as_everywhere) {
  expect_coverage(Polls::everywhere_alike, "counter, pads, 20 ms polls", 17);
}

// 2³² steps of 2⁻¹⁴ and 2⁻¹⁶ J, and the ranges that powercap states for them.
TEST(Counter, that_wraps_is_exact) {
  struct Range {
    double quantum_j;
    double wraps_at_j;
  };

  Errors off;
  for (const Range& range : {Range{0x1p-14, 262144}, Range{0x1p-16, 65536},
                             Range{1e-6, 262143.328850}, Range{1e-6, 65532.610987}}) {
    for (int i = 0; i < 10; ++i) {
      Timetable table;
      Draws draws(18);
      const auto updates = update_times({1e-3, 0.03}, table.length_s(), draws);
      const auto polls = poll_times({kSlow, {}}, table.length_s(), draws);
      const auto power = load_between(constant(150), 50, table.begin_s(), table.end_s());
      Counter counter{1, range.quantum_j, range.wraps_at_j - 100 - 180 * i, {}};
      const auto gross = [&](const std::optional<double>& wraps_at_j) {
        counter.wraps_at_j = wraps_at_j;
        SensorFacts facts;
        facts.period_s = 1e-3;
        facts.wraps_at = wraps_at_j;
        const auto seen = polled(energy_counter(power, updates, counter), polls);
        return scope_of(Scene(table).counter(seen, facts).analyse())->gross.value;
      };
      off.add(gross(range.wraps_at_j) / gross(std::nullopt) - 1);
    }
  }
  EXPECT_LE(off.largest(), 1e-9);
  report("RAPL counter that wraps, four ranges", "as without a wrap",
         off.largest() <= 1e-9 ? "to 1e-9" : percent(off.largest()));
}

TEST(Counter, that_freezes_or_restarts_is_not_used) {
  Draws draws(19);
  const Timetable table;
  const auto updates = update_times(kUpdates, table.length_s(), draws);
  const auto polls = poll_times({kSlow, {}}, table.length_s(), draws);
  const auto power = load_between(constant(400), 80, table.begin_s(), table.end_s());
  const auto readings = energy_counter(power, updates, {});
  const auto still =
      Scene(table).counter(polled(frozen(readings, table.end_s() - 5), polls), {}).analyse();
  EXPECT_FALSE(still.energy);
  EXPECT_TRUE(has_code(still, "counter_frozen"));
  const auto fell =
      Scene(table).counter(polled(restarted(readings, table.end_s() - 5), polls), {}).analyse();
  EXPECT_FALSE(fell.energy);
  EXPECT_TRUE(has_code(fell, "counter_reset"));
}

}  // namespace
}  // namespace llem::fidelity
