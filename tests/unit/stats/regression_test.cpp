#include "stats/regression.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

using Values = std::vector<double>;

TEST(FitLine, agrees_with_scipy) {
  for (const auto& [name, points] : reference("lines").members()) {
    const auto x = numbers(points, "x");
    const Line line = fit_line(x, numbers(points, "y"));
    double mean_x = 0;
    for (const double value : x) {
      mean_x += value / static_cast<double>(x.size());
    }
    EXPECT_NEAR(line.slope, points.number_or("slope", 0), 1e-12) << name;
    EXPECT_NEAR(line.intercept + line.slope * mean_x, points.number_or("at_mean_x", 0), 1e-8)
        << name;
    EXPECT_NEAR(line.slope_standard_error, points.number_or("slope_standard_error", 0), 1e-12)
        << name;
  }
}

TEST(FitLine, meets_points_that_lie_on_a_line) {
  const Line line = fit_line(Values{1, 2, 4}, Values{5, 7, 11});
  EXPECT_NEAR(line.slope, 2, 1e-15);
  EXPECT_NEAR(line.intercept, 3, 1e-14);
  EXPECT_NEAR(line.slope_standard_error, 0, 1e-14);
  EXPECT_EQ(fit_line(Values{0, 2}, Values{1, 2}).slope_standard_error, 0);
}

TEST(FitLineDeath, asserts_two_distinct_x) {
  EXPECT_DEATH(fit_line(Values{1, 1}, Values{1, 2}), "distinct");
}

TEST(JudgeSteady, waits_for_enough_blocks) {
  const auto verdict = judge_steady(Values{1, 2, 3, 4}, Values{5, 5, 5, 5}, {.blocks = 5});
  EXPECT_FALSE(verdict.enough_blocks);
  EXPECT_FALSE(verdict.steady);
}

TEST(JudgeSteady, looks_at_the_last_blocks_only) {
  const auto verdict = judge_steady(Values{1, 2, 3, 4, 5, 6, 7},
                                    Values{20, 60, 100, 100, 100, 100, 100}, {.blocks = 5});
  EXPECT_TRUE(verdict.enough_blocks);
  EXPECT_EQ(verdict.cv, 0);
  EXPECT_EQ(verdict.relative_slope, 0);
  EXPECT_TRUE(verdict.steady);
}

TEST(JudgeSteady, finds_a_drift_that_the_spread_would_allow) {
  // 0.4 a block over four steps is 1.6 % of the mean, while the values scatter by 0.6 %.
  const auto verdict =
      judge_steady(Values{1, 2, 3, 4, 5}, Values{99.2, 99.6, 100, 100.4, 100.8}, {});
  EXPECT_NEAR(verdict.relative_slope, 0.016, 1e-12);
  EXPECT_NEAR(verdict.cv, std::sqrt(0.4) / 100, 1e-12);
  EXPECT_FALSE(verdict.steady);
  const auto falling =
      judge_steady(Values{1, 2, 3, 4, 5}, Values{100.8, 100.4, 100, 99.6, 99.2}, {});
  EXPECT_NEAR(falling.relative_slope, 0.016, 1e-12);
}

TEST(JudgeSteady, finds_scatter_without_drift) {
  const auto verdict = judge_steady(Values{1, 2, 3, 4, 5}, Values{95, 105, 100, 105, 95}, {});
  EXPECT_EQ(verdict.relative_slope, 0);
  EXPECT_NEAR(verdict.cv, 0.05, 1e-12);
  EXPECT_FALSE(verdict.steady);
}

TEST(JudgeSteady, stays_finite_around_zero) {
  const auto rest = judge_steady(Values{1, 2, 3}, Values{0, 0, 0}, {.blocks = 3});
  EXPECT_TRUE(rest.steady);
  const auto swing = judge_steady(Values{1, 2, 3}, Values{-1, 2, -1}, {.blocks = 3});
  EXPECT_TRUE(std::isfinite(swing.cv));
  EXPECT_FALSE(swing.steady);
}

TEST(JudgeSteady, cannot_judge_blocks_that_share_one_time) {
  EXPECT_FALSE(judge_steady(Values{1, 1, 1}, Values{2, 2, 2}, {.blocks = 3}).enough_blocks);
}

}  // namespace
}  // namespace llem::stats
