#include "analysis/spread.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"

namespace llem::analysis {
namespace {

using domain::ConfigurationResult;
using domain::TrialResult;

/// Windows of 1000 tokens and 10 s with these joules.
TrialResult a_trial(std::int64_t cycle, const std::vector<double>& joules) {
  TrialResult r;
  r.identity.trial = 10 * cycle;
  r.identity.cycle = cycle;
  r.energy.emplace();
  r.energy->headline_scope = "gpu";
  double sum = 0;
  for (const double j : joules) {
    domain::WindowFigures& window = r.windows.emplace_back();
    window.window = static_cast<std::int64_t>(r.windows.size());
    window.scope = "gpu";
    window.gross_j_per_output_token.emplace().value = j / 1000;
    window.output_tokens_per_s.value = 100;
    sum += j;
  }
  const auto windows = static_cast<double>(joules.size());
  r.energy->headline_gross_j.emplace().value = sum;
  r.efficiency.emplace();
  r.efficiency->gross_j_per_output_token.emplace().value = sum / (1000 * windows);
  r.throughput.emplace();
  r.throughput->window_s = 10 * windows;
  r.throughput->output_tokens = static_cast<std::int64_t>(1000 * windows);
  r.throughput->output_tokens_per_s = 100;
  r.validity.state = domain::ValidityState::valid;
  return r;
}

ConfigurationResult aggregated(const std::vector<TrialResult>& trials) {
  return aggregate(domain::Configuration(), trials);
}

const domain::VarianceComponents* find_variance(const ConfigurationResult& c, const char* metric) {
  for (const auto& v : c.variance) {
    if (v.metric == metric) {
      return &v;
    }
  }
  return nullptr;
}

// Means 401, 405 and 409 of two runs each, which lie 1 off: MS_within = 2, MS_between = 2 · 16 =
// 32, so σ²_launch = (32 - 2)/2 = 15 in mJ².
TEST(Spread, is_split_between_launches_and_runs) {
  const auto c =
      aggregated({a_trial(1, {400, 402}), a_trial(2, {404, 406}), a_trial(3, {408, 410})});
  const auto* v = find_variance(c, "gross_j_per_output_token");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->method, "anova");
  EXPECT_EQ(v->n_launches, 3);
  EXPECT_EQ(v->n_runs, 6);
  EXPECT_NEAR(v->mean, 0.405, 1e-12);
  EXPECT_NEAR(*v->run_variance, 2e-6, 1e-15);
  EXPECT_NEAR(*v->launch_variance, 15e-6, 1e-15);
  EXPECT_LT(v->launch_interval->low, *v->launch_variance);
  EXPECT_GT(v->launch_interval->high, *v->launch_variance);
  EXPECT_FALSE(v->launch_and_run_variance);
  EXPECT_EQ(c.gross_j_per_output_token->interval->n, 3);
}

TEST(Spread, of_single_windows_is_of_launch_and_run_together) {
  const auto c = aggregated({a_trial(1, {400}), a_trial(2, {404}), a_trial(3, {408})});
  const auto* v = find_variance(c, "gross_j_per_output_token");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->method, "launches_only");
  EXPECT_NEAR(*v->launch_and_run_variance, 16e-6, 1e-15);
  EXPECT_FALSE(v->launch_variance);
  EXPECT_FALSE(v->run_variance);
}

TEST(Spread, of_one_launch_is_not_claimed) {
  EXPECT_TRUE(aggregated({a_trial(1, {400, 402, 404})}).variance.empty());
}

TEST(Spread, leaves_out_windows_of_another_scope) {
  auto other = a_trial(3, {900, 900});
  other.windows[1].scope = "cpu_package";
  const auto c = aggregated({a_trial(1, {400, 402}), a_trial(2, {404, 406}), other});
  EXPECT_EQ(find_variance(c, "gross_j_per_output_token")->n_runs, 5);
}

std::vector<TrialResult> five_with_one_far() {
  return {a_trial(1, {400}), a_trial(2, {402}), a_trial(3, {480}), a_trial(4, {401}),
          a_trial(5, {399})};
}

TEST(Outlier, is_labelled_and_kept) {
  const auto c = aggregated(five_with_one_far());
  ASSERT_EQ(c.outliers.size(), 1U);
  const domain::Outlier& outlier = c.outliers.front();
  EXPECT_EQ(outlier.trial, 30);
  EXPECT_EQ(outlier.cycle, 3);
  EXPECT_EQ(outlier.metric, "gross_j_per_output_token");
  EXPECT_NEAR(outlier.median, 0.401, 1e-12);
  // Deviations from 401 are 1, 1, 79, 0 and 2: their median is 1.
  EXPECT_NEAR(outlier.deviations.value(), 79 / 1.4826, 1e-9);
  EXPECT_TRUE(outlier.causes.empty());
  EXPECT_EQ(c.n_used, 5);
  const domain::Aggregate& energy = *c.gross_j_per_output_token;
  EXPECT_NEAR(energy.value, 0.4164, 1e-12);
  EXPECT_NEAR(*energy.median, 0.401, 1e-12);
  ASSERT_TRUE(energy.hodges_lehmann);
  EXPECT_LT(*energy.hodges_lehmann, energy.value);
  EXPECT_FALSE(c.output_tokens_per_s->median) << "no outlier in it";
}

TEST(Outlier, among_equal_trials_is_no_number_of_deviations_away) {
  const auto c = aggregated({a_trial(1, {400}), a_trial(2, {400}), a_trial(3, {440}),
                             a_trial(4, {400}), a_trial(5, {400})});
  ASSERT_EQ(c.outliers.size(), 1U);
  EXPECT_FALSE(c.outliers.front().deviations);
}

TEST(Outlier, names_the_physical_cause_that_was_recorded) {
  auto trials = five_with_one_far();
  trials[2].validity.codes = {{"quick_profile", "warning", "", ""},
                              {"throttled_power", "warning", "", ""},
                              {"contention", "warning", "", ""}};
  const auto c = aggregated(trials);
  ASSERT_EQ(c.outliers.size(), 1U);
  EXPECT_EQ(c.outliers.front().causes, (std::vector<std::string>{"throttled_power", "contention"}));
}

TEST(Outlier, needs_five_trials) {
  auto trials = five_with_one_far();
  trials.pop_back();
  const auto c = aggregated(trials);
  EXPECT_TRUE(c.outliers.empty());
  EXPECT_FALSE(c.gross_j_per_output_token->median);
}

}  // namespace
}  // namespace llem::analysis
