#include <algorithm>
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Scope;
using test::a_recording;
using test::find_scope;
using test::has_code;
using test::Poll;
using test::RecordingBuilder;
using test::Wave;

const Wave kWave = RecordingBuilder::plain_wave();

// The window is 30 s at 50 W: 1500 J. Loaded idle is 20 W, so net is 900 J; bare idle is 10 W.
TEST(Energy, of_a_padded_counter_is_exact) {
  const auto result =
      analyse(a_recording().counter("package-0", Scope::package, kWave, 0.1013).build());
  const auto* scope = find_scope(result, "package-0");
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->method, "counter_padded");
  EXPECT_NEAR(scope->gross.value, 1500, 0.3);  // P0 x poll interval = 20 W x 20 ms = 0.4 J at most
  EXPECT_NEAR(scope->net->value, 900, 1);
  EXPECT_EQ(scope->idle->kind, "loaded_idle");
  EXPECT_NEAR(scope->idle->power_w, 20, 0.05);
  ASSERT_EQ(scope->idles.size(), 4U);
  EXPECT_EQ(scope->idles[0].kind, "bare_idle");
  EXPECT_NEAR(scope->idles[0].power_w, 10, 0.05);
  EXPECT_NEAR(*scope->load_j, 150, 2);               // 5 s at 30 W
  EXPECT_NEAR(*scope->warmup_j, 500, 4);             // 10 s at 50 W
  EXPECT_NEAR(*scope->gross.u_systematic, 45, 0.1);  // 3 %
  EXPECT_NEAR(*scope->peak_power_w, 50, 1);          // ticks are known to 20 ms of 1 s
  EXPECT_EQ(result.energy->headline_scope, "cpu_package");
}

// measurement literals: T = 101.3 ms, 1 s, 100 -> 150 W; polled every 10 ms the worst error is 0.63
// %.
TEST(Energy, of_a_short_window_between_pads_is_not_lost_at_the_edges) {
  const Wave wave{{{0, 100}, {37, 150}, {38, 100}}};
  const auto result = analyse(a_recording()
                                  .window_s(1)
                                  .counter("package-0", Scope::package, wave, 0.1013, Poll{0.01})
                                  .build());
  EXPECT_NEAR(find_scope(result, "package-0")->gross.value, 150, 0.0063 * 150);
}

TEST(Energy, uses_each_pads_own_power) {
  // 30 W before and 40 W after the window, while loaded idle was 20 W.
  const Wave wave{{{0, 10}, {15, 20}, {25, 50}, {35, 30}, {37, 50}, {67, 40}}};
  const auto result =
      analyse(a_recording().counter("package-0", Scope::package, wave, 0.1013).build());
  EXPECT_NEAR(find_scope(result, "package-0")->gross.value, 1500, 1);
}

TEST(Energy, of_pads_shorter_than_two_updates_is_extrapolated_from_the_idle_side) {
  const auto result = analyse(
      a_recording().pads(0.15, 0.15).counter("package-0", Scope::package, kWave, 0.1013).build());
  const auto* scope = find_scope(result, "package-0");
  EXPECT_EQ(scope->method, "counter_interpolated");
  EXPECT_NEAR(scope->gross.value, 1500, 1.5);
}

TEST(Energy, within_steady_load_is_interpolated_between_updates) {
  const Wave wave{{{0, 50}}};
  const auto result =
      analyse(a_recording().pads(0, 0).counter("package-0", Scope::package, wave, 0.1013).build());
  const auto* scope = find_scope(result, "package-0");
  EXPECT_EQ(scope->method, "counter_interpolated");
  EXPECT_NEAR(scope->gross.value, 1500, 1.5);
  EXPECT_GT(*scope->components.edge_j, 0);
}

// Idle right up to the window and right after it, and no pad says so. Where six updates outside
// show idle, each edge is carried from there; else it lies anywhere between two updates, and
// interpolation blurs the step from idle to load.
TEST(Energy, interpolated_between_updates_covers_a_step_at_the_edges) {
  for (const double period : {0.5, 0.73, 1.1}) {
    for (const bool told : {true, false}) {
      auto recording =
          a_recording().pads(0, 0).counter("package-0", Scope::package, kWave, period).build();
      if (!told) {  // of idle power
        std::erase_if(recording.phases,
                      [](const auto& phase) { return phase.name != domain::PhaseName::window; });
      }
      const auto result = analyse(recording);
      const auto* scope = find_scope(result, "package-0");
      EXPECT_EQ(scope->method, "counter_interpolated");
      EXPECT_LT(std::abs(scope->gross.value - 1500), 2 * *scope->gross.u_random) << period;
    }
  }
}

