#include "stats/paired.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

TEST(PairedRatio, agrees_with_scipy) {
  for (const auto& [name, sample] : reference("pairs").members()) {
    const auto a = numbers(sample, "a");
    const auto b = numbers(sample, "b");
    const PairedRatio paired = paired_ratio(a, b);
    EXPECT_NEAR(paired.ratio, sample.number_or("ratio", 0), 1e-12) << name;
    const auto interval = numbers(sample, "interval");
    ASSERT_TRUE(paired.interval) << name;
    EXPECT_NEAR(paired.interval->low, interval[0], 1e-9) << name;
    EXPECT_NEAR(paired.interval->high, interval[1], 1e-9) << name;
    EXPECT_EQ(paired.interval->method, "paired_log_t");
  }
}

TEST(PairedRatio, cancels_what_both_runs_of_a_block_share) {
  const std::vector<double> a{1, 2, 4, 8};
  const std::vector<double> b{2, 4, 8, 16};
  const PairedRatio paired = paired_ratio(a, b);
  EXPECT_DOUBLE_EQ(paired.ratio, 0.5);
  EXPECT_NEAR(*paired.log_deviation, 0, 1e-15);
}

TEST(PairedRatio, has_no_interval_below_three_blocks) {
  const std::vector<double> a{1, 2};
  const std::vector<double> b{2, 3};
  EXPECT_EQ(paired_ratio(a, b).interval, std::nullopt);
  EXPECT_EQ(false_positive_rate(a, b, 1), std::nullopt);
}

TEST(FalsePositiveRate, agrees_with_a_t_test_of_every_exchange) {
  for (const auto& [name, sample] : reference("pairs").members()) {
    const auto rate = false_positive_rate(numbers(sample, "a"), numbers(sample, "b"), 1);
    ASSERT_TRUE(rate) << name;
    EXPECT_DOUBLE_EQ(*rate, sample.number_or("false_positive_rate", -1)) << name;
  }
}

TEST(FalsePositiveRate, of_many_blocks_is_drawn) {
  std::vector<double> a;
  std::vector<double> b;
  for (int i = 0; i < 30; ++i) {
    a.push_back(100 + std::sin(3.0 * i));
    b.push_back(100 + std::cos(5.0 * i));
  }
  const auto rate = false_positive_rate(a, b, 1);
  EXPECT_GT(*rate, 0.03);
  EXPECT_LT(*rate, 0.07);
  EXPECT_EQ(rate, false_positive_rate(a, b, 1));
}

TEST(FalsePositiveRate, of_pairs_without_difference_is_zero) {
  const std::vector<double> a{3, 4, 5};
  EXPECT_EQ(false_positive_rate(a, a, 1), 0.0);
}

TEST(DetectableDifference, agrees_with_scipy) {
  for (const base::Json& point : reference("detectable").items()) {
    const auto n = static_cast<std::size_t>(point.number_or("n", 0));
    EXPECT_NEAR(detectable_difference(n), point.number_or("difference", 0), 1e-6) << n;
  }
}

}  // namespace
}  // namespace llem::stats
