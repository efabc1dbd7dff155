#include "analysis/idle_after.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "base/random.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Recording;
using domain::Scope;
using test::a_recording;
using test::find_scope;
using test::has_code;
using test::Poll;
using test::RecordingBuilder;
using test::Wave;

/// 20 W of loaded idle before, 50 W at work in [37 s, 67 s), then as given.
Wave with_after(std::vector<std::pair<double, double>> after) {
  Wave wave{{{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}, {37, 50}}};
  wave.steps.insert(wave.steps.end(), after.begin(), after.end());
  return wave;
}

/// The engine ends with the cool-down, [69 s, 70 s).
void stopped_late(Recording& r) {
  r.engine_stopped_ns = r.phases.back().t_end_ns;
}

/// As recordings were when cooling down came without an engine.
void stopped_early(Recording& r) {
  r.engine_stopped_ns = r.phases.back().t_begin_ns;
}

domain::TrialResult counted(const Wave& wave, void (*stopped)(Recording&) = stopped_late) {
  return analyse(
      a_recording().counter("package-0", Scope::package, wave, 0.001).but(stopped).build());
}

const domain::IdlePower* idle_of(const domain::ScopeEnergy& scope, std::string_view kind) {
  for (const auto& idle : scope.idles) {
    if (idle.kind == kind) {
      return &idle;
    }
  }
  return nullptr;
}

TEST(IdleAfter, that_is_as_before_changes_nothing) {
  const auto result = counted(with_after({{67, 20}}));
  const auto* scope = find_scope(result, "package-0");
  const auto* after = idle_of(*scope, "loaded_idle_after");
  ASSERT_NE(after, nullptr);
  EXPECT_NEAR(after->power_w, 20, 0.05);
  EXPECT_NEAR(*after->duration_s, 1, 0.05);  // of the cool-down
  ASSERT_TRUE(scope->idle_drift_w);
  EXPECT_NEAR(scope->idle_drift_w->value, 0, 0.05);
  EXPECT_EQ(scope->idle->kind, "loaded_idle");
  EXPECT_FALSE(has_code(result, "idle_drift"));
}

// Loaded idle 20 W before and 26 W after: 23 W, anywhere between them: u = 6/√12 W, over 30 s.
TEST(IdleAfter, that_differs_is_flagged_and_the_mean_subtracted) {
  const auto result = counted(with_after({{67, 26}}));
  const auto steady = counted(with_after({{67, 20}}));
  const auto* scope = find_scope(result, "package-0");
  EXPECT_TRUE(has_code(result, "idle_drift"));
  EXPECT_EQ(result.validity.state, domain::ValidityState::flagged);
  EXPECT_NEAR(scope->idle_drift_w->value, 6, 0.1);
  EXPECT_NEAR(*scope->idle_drift_w->u_systematic, 0.03 * 6, 0.01);
  EXPECT_EQ(scope->idle->kind, "loaded_idle_mean");
  EXPECT_NEAR(scope->idle->power_w, 23, 0.1);
  EXPECT_NEAR(*scope->idle->u_w, 6 / std::sqrt(12.0), 0.05);
  EXPECT_NEAR(scope->net->value, 1500 - 23 * 30, 3);
  // Idle under the work has one sign in all of the window: no chance that averages out.
  EXPECT_LT(*scope->net->u_random, 10);
  EXPECT_NEAR(*scope->net->u_systematic,
              std::hypot(0.03 * scope->net->value, 30 * 6 / std::sqrt(12.0)), 2);
  EXPECT_NEAR(scope->gross.value, find_scope(steady, "package-0")->gross.value, 0.1);
  EXPECT_NEAR(*result.energy->headline_idle_w, 23, 0.1);
}

TEST(IdleAfter, does_not_hold_the_tail_of_the_work) {
  const auto result = counted(with_after({{67, 45}, {68.2, 20}}));
  const auto* after = idle_of(*find_scope(result, "package-0"), "loaded_idle_after");
  ASSERT_NE(after, nullptr);
  EXPECT_NEAR(after->power_w, 20, 0.05);
  EXPECT_FALSE(has_code(result, "idle_drift"));
}

TEST(IdleAfter, is_of_the_pad_where_the_engine_ended_before_the_cooldown) {
  // 12 W without an engine.
  const Wave wave = with_after({{67, 45}, {67.4, 20}, {69, 12}});
  const auto result = counted(wave, stopped_early);
  const auto* after = idle_of(*find_scope(result, "package-0"), "loaded_idle_after");
  ASSERT_NE(after, nullptr);
  EXPECT_NEAR(after->power_w, 20, 0.1);
  EXPECT_FALSE(has_code(result, "idle_drift"));
}

TEST(IdleAfter, is_not_sought_in_the_pad_where_the_cooldown_has_not_settled) {
  // 45 W as long as the pad lasts, then 1 W less each tenth of a second.
  std::vector<std::pair<double, double>> falling{{67, 45}};
  for (int k = 0; k < 10; ++k) {
    falling.emplace_back(69 + 0.1 * k, 45 - k);
  }
  const auto result = counted(with_after(falling));
  const auto* scope = find_scope(result, "package-0");
  EXPECT_EQ(idle_of(*scope, "loaded_idle_after"), nullptr);
  EXPECT_FALSE(has_code(result, "idle_drift"));
}