TEST(Energy, of_an_averaging_gauge_without_pads_covers_a_step_at_the_edges) {
  for (const double average : {0.5, 1.0, 2.0}) {
    const auto result =
        analyse(a_recording()
                    .pads(0, 0)
                    .gauge("package-0", Scope::package, kWave, 0.1, average, Poll{0.02, 0, 69})
                    .build());
    const auto* scope = find_scope(result, "package-0");
    ASSERT_NE(scope, nullptr);
    EXPECT_LT(std::abs(scope->gross.value - 1500), 2 * *scope->gross.u_random) << average;
    // Both edges lose (50 W - 20 W) x W/8, to the same side; the level in the window, which the
    // averaging lowers at its edges, stands for the 50 W.
    EXPECT_GT(*scope->components.edge_j, 0.94 * 30 * average / 4) << average;
  }
}

// A square wave of 1.9 s at 60 W and 0.1 s at 20 W, in phases that leave the high part at the
// edges.
TEST(Energy, peak_power_is_never_below_the_mean) {
  for (const double from : {36.0, 36.3, 36.95, 37.5}) {
    Wave wave{{{0, 20}}};
    for (double t = from; t < 40; t += 2) {
      wave.steps.insert(wave.steps.end(), {{t, 60}, {t + 1.9, 20}});
    }
    for (const double window : {1.5, 2.5}) {
      const auto result = analyse(a_recording()
                                      .window_s(window)
                                      .counter("package-0", Scope::package, wave, 0.1)
                                      .gauge("gpu:a", Scope::gpu, wave, 0.1, 1.0)
                                      .build());
      for (const char* name : {"package-0", "gpu:a"}) {
        const auto* scope = find_scope(result, name);
        ASSERT_NE(scope, nullptr) << name << from << " " << window;
        EXPECT_GE(*scope->peak_power_w, *scope->mean_power_w) << name << from << " " << window;
      }
    }
  }
}

// 1 s at 80 W from the middle of one stretch of ten updates to the middle of the next.
TEST(Energy, peak_power_of_a_counter_is_that_of_any_ten_updates_in_a_row) {
  const Wave wave{{{0, 20}, {41.5, 80}, {42.5, 20}, {67, 20}}};
  const auto result =
      analyse(a_recording().counter("package-0", Scope::package, wave, 0.1).build());
  EXPECT_NEAR(*find_scope(result, "package-0")->peak_power_w, 80, 6);
}

TEST(Energy, read_only_inside_the_window_is_a_plain_difference_with_edge_uncertainty) {
  const auto result =
      analyse(a_recording()
                  .pads(0, 0)
                  .counter("package-0", Scope::package, kWave, 0.1, Poll{0.02, 37, 67})
                  .build());
  const auto* scope = find_scope(result, "package-0");
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->method, "counter");
  EXPECT_NEAR(scope->gross.value, 1500, 10);  // two updates of 0.1 s at 50 W
  EXPECT_NEAR(*scope->gross.u_random, 0.1 * 50 / std::sqrt(6.0), 0.05);
  EXPECT_FALSE(scope->net);  // no idle was ever read
}

TEST(Energy, of_an_averaging_gauge_with_pads_is_exact) {
  for (const double average : {0.1, 1.0}) {
    const auto result =
        analyse(a_recording().gauge("package-0", Scope::package, kWave, 0.1, average).build());
    const auto* scope = find_scope(result, "package-0");
    ASSERT_NE(scope, nullptr);
    EXPECT_EQ(scope->method, "power_integral");
    EXPECT_NEAR(scope->gross.value, 1500, 0.002 * 1500) << average;
    EXPECT_NEAR(scope->idle->power_w, 20, 0.5) << average;
  }
}

// 20 W, then 50 W in the window: the reading is 30 W x e^(-t/0.84 s) behind, and 30 W x 0.84 s =
// 25.2 J of the window are seen after it.
TEST(Energy, of_a_gauge_that_lags_is_corrected_by_what_it_has_yet_to_show) {
  const auto shown = [](double t) {
    const double published = std::floor(t / 0.1013) * 0.1013;
    const auto behind = [&](double since) { return 30 * std::exp(-(published - since) / 0.84); };
    return published < 37 ? 20 : published < 67 ? 50 - behind(37) : 20 + behind(67);
  };
  for (const bool told : {true, false}) {
    const auto result = analyse(
        a_recording()
            .signal("gpu:a", domain::Signal::power, domain::Behaviour::gauge, shown, Poll{0.02})
            .but([&](domain::Recording& r) {
              r.channels[0].update_period_s = 0.1;
              r.channels[0].lag_s = told ? std::optional(0.84) : std::nullopt;
            })
            .build());
    // Not told, its readings are a sample of the window's power, from the second update on.
    EXPECT_NEAR(find_scope(result, "gpu:a")->gross.value, told ? 1500 : 1478, 2) << told;
  }
}

