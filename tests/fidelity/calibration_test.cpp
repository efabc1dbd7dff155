#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "calibration/characterise.hpp"
#include "calibration/pulses.hpp"
#include "fidelity/errors.hpp"
#include "fidelity/report.hpp"
#include "fidelity/scene.hpp"

namespace llem::fidelity {
namespace {

constexpr double kPoll = 1e-3;
constexpr double kPeriods[] = {0.015, 0.02, 0.033, 0.05, 0.1013, 0.2, 0.5, 1.0};

/// Off by more than a poll as a share of the period, and 0 within a poll.
double beyond_a_poll(double found_s, double true_s) {
  return std::abs(found_s - true_s) <= kPoll ? 0 : found_s / true_s - 1;
}

TEST(Probe, finds_how_often_a_sensor_updates_whatever_the_table_says) {
  Draws draws(51);
  Errors errors;
  for (const double period : kPeriods) {
    for (int i = 0; i < 10; ++i) {
      const Timetable table;
      const Polling polling{
          0.02, {{table.idle_s, table.begin_s()}, {table.end_s(), table.end_s() + table.pad_s}}};
      const auto load =
          bursts({140, 320, 0.02, 0.12}, table.length_s(), draws) + sine(0, 20, 1.7, 0);
      const auto power =
          load_between(load, 0, table.begin_s(), table.end_s()) + sine(80, 0.05, 0.37, 0);
      const auto polls = poll_times(polling, table.length_s(), draws);
      const auto jittered = update_times({period, 0.03}, table.length_s(), draws);
      const auto regular = update_times({period, 0}, table.length_s(), draws);
      SensorFacts averager;
      averager.averaging_s = 0.1;
      for (const auto& scene :
           {Scene(table).counter(polled(energy_counter(power, jittered, {}), polls), {}),
            Scene(table).gauge(polled(power_average(power, regular, {period}), polls), averager)}) {
        const auto scope = scope_of(scene.analyse());
        ASSERT_TRUE(scope) << period;
        EXPECT_EQ(scope->sensor.update_period_source, domain::Knowledge::probed) << period;
        EXPECT_LT(std::abs(*scope->sensor.update_period_s - period),
                  std::max(4 * scope->sensor.update_period_u_s.value_or(0), 1e-4))
            << period;
        errors.add(beyond_a_poll(*scope->sensor.update_period_s, period));
      }
    }
  }
  EXPECT_LE(errors.largest(), 0.05);
  report("update period, 15 to 1000 ms, told 100 ms, 20 ms polls, 1 ms in the pads",
         "max ≤ 5 % or 1 ms", "max " + percent(errors.largest()));
}

/// What a GPU does while it is calibrated, and what is known of it.
struct Driven {
  Steps power;
  std::vector<analysis::Span> loaded;
};

Driven drive(double period_s, std::uint64_t seed) {
  constexpr double kIdle = 1;
  base::Random random(seed);
  Draws draws(seed);
  Driven driven;
  driven.power.then(90, kIdle);
  auto pulses = calibration::irregular_pulses(Seconds(2), random);
  const auto waves = calibration::square_waves(Seconds(period_s), random);
  pulses.insert(pulses.end(), waves.begin(), waves.end());
  for (const auto& pulse : pulses) {
    driven.power.then(90, pulse.off.count());
    // The host's stamps of begin and end lie up to 100 µs outside.
    const double begin = driven.power.end() - draws.uniform(0, 1e-4);
    driven.power.then(390, pulse.on.count());
    const double end = driven.power.end() + draws.uniform(0, 1e-4);
    driven.loaded.push_back({std::llround(begin * 1e9), std::llround(end * 1e9)});
  }
  driven.power.then(90, kIdle + 20 * period_s);
  return driven;
}

struct Modelled {
  double window_s;
  double period_s;
  double noise_w;  // of a reading, on 300 W of load
};

domain::Calibration calibrated(const Modelled& sensor, std::uint64_t seed) {
  const Driven driven = drive(sensor.period_s, seed);
  Draws draws(seed);
  const auto updates = update_times({sensor.period_s, 0.005}, driven.power.end(), draws);
  const auto polls = poll_times({kPoll, {}, 2e-4}, driven.power.end(), draws);
  auto gauge = power_average(driven.power.waveform(), updates, {sensor.window_s});
  for (Published& reading : gauge) {
    reading.value += std::round(1e3 * draws.normal(0, sensor.noise_w)) / 1e3;
  }
  const auto counter = energy_counter(driven.power.waveform(), updates, {});
  domain::Recording seen;
  const auto add = [&](domain::Signal signal, domain::Behaviour behaviour, const Readings& shown) {
    domain::Channel channel;
    channel.index = static_cast<std::int64_t>(seen.channels.size());
    channel.signal = signal;
    channel.behaviour = behaviour;
    channel.update_period_s = 0.3;  // of which calibration takes no notice
    channel.averaging_window_s = 0.3;
    seen.channels.push_back(channel);
    domain::Trace& trace = seen.traces.emplace_back();
    for (const Published& reading : polled(shown, polls)) {
      trace.push_back({std::llround(reading.t_s * 1e9), 20'000, reading.value});
    }
  };
  add(domain::Signal::energy, domain::Behaviour::counter, counter);
  add(domain::Signal::power_instant, domain::Behaviour::gauge, gauge);
  return calibration::characterise(seen, driven.loaded);
}

void expect_window(const Modelled& sensor, double allowed, const std::string& row) {
  Errors errors;
  int covered = 0;
  constexpr int kRuns = 8;
  for (int run = 0; run < kRuns; ++run) {
    const auto found = calibrated(sensor, 61 + static_cast<std::uint64_t>(run));
    const auto* gauge = domain::sensor_of(found, domain::Signal::power_instant);
    const auto* counter = domain::sensor_of(found, domain::Signal::energy);
    ASSERT_NE(gauge, nullptr);
    ASSERT_TRUE(gauge->averaging_window_s) << run;
    EXPECT_NEAR(*gauge->update_period_s, sensor.period_s, 0.005 * sensor.period_s);
    EXPECT_NEAR(*counter->update_period_s, sensor.period_s, 0.005 * sensor.period_s);
    EXPECT_GT(*gauge->explained_ratio, 0.9);
    ASSERT_TRUE(found.counter);
    // A part-time sensor sees a sample of the load.
    EXPECT_NEAR(found.counter->ratio, 1, sensor.window_s < sensor.period_s ? 0.1 : 0.005);
    const double error = *gauge->averaging_window_s - sensor.window_s;
    errors.add(error / sensor.window_s);
    covered += std::abs(error) <= 3 * *gauge->averaging_window_u_s ? 1 : 0;
  }
  EXPECT_LE(errors.largest(), allowed);
  EXPECT_GE(covered, kRuns * 3 / 4);
  report(row, fmt::format("max ≤ {:.0f} %", 100 * allowed), "max " + percent(errors.largest()));
}

TEST(AveragingWindow, of_a_part_time_sensor_is_found) {
  expect_window({0.025, 0.1, 3}, 0.1, "averaging window, W = 25 ms of T = 100 ms, 1 % noise");
}

TEST(AveragingWindow, of_a_sensor_that_averages_over_its_period_is_found) {
  expect_window({0.1, 0.1, 3}, 0.05, "averaging window, W = T = 100 ms, 1 % noise");
}

TEST(AveragingWindow, of_a_moving_average_is_found) {
  expect_window({1.0, 0.1, 3}, 0.05, "averaging window, W = 1 s, T = 100 ms, 1 % noise");
}

TEST(AveragingWindow, of_a_fast_sensor_is_found) {
  expect_window({0.01, 0.02, 3}, 0.1, "averaging window, W = 10 ms of T = 20 ms, 1 % noise");
}

}  // namespace
}  // namespace llem::fidelity
