#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "base/field_io.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Behaviour;
using domain::Scope;
using domain::Signal;
using test::a_recording;
using test::find_scope;
using test::has_code;
using test::Poll;
using test::RecordingBuilder;
using test::Wave;

constexpr std::int64_t kOrigin = 1'000'000'000'000;

std::int64_t at(double seconds) {
  return kOrigin + std::llround(seconds * 1e9);
}

domain::Serve shifted(domain::Serve serve, double seconds) {
  const std::int64_t by = std::llround(seconds * 1e9);
  serve.t_begin_ns += by;
  serve.t_end_ns += by;
  for (auto& request : serve.requests) {
    request.submitted_ns += by;
    request.started_ns += by;
    request.first_token_ns += by;
    request.end_ns += by;
  }
  for (auto& t : serve.token_ns) {
    t += by;
  }
  for (auto& step : serve.steps) {
    step.begin_ns += by;
    step.end_ns += by;
  }
  return serve;
}

// Windows 37-67 and 69-`end`, one pad of 2 s between them: 50 W and 70 W at work, 20 W idle.
Wave two_wave(double end = 99) {
  return {
      {{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}, {37, 50}, {67, 20}, {69, 70}, {end, 20}}};
}

/// Recorded until after the second window.
RecordingBuilder recorded_until(double end = 99) {
  return a_recording().window_s(end - 37);
}

/// Takes what was served in one window of the usual length, and of another after it.
domain::Recording with_two_windows(RecordingBuilder builder, double end = 99) {
  domain::Recording r = builder.build();
  const domain::Serve first = a_recording().build().serves.front();
  domain::Serve second = shifted(a_recording().window_s(end - 69).build().serves.front(), 32);
  second.label = "window_2";
  r.serves = {first, second};
  std::erase_if(r.phases, [](const auto& phase) {
    using enum domain::PhaseName;
    return phase.name == pad_before || phase.name == window || phase.name == pad_after;
  });
  using enum domain::PhaseName;
  r.phases.push_back({pad_before, at(35), at(37)});
  r.phases.push_back({window, at(37), at(67)});
  r.phases.push_back({pad_after, at(67), at(69)});
  r.phases.push_back({window, at(69), at(end)});
  r.phases.push_back({pad_after, at(end), at(end + 2)});
  r.configuration.measure.windows_per_trial = 2;
  return r;
}

RecordingBuilder counted(double end = 99) {
  return recorded_until(end).counter("package-0", Scope::package, two_wave(end), 0.0976);
}

domain::Recording only_first(domain::Recording r) {
  r.serves.resize(1);
  r.configuration.measure.windows_per_trial = 1;
  return r;
}

void expect_close(double a, double b) {
  EXPECT_NEAR(a, b, 1e-9 * std::abs(b));
}

TEST(Windows, each_has_its_own_figures) {
  const auto r = analyse(with_two_windows(counted()));
  ASSERT_EQ(r.windows.size(), 2U);
  // 50 W and 70 W for 30 s, and 20 requests of 16 tokens in each.
  EXPECT_NEAR(r.windows[0].gross_j->value, 1500, 0.5);
  EXPECT_NEAR(r.windows[1].gross_j->value, 2100, 0.5);
  for (const auto& window : r.windows) {
    EXPECT_EQ(window.output_tokens, 320);
    EXPECT_EQ(window.requests, 20);
    EXPECT_EQ(window.scope, "cpu_package");
    EXPECT_NEAR(window.window_s, 30, 1e-9);
    EXPECT_GT(*window.gross_j->u_random, 0);
    EXPECT_GT(*window.output_tokens_per_s.u_random, 0);
    EXPECT_TRUE(window.itl_median_s);
    expect_close(window.gross_j_per_output_token->value * window.output_tokens_per_s.value,
                 *window.mean_power_w);
  }
  EXPECT_EQ(r.windows[0].window, 1);
  EXPECT_EQ(r.windows[1].window, 2);
}

TEST(Windows, the_pad_between_them_is_of_both) {
  const auto r = analyse(with_two_windows(counted()));
  EXPECT_EQ(find_scope(r, "package-0")->method, "counter_padded");
  auto without = with_two_windows(counted());
  std::erase_if(without.phases, [](const auto& phase) { return phase.t_begin_ns == at(67); });
  EXPECT_NE(find_scope(analyse(without), "package-0")->method, "counter_padded");
}

TEST(Windows, a_window_says_the_same_alone) {
  const auto both = with_two_windows(counted());
  const auto alone = analyse(only_first(both));
  const auto r = analyse(both);
  ASSERT_EQ(alone.windows.size(), 1U);
  EXPECT_EQ(base::write_json(base::write_struct(alone.windows[0])),
            base::write_json(base::write_struct(r.windows[0])));
  EXPECT_EQ(alone.energy->headline_gross_j->value, alone.windows[0].gross_j->value);
  EXPECT_EQ(alone.efficiency->gross_j_per_output_token->value,
            alone.windows[0].gross_j_per_output_token->value);
}