TEST(Energy, of_a_part_time_gauge_carries_alias_uncertainty) {
  const auto result =
      analyse(a_recording().gauge("package-0", Scope::package, kWave, 0.1, 0.025).build());
  const auto* scope = find_scope(result, "package-0");
  EXPECT_TRUE(scope->components.alias_j);
  EXPECT_NEAR(scope->gross.value, 1500, 5);
}

// Most polls are those of the pads, a millisecond apart; a reading of the window is placed no
// better than its own polls allow.
TEST(Energy, of_a_part_time_gauge_leaves_out_readings_that_may_have_seen_idle) {
  // Published at 36.92, 37.02, ... s over the 25 ms before: 5 of 25 ms of the second one are idle.
  const auto shown = [](double t) {
    const double k = std::floor((t - 0.02) / 0.1);
    const double published = 0.02 + k * 0.1;
    const double busy =
        std::clamp(std::min(published, 67.0) - std::max(published - 0.025, 37.0), 0.0, 0.025);
    return 20 + 30 * busy / 0.025 + 1e-6 * k;
  };
  const auto result = analyse(
      a_recording()
          .signal("gpu:a", domain::Signal::power_instant, domain::Behaviour::gauge, shown, Poll{})
          .but([&](domain::Recording& r) {
            r.channels[0].update_period_s = 0.1;
            r.channels[0].averaging_window_s = 0.025;
            domain::Trace dense;
            const std::int64_t origin = r.phases.front().t_begin_ns;
            for (const auto& [from, to, every] :
                 {std::array{0.0, 35.0, 0.02}, std::array{35.0, 37.0, 0.001},
                  std::array{37.0, 67.0, 0.0199}, std::array{67.0, 69.0, 0.001}}) {
              for (double t = from; t < to; t += every) {
                dense.push_back({origin + std::llround(t * 1e9), 0, shown(t)});
              }
            }
            r.traces[0] = dense;
          })
          .build());
  const auto* scope = find_scope(result, "gpu:a");
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->sensor.update_period_source, domain::Knowledge::probed);
  EXPECT_NEAR(*scope->sensor.update_period_s, 0.1, 1e-3);
  // No reading of the mean is below the power in the window.
  EXPECT_GT(scope->gross.value, 1500);
  EXPECT_LT(scope->gross.value, 1500.1);
}

TEST(Energy, prefers_the_counter_and_checks_it_with_the_gauge) {
  const auto result = analyse(a_recording()
                                  .gauge("gpu:a", Scope::gpu, kWave, 0.1, 0.1)
                                  .counter("gpu:a", Scope::gpu, kWave, 0.1)
                                  .device("gpu:a", "NVIDIA L4", "gpu")
                                  .build());
  const auto* scope = find_scope(result, "gpu:a");
  EXPECT_EQ(scope->method, "counter_padded");
  ASSERT_TRUE(scope->crosscheck);
  EXPECT_EQ(scope->crosscheck->status, "ok");
  EXPECT_NEAR(scope->crosscheck->ratio, 1, 0.005);
  EXPECT_EQ(result.energy->headline_scope, "gpu");
  EXPECT_FALSE(has_code(result, "crosscheck_failed"));
}

TEST(Energy, of_sensors_that_disagree_is_flagged) {
  const auto result = analyse(a_recording()
                                  .counter("gpu:a", Scope::gpu, kWave.scaled(0.6), 0.1)
                                  .gauge("gpu:a", Scope::gpu, kWave, 0.1, 0.1)
                                  .device("gpu:a", "NVIDIA L4", "gpu")
                                  .build());
  EXPECT_EQ(find_scope(result, "gpu:a")->crosscheck->status, "fail");
  EXPECT_TRUE(has_code(result, "crosscheck_failed"));
}

