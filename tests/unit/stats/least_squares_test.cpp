#include "stats/least_squares.hpp"

#include <array>
#include <cmath>
#include <cstddef>

#include <gtest/gtest.h>

#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

NormalEquations equations_of(const base::Json& sample, std::size_t from = 0, std::size_t to = 6) {
  const auto values = numbers(sample, "values");
  NormalEquations equations(3);
  for (std::size_t i = from; i < to; ++i) {
    equations.add(numbers(sample.find("rows")->items()[i]), values[i]);
  }
  return equations;
}

TEST(LeastSquares, agrees_with_scipy) {
  for (const auto& [name, sample] : reference("nonnegative").members()) {
    const NormalEquations equations = equations_of(sample);
    const auto x = solve_nonnegative(equations);
    const auto expected = numbers(sample, "solution");
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(x[i], expected[i], 1e-10) << name << ' ' << i;
    }
    EXPECT_NEAR(residual_square(equations, x), sample.number_or("residual_square", 0), 1e-9)
        << name;
    const Determination determined(equations);
    EXPECT_NEAR(determined.variance_factor(numbers(sample, "combination")),
                sample.number_or("variance_factor", 0), 1e-9)
        << name;
    EXPECT_NEAR(determined.condition_number(), sample.number_or("condition_number", 0), 1e-9)
        << name;
  }
}

TEST(LeastSquares, adds_parts_up) {
  const base::Json& sample = *reference("nonnegative").find("all");
  NormalEquations sum = equations_of(sample, 0, 2);
  sum += equations_of(sample, 2, 6);
  EXPECT_EQ(sum.rows(), 6U);
  const auto whole = solve_nonnegative(equations_of(sample));
  const auto x = solve_nonnegative(sum);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(x[i], whole[i], 1e-12) << i;
  }
}

TEST(LeastSquares, tells_what_rows_leave_open) {
  NormalEquations equations(3);
  for (const double x : {1.0, 2.0, 3.5, 4.0}) {
    equations.add(std::array<double, 3>{x, 2 * x, 1}, 3 * x + 1);
  }
  const Determination determined(equations);
  EXPECT_TRUE(std::isinf(determined.variance_factor(std::array<double, 3>{1, 0, 0})));
  EXPECT_TRUE(std::isinf(determined.condition_number()));
  // Both move together: their sum in the proportion of the rows is known.
  EXPECT_TRUE(std::isfinite(determined.variance_factor(std::array<double, 3>{1, 2, 0})));
}

TEST(LeastSquares, leaves_out_an_unknown_that_no_row_holds) {
  NormalEquations equations(3);
  for (const double x : {1.0, 2.0, 3.0}) {
    equations.add(std::array<double, 3>{x, 0, 1}, 2 * x + 1);
  }
  const auto x = solve_nonnegative(equations);
  EXPECT_NEAR(x[0], 2, 1e-12);
  EXPECT_EQ(x[1], 0);
  EXPECT_NEAR(x[2], 1, 1e-12);
  const Determination determined(equations);
  EXPECT_TRUE(std::isfinite(determined.variance_factor(std::array<double, 3>{1, 0, 1})));
  EXPECT_TRUE(std::isinf(determined.variance_factor(std::array<double, 3>{0, 1, 0})));
  EXPECT_TRUE(std::isfinite(determined.condition_number()));
}

}  // namespace
}  // namespace llem::stats
