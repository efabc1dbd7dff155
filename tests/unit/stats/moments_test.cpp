#include "stats/moments.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Moments, have_no_variance_below_two_values) {
  Moments few;
  EXPECT_EQ(few.mean(), 0);
  EXPECT_EQ(few.variance(), std::nullopt);
  few.add(5);
  EXPECT_EQ(few.mean(), 5);
  EXPECT_EQ(few.standard_deviation(), std::nullopt);
  few.add(7);
  EXPECT_EQ(few.variance(), 2);
}

TEST(Moments, agree_with_exact_arithmetic) {
  for (const auto& [name, sample] : reference("summaries").members()) {
    const Moments all = moments(numbers(sample, "values"));
    EXPECT_NEAR(all.mean() / sample.number_or("mean", 0), 1, 1e-15) << name;
    EXPECT_NEAR(*all.variance() / sample.number_or("variance", 0), 1, 1e-13) << name;
  }
}

// The textbook formula Σx² − n·x̄² gives 0 or a negative number here: 1e18 leaves no digits for 30.
TEST(Moments, keep_a_small_variance_on_a_large_offset) {
  const std::vector<double> values{1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16};
  EXPECT_EQ(moments(values).mean(), 1e9 + 10);
  EXPECT_EQ(moments(values).variance(), 30);
  const std::vector<double> larger{1e15 + 4, 1e15 + 7, 1e15 + 13, 1e15 + 16};
  EXPECT_NEAR(*moments(larger).variance(), 30, 0.5);
}

TEST(Moments, of_merged_parts_are_those_of_the_whole) {
  base::Random random(3);
  for (int round = 0; round < 200; ++round) {
    Moments whole;
    Moments merged;
    const double offset = random.normal() * 1e6;
    for (std::uint64_t part = random.below(5); part > 0; --part) {
      Moments one;
      for (std::uint64_t left = random.below(20); left > 0; --left) {
        const double x = offset + random.normal();
        whole.add(x);
        one.add(x);
      }
      merged.merge(one);
    }
    ASSERT_EQ(merged.count(), whole.count());
    ASSERT_NEAR(merged.mean(), whole.mean(), 1e-9);
    ASSERT_EQ(merged.variance().has_value(), whole.variance().has_value());
    if (whole.variance()) {
      ASSERT_NEAR(*merged.variance(), *whole.variance(), 1e-7);
    }
  }
}

TEST(QuantileSorted, agrees_with_numpy) {
  for (const auto& [name, sample] : reference("summaries").members()) {
    const auto values = sorted(numbers(sample, "values"));
    for (const base::Json& pair : sample.find("quantiles")->items()) {
      const auto expected = numbers(pair);
      EXPECT_NEAR(quantile_sorted(values, expected[0]), expected[1], 1e-12 * std::abs(expected[1]))
          << name << " p " << expected[0];
    }
  }
}

TEST(QuantileSorted, interpolates_between_neighbours) {
  const std::vector<double> values{10, 20, 40};
  EXPECT_EQ(quantile_sorted(values, 0), 10);
  EXPECT_EQ(quantile_sorted(values, 0.25), 15);
  EXPECT_EQ(quantile_sorted(values, 0.75), 30);
  EXPECT_EQ(quantile_sorted(values, 1), 40);
  EXPECT_EQ(quantile_sorted(std::vector<double>{7}, 0.3), 7);
}

TEST(QuantileSorted, rises_with_p_and_stays_among_the_values) {
  base::Random random(6);
  for (int round = 0; round < 100; ++round) {
    std::vector<double> values(1 + random.below(30));
    for (double& value : values) {
      value = std::round(4 * random.normal()) * 0.1;
    }
    values = sorted(values);
    double last = values.front();
    for (int step = 0; step <= 1000; ++step) {
      const double quantile = quantile_sorted(values, step / 1000.0);
      ASSERT_GE(quantile, last);
      last = quantile;
    }
    ASSERT_EQ(last, values.back());
  }
}

TEST(QuantileSortedDeath, asserts_that_there_are_values) {
  EXPECT_DEATH(quantile_sorted({}, 0.5), "no values");
}

TEST(Median, is_the_middle_or_the_mean_of_the_two_middle_values) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
}

}  // namespace
}  // namespace llem::stats