TEST(Energy, does_not_notice_a_wrap) {
  const auto plain =
      analyse(a_recording().counter("package-0", Scope::package, kWave, 0.1).build());
  // The counter stands at 1180 J when the window begins and passes 2000 J within it.
  const auto wrapped =
      analyse(a_recording().counter("package-0", Scope::package, kWave, 0.1, {}, 2000.0).build());
  EXPECT_NEAR(find_scope(wrapped, "package-0")->gross.value,
              find_scope(plain, "package-0")->gross.value, 1e-9);
  EXPECT_FALSE(has_code(wrapped, "counter_reset"));
}

TEST(Energy, scales_with_power) {
  const auto one = analyse(a_recording().counter("package-0", Scope::package, kWave, 0.1).build());
  const auto two =
      analyse(a_recording().counter("package-0", Scope::package, kWave.scaled(2), 0.1).build());
  EXPECT_NEAR(find_scope(two, "package-0")->gross.value,
              2 * find_scope(one, "package-0")->gross.value, 1e-6);
  EXPECT_NEAR(find_scope(two, "package-0")->net->value,
              2 * find_scope(one, "package-0")->net->value, 1e-6);
}

TEST(Energy, does_not_depend_on_the_origin_of_time) {
  const auto here = analyse(a_recording().counter("package-0", Scope::package, kWave, 0.1).build());
  const auto there = analyse(a_recording()
                                 .shifted_ns(987654321012345)
                                 .counter("package-0", Scope::package, kWave, 0.1)
                                 .build());
  EXPECT_DOUBLE_EQ(find_scope(here, "package-0")->gross.value,
                   find_scope(there, "package-0")->gross.value);
}

TEST(Energy, adds_over_adjacent_windows) {
  const Wave wave{{{0, 50}}};
  const auto energy_until = [&](double seconds) {
    const auto result = analyse(a_recording()
                                    .window_s(seconds)
                                    .pads(0, 0)
                                    .counter("package-0", Scope::package, wave, 0.1)
                                    .build());
    return find_scope(result, "package-0")->gross.value;
  };
  // [37, 47) and [37, 67) differ by [47, 67): 20 s at 50 W.
  EXPECT_NEAR(energy_until(30) - energy_until(10), 1000, 1e-6 * 1000);
}

TEST(Energy, totals_add_disjoint_scopes_only) {
  const auto result = analyse(a_recording()
                                  .counter("package-0", Scope::package, kWave, 0.1)
                                  .counter("core-0", Scope::core, kWave.scaled(0.5), 0.1)
                                  .counter("dram-0", Scope::dram, kWave.scaled(0.1), 0.1)
                                  .counter("psys", Scope::psys, kWave.scaled(2), 0.1)
                                  .build());
  EXPECT_EQ(result.energy->scopes.size(), 4U);
  EXPECT_EQ(result.energy->headline_scope, "cpu_package+dram");
  EXPECT_NEAR(result.energy->headline_gross_j->value, 1650, 1);  // package and a tenth
  EXPECT_NEAR(result.energy->measured_total_j->value, 1650, 1);
  EXPECT_NEAR(*result.energy->headline_idle_w, 22, 0.1);
  EXPECT_FALSE(result.energy->estimated_total_j);
}

TEST(Energy, of_a_counter_that_updates_more_rarely_than_was_said_knows_its_edges_less) {
  // 0.97 s where a table says 0.1 s: too few updates to probe, and enough to contradict the table.
  auto recording = a_recording()
                       .window_s(4)
                       .counter("package-0", Scope::package, RecordingBuilder::plain_wave(4), 0.97,
                                {.every_s = 0.01, .from_s = 35})
                       .build();
  recording.channels[0].update_period_s = 0.1;
  const auto result = analyse(recording);
  const auto& scope = *find_scope(result, "package-0");
  EXPECT_NEAR(*scope.sensor.update_period_s, 0.97, 0.05);
  EXPECT_EQ(scope.sensor.update_period_source, domain::Knowledge::readings);
  EXPECT_NEAR(scope.gross.value, 200, 2 * *scope.gross.u_random);
}

