#include "analysis/self_test.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace llem::analysis {
namespace {

using domain::TrialResult;

std::vector<TrialResult> trials(int n, double deviation, double drift_per_hour = 0) {
  base::Random random(7);
  std::vector<TrialResult> made;
  for (int i = 0; i < n; ++i) {
    TrialResult r;
    r.identity.cycle = i + 1;
    r.identity.started_unix_s = 36 * i;  // a hundredth of an hour
    const double value = 2 * (1 + drift_per_hour * 0.01 * i) * (1 + deviation * random.normal());
    r.efficiency.emplace();
    r.efficiency->gross_j_per_output_token =
        domain::Value{value, {}, {}, "counter", domain::Provenance::derived};
    r.throughput.emplace();
    r.throughput->output_tokens_per_s = 1000 / value;
    made.push_back(r);
  }
  return made;
}

std::vector<const TrialResult*> pointers(const std::vector<TrialResult>& trials) {
  std::vector<const TrialResult*> pointers;
  for (const TrialResult& trial : trials) {
    pointers.push_back(&trial);
  }
  return pointers;
}

TEST(Noise, says_how_far_equal_trials_lie_apart) {
  const auto made = trials(40, 0.02);
  const auto noise = noise_of(pointers(made), 1);
  ASSERT_EQ(noise.size(), 2U);
  const domain::Noise& energy = noise.front();
  EXPECT_EQ(energy.metric, "gross_j_per_output_token");
  EXPECT_EQ(energy.pairs, 20);
  EXPECT_NEAR(energy.mean, 2, 0.02);
  EXPECT_NEAR(energy.variation_ratio, 0.02, 0.007);
  EXPECT_LT(energy.interval->low, 1);
  EXPECT_GT(energy.interval->high, 1);
  EXPECT_NEAR(*energy.false_positive_ratio, 0.05, 0.02);
  // √2 · 2 % between two trials, times what table 10.3 of Student's test gives for 5 and 10 pairs.
  EXPECT_NEAR(energy.detectable_5_ratio, 1.68 * 0.0283, 0.015);
  EXPECT_NEAR(energy.detectable_10_ratio, 1.0 * 0.0283, 0.01);
  EXPECT_EQ(noise.back().metric, "output_tokens_per_s");
}

TEST(Noise, does_not_take_a_drift_for_a_difference) {
  const auto made = trials(40, 0.002, 0.5);
  const auto noise = noise_of(pointers(made), 1);
  EXPECT_LT(noise.front().interval->low, 1);
  EXPECT_GT(noise.front().interval->high, 1);
  ASSERT_TRUE(noise.front().drift);
  EXPECT_GT(noise.front().drift->interval->low, 0);
}

TEST(Noise, takes_trials_in_the_order_of_their_start) {
  const auto made = trials(12, 0.02);
  auto turned = pointers(made);
  std::swap(turned[0], turned[7]);
  const auto noise = noise_of(pointers(made), 1);
  EXPECT_EQ(noise_of(turned, 1).front().a_to_b_ratio, noise.front().a_to_b_ratio);
}

TEST(Noise, leaves_out_a_pair_with_an_invalid_trial) {
  auto made = trials(10, 0.02);
  made[3].validity.state = domain::ValidityState::invalid;
  made[9].efficiency.reset();
  const auto noise = noise_of(pointers(made), 1);
  ASSERT_EQ(noise.size(), 2U);
  EXPECT_EQ(noise.front().pairs, 3);
  EXPECT_EQ(noise.back().pairs, 4);
}

TEST(Noise, of_fewer_than_three_pairs_is_not_told) {
  const auto few = trials(5, 0.02);
  EXPECT_TRUE(noise_of(pointers(few), 1).empty());
  EXPECT_TRUE(noise_of({}, 1).empty());
}

TEST(Noise, of_estimates_says_that_they_are) {
  auto made = trials(6, 0.02);
  for (TrialResult& trial : made) {
    trial.efficiency->gross_j_per_output_token->source = domain::Provenance::estimated;
  }
  const auto noise = noise_of(pointers(made), 1);
  EXPECT_EQ(noise.front().source, domain::Provenance::estimated);
  EXPECT_EQ(noise.back().source, domain::Provenance::derived);
}

}  // namespace
}  // namespace llem::analysis