TEST(Windows, the_trial_is_the_ratio_of_their_sums) {
  // 30 s at 50 W and 15 s at 70 W with as many tokens: the mean of ratios would be 3.98.
  const auto r = analyse(with_two_windows(counted(84), 84));
  EXPECT_NEAR(r.throughput->window_s, 45, 1e-9);
  EXPECT_EQ(r.throughput->output_tokens, 640);
  EXPECT_EQ(r.throughput->passes, 2);
  EXPECT_NEAR(r.energy->headline_gross_j->value, 1500 + 1050, 1);
  EXPECT_NEAR(r.efficiency->gross_j_per_output_token->value, 2550.0 / 640, 2e-3);
  EXPECT_NEAR(r.throughput->output_tokens_per_s, 640.0 / 45, 1e-9);
  EXPECT_EQ(r.latency->e2e_s->n, 40);
  EXPECT_EQ(r.lengths->output_tokens.n, 40);
}

TEST(Windows, identities_hold_over_all_of_them) {
  std::vector<domain::Recording> all;
  all.push_back(with_two_windows(counted()));
  all.push_back(with_two_windows(counted(84), 84));
  all.push_back(
      with_two_windows(recorded_until().gauge("package-0", Scope::package, two_wave(), 0.1, 0.1)));
  all.push_back(
      with_two_windows(counted().counter("dram-0", Scope::dram, two_wave().scaled(0.13), 0.0976)));
  all.push_back(with_two_windows(recorded_until().signal(
      "host", Signal::cpu_busy, Behaviour::counter, [](double t) { return 1.3 * t; }, Poll{0.05})));
  for (const auto& recording : all) {
    const auto r = analyse(recording);
    const double window_s = r.throughput->window_s;
    ASSERT_TRUE(r.efficiency);
    expect_close(r.efficiency->gross_j_per_output_token->value * r.throughput->output_tokens_per_s,
                 *r.efficiency->mean_power_w);
    expect_close(r.energy->headline_net_j->value,
                 r.energy->headline_gross_j->value - *r.energy->headline_idle_w * window_s);
    for (const auto& scope : r.energy->scopes) {
      expect_close(scope.net->value, scope.gross.value - scope.idle->power_w * window_s);
      expect_close(*scope.mean_power_w * window_s, scope.gross.value);
    }
    expect_close(r.compute->flops_per_s * window_s, r.compute->flops);
    double gross = 0;
    double seconds = 0;
    for (const auto& window : r.windows) {
      gross += window.gross_j->value;
      seconds += window.window_s;
    }
    expect_close(r.energy->headline_gross_j->value, gross);
    expect_close(window_s, seconds);
  }
}

TEST(Windows, random_errors_add_in_quadrature_systematic_ones_linearly) {
  const auto r = analyse(with_two_windows(counted()));
  const auto& [a, b] = std::pair(*r.windows[0].gross_j, *r.windows[1].gross_j);
  const domain::Value& sum = *r.energy->headline_gross_j;
  expect_close(*sum.u_random, std::hypot(*a.u_random, *b.u_random));
  expect_close(*sum.u_systematic, *a.u_systematic + *b.u_systematic);
  const domain::ScopeEnergy& scope = *find_scope(r, "package-0");
  expect_close(*scope.gross.u_random, *sum.u_random);
  expect_close(*scope.components.gain_j, 0.03 * scope.gross.value);
}

TEST(Windows, edges_without_pads_err_to_the_same_side_in_each) {
  const auto r = analyse(
      with_two_windows(recorded_until().gauge("package-0", Scope::package, two_wave(), 0.1, 0.4)));
  const domain::ScopeEnergy& scope = *find_scope(r, "package-0");
  const auto& [a, b] = std::pair(*r.windows[0].gross_j, *r.windows[1].gross_j);
  EXPECT_GT(*scope.gross.u_random, 1.2 * std::hypot(*a.u_random, *b.u_random));
  EXPECT_LE(*scope.gross.u_random, *a.u_random + *b.u_random);
  expect_close(*scope.gross.u_random, *r.energy->headline_gross_j->u_random);
}

TEST(Windows, share_one_idle_after) {
  // 24 W after the last window, for as long as the model stays loaded: each window subtracts 22 W.
  Wave wave = two_wave();
  wave.steps.back().second = 24;
  auto recording =
      with_two_windows(recorded_until().counter("package-0", Scope::package, wave, 0.001));
  recording.engine_stopped_ns = recording.phases.back().t_begin_ns;
  const auto r = analyse(recording);
  const domain::ScopeEnergy& scope = *find_scope(r, "package-0");
  EXPECT_TRUE(has_code(r, "idle_drift"));
  EXPECT_EQ(scope.idle->kind, "loaded_idle_mean");
  EXPECT_NEAR(scope.idle->power_w, 22, 0.1);
  EXPECT_NEAR(scope.idle_drift_w->value, 4, 0.1);
  EXPECT_NEAR(scope.net->value, 1500 + 2100 - 22 * 60, 3);
  const double drift_j = 30 * 4 / std::sqrt(12.0);
  EXPECT_NEAR(*scope.net->u_systematic,
              std::hypot(0.03 * 840, drift_j) + std::hypot(0.03 * 1440, drift_j), 1);
  expect_close(scope.net->value, r.energy->headline_net_j->value);
}