TEST(Energy, headline_is_that_of_the_gpus_used) {
  const auto result = analyse(a_recording()
                                  .counter("gpu:a", Scope::gpu, kWave, 0.1)
                                  .counter("gpu:b", Scope::gpu, kWave.scaled(3), 0.1)
                                  .counter("gpu:idle", Scope::gpu, Wave{{{0, 60}}}, 0.1)
                                  .counter("package-0", Scope::package, kWave.scaled(0.2), 0.1)
                                  .device("gpu:a", "NVIDIA L4", "gpu")
                                  .device("gpu:b", "NVIDIA L4", "gpu")
                                  .device("gpu:idle", "NVIDIA L4", "gpu", false)
                                  .build());
  EXPECT_EQ(result.energy->headline_scope, "gpu");
  EXPECT_NEAR(result.energy->headline_gross_j->value, 6000, 3);
  EXPECT_NEAR(result.energy->measured_total_j->value, 6300, 3);
  // Gains of one kind of card add: 3 % of 6000 J.
  EXPECT_NEAR(*result.energy->headline_gross_j->u_systematic, 180, 1);
}

TEST(Energy, of_a_gpu_without_readings_is_absent_and_never_a_part_of_the_sum) {
  const auto result = analyse(a_recording()
                                  .counter("gpu:a", Scope::gpu, kWave, 0.1)
                                  .counter("gpu:b", Scope::gpu, kWave, 0.1, Poll{0.02, 0, 0})
                                  .device("gpu:a", "NVIDIA L4", "gpu")
                                  .device("gpu:b", "NVIDIA L4", "gpu")
                                  .build());
  EXPECT_EQ(find_scope(result, "gpu:b"), nullptr);
  EXPECT_FALSE(result.energy->headline_gross_j);
  EXPECT_FALSE(result.efficiency);
  EXPECT_TRUE(has_code(result, "sensor_lost"));
  EXPECT_TRUE(has_code(result, "no_energy"));
}

TEST(Energy, of_a_package_that_froze_is_missing_in_the_total_and_said_to_be) {
  auto recording = a_recording()
                       .counter("gpu:a", Scope::gpu, kWave, 0.1)
                       .counter("package-0", Scope::package, kWave, 0.1)
                       .device("gpu:a", "NVIDIA L4", "gpu")
                       .build();
  EXPECT_FALSE(has_code(analyse(recording), "total_incomplete"));
  for (auto& point : recording.traces[1]) {
    point.value = 7;
  }
  const auto result = analyse(recording);
  EXPECT_NEAR(result.energy->measured_total_j->value, 1500, 1);
  EXPECT_TRUE(has_code(result, "total_incomplete"));
}

TEST(Energy, of_a_module_is_not_added_to_its_cpu) {
  const auto result = analyse(a_recording()
                                  .counter("gpu:a", Scope::module, kWave, 0.1)
                                  .counter("package-0", Scope::package, kWave, 0.1)
                                  .device("gpu:a", "GH200", "gpu")
                                  .build());
  EXPECT_EQ(result.energy->headline_scope, "module");
  EXPECT_NEAR(result.energy->measured_total_j->value, 1500, 1);
}

TEST(Energy, of_a_module_is_not_added_to_the_gpu_within_it) {
  const auto result = analyse(a_recording()
                                  .counter("gpu:a", Scope::module, kWave, 0.1)
                                  .gauge("gpu:a", Scope::gpu, kWave.scaled(0.8), 0.1, 0.1)
                                  .device("gpu:a", "GH200", "gpu")
                                  .build());
  EXPECT_NEAR(result.energy->measured_total_j->value, 1500, 1);
}

TEST(Energy, of_a_counter_that_ends_before_the_window_is_as_uncertain_as_what_it_missed) {
  const auto result = analyse(
      a_recording().counter("package-0", Scope::package, kWave, 0.1, Poll{0.02, 0, 66.75}).build());
  const auto* scope = find_scope(result, "package-0");
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->method, "counter");
  EXPECT_NEAR(scope->gross.value, 1500, 2 * *scope->gross.u_random);
}

TEST(Energy, falls_back_to_the_gauge_when_the_counter_freezes) {
  auto recording = a_recording()
                       .counter("gpu:a", Scope::gpu, kWave, 0.1)
                       .gauge("gpu:a", Scope::gpu, kWave, 0.1, 0.1)
                       .device("gpu:a", "MI100", "gpu")
                       .build();
  auto& trace = recording.traces[0];
  for (std::size_t i = trace.size() / 2; i < trace.size(); ++i) {
    trace[i].value = trace[trace.size() / 2].value;
  }
  const auto result = analyse(recording);
  EXPECT_EQ(find_scope(result, "gpu:a")->method, "power_integral");
  EXPECT_TRUE(has_code(result, "counter_frozen"));
}

