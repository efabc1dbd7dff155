#include "stats/histogram.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(Histogram, has_as_many_bins_as_numpys_fd_rule) {
  for (const char* name : {"two", "five", "seven", "offset", "skewed", "many"}) {
    const base::Json& sample = *reference("summaries").find(name);
    EXPECT_EQ(histogram(numbers(sample, "values")).counts.size(),
              static_cast<std::size_t>(sample.integer_or("fd_bins", 0)))
        << name;
  }
}

TEST(Histogram, closes_the_last_bin_on_both_sides) {
  const Histogram made = histogram(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(made.low, 0);
  EXPECT_EQ(made.width, 3.5);
  EXPECT_EQ(made.counts, (Counts{4, 4}));
}

TEST(Histogram, of_nothing_is_empty) {
  EXPECT_TRUE(histogram({}).counts.empty());
}

TEST(Histogram, of_equal_values_is_one_bin_without_width) {
  const Histogram made = histogram(std::vector<double>{3, 3, 3});
  EXPECT_EQ(made.low, 3);
  EXPECT_EQ(made.width, 0);
  EXPECT_EQ(made.counts, Counts{3});
}

TEST(Histogram, falls_back_to_the_count_when_the_middle_half_is_one_value) {
  EXPECT_EQ(histogram(std::vector<double>{5, 5, 5, 5, 9}).counts, (Counts{4, 0, 0, 1}));
}

TEST(Histogram, has_40_bins_at_most) {
  std::vector<double> values(1000);
  std::iota(values.begin(), values.end(), 0.0);
  values.push_back(1e9);
  const Histogram made = histogram(values);
  EXPECT_EQ(made.counts.size(), 40U);
  EXPECT_EQ(made.counts.front(), 1000);
  EXPECT_EQ(made.counts.back(), 1);
}

TEST(Histogram, loses_no_value) {
  base::Random random(8);
  for (int round = 0; round < 300; ++round) {
    std::vector<double> values(1 + random.below(200));
    for (double& value : values) {
      value = -std::log(1 - random.uniform()) * 1e-3 + 5;  // exponential
    }
    const Histogram made = histogram(values);
    ASSERT_EQ(std::accumulate(made.counts.begin(), made.counts.end(), std::int64_t{0}),
              static_cast<std::int64_t>(values.size()));
  }
}

}  // namespace
}  // namespace llem::stats
