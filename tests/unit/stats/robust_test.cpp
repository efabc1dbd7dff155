#include "stats/robust.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

TEST(Robust, middles_are_those_of_the_reference) {
  const auto& cases = reference("robust");
  EXPECT_GE(cases.members().size(), 3U);
  for (const auto& [name, expected] : cases.members()) {
    SCOPED_TRACE(name);
    const auto values = numbers(expected, "values");
    EXPECT_DOUBLE_EQ(hodges_lehmann(values), expected.find("hodges_lehmann")->number());
    const Screening screening = screen(values);
    EXPECT_NEAR(screening.median, expected.find("median")->number(), 1e-12);
    EXPECT_NEAR(screening.scale, expected.find("scale")->number(), 1e-12);
    std::vector<double> outliers;
    for (const std::size_t i : screening.outliers) {
      outliers.push_back(static_cast<double>(i));
    }
    EXPECT_EQ(outliers, numbers(expected, "outliers"));
  }
}

TEST(Robust, fewer_than_five_values_have_no_outlier) {
  EXPECT_TRUE(screen(std::vector<double>{1, 1.01, 0.99, 50}).outliers.empty());
  EXPECT_EQ(screen(std::vector<double>{1, 1.01, 0.99, 50, 1.02}).outliers,
            std::vector<std::size_t>{3});
}

TEST(Robust, values_that_differ_by_rounding_are_no_outliers) {
  EXPECT_TRUE(screen(std::vector<double>{1, 1, 1, 1, 1 + 1e-15}).outliers.empty());
  EXPECT_EQ(screen(std::vector<double>{1, 1, 1, 1, 1.1}).outliers, std::vector<std::size_t>{4});
}

}  // namespace
}  // namespace llem::stats