TEST(Energy, of_a_counter_that_restarts_is_refused) {
  auto recording = a_recording().counter("package-0", Scope::package, kWave, 0.1).build();
  auto& trace = recording.traces[0];
  const double half = trace[trace.size() * 3 / 4].value;
  for (std::size_t i = trace.size() * 3 / 4; i < trace.size(); ++i) {
    trace[i].value -= half;
  }
  const auto result = analyse(recording);
  EXPECT_EQ(find_scope(result, "package-0"), nullptr);
  EXPECT_TRUE(has_code(result, "counter_reset"));
  EXPECT_EQ(result.validity.state, domain::ValidityState::invalid);
}

TEST(Energy, of_a_sensor_that_stops_is_absent_not_zero) {
  const auto result = analyse(
      a_recording().counter("package-0", Scope::package, kWave, 0.1, Poll{0.02, 0, 50}).build());
  EXPECT_FALSE(result.energy);
  EXPECT_FALSE(result.efficiency);
  EXPECT_TRUE(has_code(result, "sensor_lost"));
}

TEST(Energy, of_a_counter_survives_a_gap_but_that_of_a_gauge_does_not) {
  const auto with_gap = [](domain::Recording recording) {
    auto& trace = recording.traces[0];
    std::erase_if(trace, [](const auto& p) {
      return p.t_ns > 1'045'000'000'000 && p.t_ns < 1'047'000'000'000;
    });
    return recording;
  };
  const auto counter =
      analyse(with_gap(a_recording().counter("package-0", Scope::package, kWave, 0.1).build()));
  EXPECT_NEAR(find_scope(counter, "package-0")->gross.value, 1500, 1);
  const auto gauge =
      analyse(with_gap(a_recording().gauge("package-0", Scope::package, kWave, 0.1, 0.1).build()));
  EXPECT_EQ(find_scope(gauge, "package-0"), nullptr);
  EXPECT_TRUE(has_code(gauge, "sample_gap"));
}

// Four CPUs, half busy at work, a tenth when loaded and idle:
// 4 x 0.74 + 2.76 x 4 x 0.5 = 8.48 W and 4 x 0.74 + 2.76 x 4 x 0.1 = 4.064 W.
TEST(Energy, without_a_sensor_is_a_labelled_estimate) {
  const Wave busy{{{0, 0}, {15, 0.4}, {25, 2}, {35, 0.4}, {37, 2}, {67, 0.4}}};
  const auto result = analyse(a_recording()
                                  .signal(
                                      "host", domain::Signal::cpu_busy, domain::Behaviour::counter,
                                      [&](double t) { return busy.until(t); }, Poll{0.02})
                                  .build());
  const auto* scope = find_scope(result, "host");
  ASSERT_NE(scope, nullptr);
  EXPECT_EQ(scope->source, domain::Provenance::estimated);
  EXPECT_NEAR(scope->gross.value, 8.48 * 30, 0.05);
  EXPECT_NEAR(scope->idle->power_w, 4.064, 0.01);
  EXPECT_NEAR(*scope->gross.u_systematic, 0.25 * 8.48 * 30, 0.05);
  EXPECT_FALSE(scope->gross.u_random);
  // What the model misses at work and at idle need not be the same.
  const double net_u = 0.25 * std::hypot(8.48, 4.064) * 30;
  EXPECT_NEAR(*scope->net->u_systematic, net_u, 0.2);
  EXPECT_NEAR(*result.energy->headline_net_j->u_systematic, net_u, 0.2);
  EXPECT_EQ(result.energy->headline_scope, "host_estimate");
  EXPECT_FALSE(result.energy->measured_total_j);
  EXPECT_EQ(result.energy->headline_gross_j->source, domain::Provenance::estimated);
  EXPECT_EQ(result.efficiency->gross_j_per_output_token->source, domain::Provenance::estimated);
  EXPECT_TRUE(has_code(result, "estimated_energy"));
  EXPECT_EQ(result.validity.state, domain::ValidityState::flagged);
}

TEST(Energy, with_nothing_to_estimate_from_is_absent_with_a_code) {
  const auto result = analyse(a_recording().build());
  EXPECT_FALSE(result.energy);
  EXPECT_TRUE(has_code(result, "no_energy"));
}

TEST(Energy, keeps_a_negative_net) {
  const Wave wave{{{0, 50}, {37, 20}, {67, 50}}};  // the "load" takes less than idle
  const auto result =
      analyse(a_recording().counter("package-0", Scope::package, wave, 0.1).build());
  EXPECT_NEAR(find_scope(result, "package-0")->net->value, -900, 5);
}

}  // namespace
}  // namespace llem::analysis