TEST(Windows, with_idle_of_unlike_kinds_keep_it) {
  // Without loaded idle each window has its own pad: 20 W before the first, 26 W between them and
  // after the second. The first differs from what comes after, the second does not.
  Wave wave = two_wave();
  for (auto& [begin, watts] : wave.steps) {
    watts = begin >= 67 && watts == 20 ? 26 : watts;
  }
  auto recording =
      with_two_windows(recorded_until().counter("package-0", Scope::package, wave, 0.001));
  std::erase_if(recording.phases,
                [](const auto& p) { return p.name == domain::PhaseName::loaded_idle; });
  const auto r = analyse(recording);
  const domain::ScopeEnergy& scope = *find_scope(r, "package-0");
  ASSERT_TRUE(scope.idle);
  EXPECT_EQ(scope.idle->kind, "loaded_idle_mean+pad");
  EXPECT_NEAR(scope.idle->power_w, (23 + 26) / 2.0, 0.1);
  expect_close(scope.net->value, scope.gross.value - scope.idle->power_w * 60);
}

TEST(Windows, the_one_told_of_was_not_steady_itself) {
  auto recording = with_two_windows(counted());
  for (auto& block : recording.warmup.blocks) {
    block.tokens += 100 * (&block - recording.warmup.blocks.data());
  }
  EXPECT_EQ(analyse(recording).steady->of_window, 1) << "the warm-up was not steady for either";
  auto& requests = recording.serves[1].requests;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].output_tokens = 16 - static_cast<std::int64_t>(i / 2);
  }
  const auto moved = analyse(recording);
  EXPECT_EQ(moved.steady->of_window, 2);
}

TEST(Windows, an_error_of_idle_power_is_common_to_them) {
  // Placing the updates gives the idle power an error; net has it times the whole 60 s.
  const auto r = analyse(with_two_windows(counted()));
  const domain::ScopeEnergy& scope = *find_scope(r, "package-0");
  ASSERT_TRUE(scope.idle->u_w);
  EXPECT_NEAR(*scope.net->u_random, std::hypot(*scope.gross.u_random, *scope.idle->u_w * 60), 1e-9);
}

TEST(Windows, a_window_that_was_not_served_is_missed) {
  auto recording = with_two_windows(counted());
  recording.serves.pop_back();
  const auto r = analyse(recording);
  EXPECT_TRUE(has_code(r, "timeline_incomplete"));
  EXPECT_EQ(r.validity.state, domain::ValidityState::invalid);
}

TEST(Windows, the_shortest_is_judged) {
  EXPECT_FALSE(has_code(analyse(with_two_windows(counted())), "window_short"));
  EXPECT_TRUE(has_code(analyse(with_two_windows(counted(84), 84)), "window_short"));
}

TEST(Windows, idle_between_them_is_in_no_mean) {
  // 1.5 busy CPUs in the windows and none in the pads; throttled in half of the second window only.
  const auto busy = [](double t) {
    const double first = std::clamp(t - 37, 0.0, 30.0);
    const double second = std::clamp(t - 69, 0.0, 30.0);
    return 1.5 * (first + second);
  };
  const auto throttled = [](double t) { return std::clamp(t - 84, 0.0, 15.0); };
  const auto clock = [](double t) { return t > 67 && t < 69 ? 2e8 : 1.5e9; };
  const auto r = analyse(with_two_windows(
      counted()
          .device("gpu:a", "NVIDIA H200", "gpu", false)
          .signal("host", Signal::cpu_busy, Behaviour::counter, busy, Poll{0.05})
          .signal("gpu:a", Signal::throttle_power, Behaviour::counter, throttled, Poll{0.05})
          .signal("gpu:a", Signal::clock_sm, Behaviour::gauge, clock, Poll{0.05})));
  EXPECT_NEAR(*r.host_load->cpu_busy_ratio, 1.5 / 4, 1e-2);
  ASSERT_EQ(r.thermal->devices.size(), 1U);
  EXPECT_NEAR(*r.thermal->devices[0].throttle->power_ratio, 0.25, 1e-2);
  EXPECT_NEAR(*r.thermal->devices[0].clock_sm_min_hz, 1.5e9, 1);
}

TEST(Windows, that_differ_in_scope_have_no_headline) {
  // The counter ends in the pad between them, and a CPU load is recorded: an estimate takes over.
  const auto r = analyse(with_two_windows(
      recorded_until()
          .counter("package-0", Scope::package, two_wave(), 0.0976, Poll{0.02, 0, 68.5})
          .signal(
              "host", Signal::cpu_busy, Behaviour::counter, [](double t) { return 1.3 * t; },
              Poll{0.05})));
  EXPECT_FALSE(r.energy && r.energy->headline_gross_j);
  EXPECT_TRUE(has_code(r, "no_energy"));
  EXPECT_EQ(r.validity.state, domain::ValidityState::invalid);
}

}  // namespace
}  // namespace llem::analysis