TEST(IdleAfter, that_falls_slowly_has_not_settled) {
  // 15 W more than before, falling with a time constant of 10 s: 1.8 % between the halves of the
  // cool-down, and five times that in as much time as has passed since the work.
  std::vector<std::pair<double, double>> falling;
  for (int k = 0; k < 60; ++k) {
    falling.emplace_back(67 + 0.05 * k, 20 + 15 * std::exp(-0.005 * k));
  }
  const auto result = counted(with_after(falling));
  EXPECT_EQ(idle_of(*find_scope(result, "package-0"), "loaded_idle_after"), nullptr);
  EXPECT_FALSE(has_code(result, "idle_drift"));
}

TEST(IdleAfter, that_does_not_settle_is_not_told) {
  std::vector<std::pair<double, double>> falling;
  for (int k = 0; k < 30; ++k) {  // from 50 W by 1 W each tenth of a second
    falling.emplace_back(67 + 0.1 * k, 50 - k);
  }
  const auto result = counted(with_after(falling));
  const auto* scope = find_scope(result, "package-0");
  EXPECT_EQ(idle_of(*scope, "loaded_idle_after"), nullptr);
  EXPECT_FALSE(scope->idle_drift_w);
  EXPECT_EQ(scope->idle->kind, "loaded_idle");
}

TEST(IdleAfter, is_not_compared_with_bare_idle) {
  const auto result =
      analyse(a_recording()
                  .counter("package-0", Scope::package, with_after({{67, 20}}), 0.001)
                  .pads(0, 2)
                  .but([](Recording& r) {
                    std::erase_if(r.phases, [](const auto& p) {
                      return p.name == domain::PhaseName::loaded_idle;
                    });
                  })
                  .build());
  const auto* scope = find_scope(result, "package-0");
  EXPECT_NE(idle_of(*scope, "loaded_idle_after"), nullptr);
  EXPECT_EQ(scope->idle->kind, "bare_idle");
  EXPECT_FALSE(scope->idle_drift_w);
}

TEST(IdleAfter, and_before_wait_until_a_gauge_has_forgotten_the_work) {
  // Averaged over one second, read every 0.1 s: the pad of two seconds ends the tail.
  const auto result =
      analyse(a_recording()
                  .gauge("package-0", Scope::package, with_after({{67, 20}}), 0.1, 1)
                  .but(stopped_late)
                  .build());
  const auto* scope = find_scope(result, "package-0");
  ASSERT_TRUE(scope->idle_drift_w);
  EXPECT_NEAR(scope->idle_drift_w->value, 0, 0.1);
}

TEST(IdleAfter, drifts_beyond_two_watts_three_per_cent_and_its_noise) {
  const auto drifts = [](double before, double after, double u) {
    const domain::IdlePower a{"loaded_idle", before, u, 10};
    const domain::IdlePower b{"loaded_idle_after", after, u, 5};
    return drifted(a, drift_of(a, b));
  };
  EXPECT_FALSE(drifts(20, 21.9, 0.1));
  EXPECT_TRUE(drifts(20, 22.1, 0.1));
  EXPECT_TRUE(drifts(20, 17.9, 0.1));
  EXPECT_FALSE(drifts(100, 102.9, 0.1));  // 3 %
  EXPECT_TRUE(drifts(100, 103.1, 0.1));
  EXPECT_FALSE(drifts(20, 25, 2));  // 5 W against 2·√8 W
  EXPECT_TRUE(drifts(20, 26, 2));
}

TEST(IdleAfter, leaves_net_gross_less_idle_times_time) {
  base::Random random(7);
  int drifting = 0;
  for (int i = 0; i < 40; ++i) {
    const double watts = 5 + 40 * random.uniform();
    const Wave wave = with_after({{67, watts}});
    auto builder = a_recording().but(stopped_late);
    const auto result =
        analyse(i % 2 == 0 ? builder.counter("package-0", Scope::package, wave, 0.0213).build()
                           : builder.gauge("package-0", Scope::package, wave, 0.05, 0.05).build());
    const auto* scope = find_scope(result, "package-0");
    const double time = result.throughput->window_s;
    const double net = scope->gross.value - scope->idle->power_w * time;
    EXPECT_NEAR(scope->net->value, net, 1e-9 * std::abs(net)) << watts;
    const double headline =
        result.energy->headline_gross_j->value - *result.energy->headline_idle_w * time;
    EXPECT_NEAR(result.energy->headline_net_j->value, headline, 1e-9 * std::abs(headline)) << watts;
    drifting += scope->idle->kind == "loaded_idle_mean" ? 1 : 0;
    EXPECT_EQ(scope->idle->kind == "loaded_idle_mean", std::abs(scope->idle_drift_w->value) > 2);
  }
  EXPECT_GT(drifting, 20);
  EXPECT_LT(drifting, 40);
}

}  // namespace
}  // namespace llem::analysis
