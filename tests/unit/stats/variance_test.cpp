#include "stats/variance.hpp"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fidelity/draws.hpp"
#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

void expect_near(double a, double b) {
  EXPECT_NEAR(a, b, 1e-9 * std::abs(b)) << b;
}

TEST(Variance, components_and_intervals_are_those_of_the_reference) {
  const auto& cases = reference("variance_components");
  EXPECT_GE(cases.members().size(), 5U);
  for (const auto& [name, expected] : cases.members()) {
    SCOPED_TRACE(name);
    std::vector<std::vector<double>> groups;
    for (const auto& group : expected.find("groups")->items()) {
      groups.push_back(numbers(group));
    }
    const auto made = variance_components(groups);
    ASSERT_TRUE(made);
    expect_near(made->mean, expected.find("mean")->number());
    expect_near(made->between, expected.find("between")->number());
    expect_near(made->within, expected.find("within")->number());
    const auto within = numbers(expected, "within_interval");
    expect_near(made->within_interval.low, within[0]);
    expect_near(made->within_interval.high, within[1]);
    const auto between = numbers(expected, "between_interval");
    ASSERT_EQ(made->between_interval.has_value(), groups.size() >= 3);
    if (made->between_interval) {
      expect_near(made->between_interval->low, between[0]);
      expect_near(made->between_interval->high, between[1]);
    }
  }
}

TEST(Variance, groups_that_differ_less_than_their_values_keep_the_sign) {
  // Means of 2 each, values off by one: MSB = 0.
  const auto made = variance_components({{1, 3}, {3, 1}, {1, 3}});
  EXPECT_DOUBLE_EQ(made->within, 2);    // 6 squares of 1 over 3
  EXPECT_DOUBLE_EQ(made->between, -1);  // (0 - 2)/2
  EXPECT_LT(made->between_interval->low, 0);
}

TEST(Variance, one_value_a_group_tells_no_levels_apart) {
  EXPECT_FALSE(variance_components({{1}, {2}, {3}}));
  EXPECT_FALSE(variance_components({{1, 2, 3}}));
  EXPECT_FALSE(variance_components({}));
  EXPECT_TRUE(variance_components({{1, 2}, {2}}));
}

/// Share of draws whose interval holds the variance between launches, the variance of runs being 1.
double covered(int launches, int runs, double between) {
  constexpr int kDraws = 1000;
  fidelity::Draws draws(static_cast<std::uint64_t>(100 * launches + runs));
  int held = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<std::vector<double>> groups(static_cast<std::size_t>(launches));
    for (auto& group : groups) {
      const double launch = draws.normal(100, std::sqrt(between));
      for (int run = 0; run < runs; ++run) {
        group.push_back(draws.normal(launch, 1));
      }
    }
    const auto interval = variance_components(groups)->between_interval;
    held += interval->low <= between && between <= interval->high ? 1 : 0;
  }
  return static_cast<double>(held) / kDraws;
}

// 1000 draws know a share near 0.95 to ±0.014 (k = 2); the method promises 0.95 or a little more.
TEST(Variance, intervals_between_launches_hold_the_truth) {
  for (const double between : {0.0, 1.0, 10.0}) {
    for (const auto& [launches, runs] : {std::pair(3, 2), std::pair(5, 3)}) {
      const double share = covered(launches, runs, between);
      EXPECT_GE(share, 0.935) << launches << " of " << runs << ", " << between;
      EXPECT_LE(share, 0.985) << launches << " of " << runs << ", " << between;
    }
  }
}

}  // namespace
}  // namespace llem::stats
