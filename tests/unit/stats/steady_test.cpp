#include "stats/steady.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

using Values = std::vector<double>;

TEST(Mser, agrees_with_numpy) {
  for (const auto& [name, reference] : reference("mser").members()) {
    const auto cut = mser(numbers(reference, "values"));
    ASSERT_TRUE(cut) << name;
    EXPECT_EQ(static_cast<double>(cut->batches), reference.number_or("batches", -1)) << name;
    EXPECT_EQ(static_cast<double>(cut->discarded), reference.number_or("discarded", -1)) << name;
    EXPECT_NEAR(cut->mean, reference.number_or("mean", 0), 1e-10) << name;
    EXPECT_NEAR(cut->kept_mean, reference.number_or("kept_mean", 0), 1e-10) << name;
  }
}

TEST(Mser, cuts_a_step_where_it_is) {
  Values values(100, 100);
  for (std::size_t i = 0; i < 15; ++i) {
    values[i] = 50;  // three batches of five
  }
  const auto cut = mser(values);
  EXPECT_EQ(cut->batches, 20U);
  EXPECT_EQ(cut->discarded, 3U);
  EXPECT_NEAR(cut->mean, 92.5, 1e-12);
  EXPECT_NEAR(cut->kept_mean, 100, 1e-12);
  EXPECT_EQ(cut->u_effect, 0);
}

TEST(Mser, cuts_nothing_of_a_constant_and_never_more_than_half) {
  EXPECT_EQ(mser(Values(50, 7))->discarded, 0U);
  Values late(100, 10);
  for (std::size_t i = 80; i < 100; ++i) {
    late[i] = 20;
  }
  EXPECT_LE(mser(late)->discarded, 10U);
  EXPECT_FALSE(mser(Values(9, 1)));
}

TEST(Mser, knows_how_far_noise_moves_the_mean) {
  // Half of twenty batches cut, residuals ±1 in turn: no correlation counts, and the standard error
  // is 10/20 · s · √(1/10 + 1/10) with s² = 10/9.
  Values values;
  for (std::size_t i = 0; i < 20; ++i) {
    values.push_back(i < 10 ? 50 : i % 2 == 0 ? 99 : 101);
  }
  const auto cut = mser(values, 1);
  EXPECT_EQ(cut->discarded, 10U);
  EXPECT_NEAR(cut->u_effect, 0.5 * std::sqrt(10.0 / 9) * std::sqrt(0.2), 1e-12);
}

// The figures of docs/methodology/warmup.md, there from 2000 series.
TEST(Mser, seldom_moves_the_mean_of_noise_by_four_standard_errors) {
  int moved = 0;
  constexpr int kRuns = 1000;
  base::Random random(base::derive_seed(1, "mser"));
  for (int run = 0; run < kRuns; ++run) {
    Values means;
    for (int i = 0; i < 20; ++i) {
      double sum = 0;  // of twelve uniform values: variance 1
      for (int k = 0; k < 12; ++k) {
        sum += random.uniform() - 0.5;
      }
      means.push_back(100 + 3 * sum);
    }
    const auto cut = mser(means, 1);
    const double effect = std::abs(cut->kept_mean - cut->mean);
    moved += effect > 1 && effect > 4 * cut->u_effect ? 1 : 0;
  }
  EXPECT_LE(moved, kRuns * 15 / 1000);
}

TEST(Trend, is_significant_where_it_stands_out_of_its_noise) {
  Values x;
  Values level;
  Values rising;
  for (int i = 0; i < 20; ++i) {
    const double noise = i % 2 == 0 ? 1 : -1;
    x.push_back(i);
    level.push_back(100 + noise);
    rising.push_back(100 + noise + 0.5 * i);
  }
  EXPECT_FALSE(trend_of(x, level)->significant);
  const auto trend = trend_of(x, rising);
  EXPECT_TRUE(trend->significant);
  EXPECT_NEAR(trend->slope, 0.5, 0.02);
  EXPECT_EQ(trend->span, 19);
}

TEST(Trend, of_noise_that_follows_itself_is_seldom_called_one) {
  // AR(1) with 0.6: the plain standard error would call a third of these a slope.
  int called = 0;
  constexpr int kRuns = 400;
  base::Random random(base::derive_seed(1, "trend"));
  for (int run = 0; run < kRuns; ++run) {
    Values x;
    Values y;
    double error = 0;
    for (int i = 0; i < 60; ++i) {
      error = 0.6 * error + random.uniform() - 0.5;
      x.push_back(i);
      y.push_back(100 + error);
    }
    called += trend_of(x, y)->significant ? 1 : 0;
  }
  EXPECT_LT(called, kRuns * 12 / 100);
}

TEST(Trend, needs_three_points_apart) {
  EXPECT_FALSE(trend_of(Values{1, 2}, Values{1, 2}));
  EXPECT_FALSE(trend_of(Values{1, 1, 1}, Values{1, 2, 3}));
}

}  // namespace
}  // namespace llem::stats
