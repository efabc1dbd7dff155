#include "stats/interval.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "unit/stats/reference.hpp"

namespace llem::stats {
namespace {

TEST(StudentQuantile, agrees_with_scipy) {
  for (const base::Json& point : reference("student").items()) {
    const double p = point.number_or("p", 0);
    const double df = point.number_or("df", 0);
    const double t = point.number_or("t", 0);
    EXPECT_NEAR(student_quantile(p, df), t, 1e-9 * std::max(1.0, std::abs(t))) << p << " " << df;
  }
}

// The half-widths in units of the standard deviation that tables of t give for small samples.
TEST(StudentQuantile, gives_the_half_widths_of_the_tables) {
  EXPECT_NEAR(student_quantile(0.975, 2) / std::sqrt(3), 2.48, 0.005);
  EXPECT_NEAR(student_quantile(0.975, 4) / std::sqrt(5), 1.24, 0.005);
  EXPECT_NEAR(student_quantile(0.975, 9) / std::sqrt(10), 0.72, 0.005);
}

TEST(HalfWidthRatio, goes_to_the_farther_limit) {
  EXPECT_DOUBLE_EQ(*half_width_ratio(10, 9, 12), 0.2);
  EXPECT_DOUBLE_EQ(*half_width_ratio(10, 7, 11), 0.3);
  EXPECT_DOUBLE_EQ(*half_width_ratio(-10, -11, -9.5), 0.1);
  EXPECT_EQ(half_width_ratio(0, -1, 1), std::nullopt);
}

TEST(MeanInterval, agrees_with_scipy) {
  for (const auto& [name, sample] : reference("summaries").members()) {
    const auto values = numbers(sample, "values");
    const auto interval = mean_interval(values);
    if (values.size() < 3) {
      EXPECT_EQ(interval, std::nullopt) << name;
      continue;
    }
    const auto expected = numbers(sample, "interval");
    ASSERT_TRUE(interval) << name;
    const double tolerance = 1e-9 * (expected[1] - expected[0]) + 1e-15 * std::abs(expected[0]);
    EXPECT_NEAR(interval->low, expected[0], tolerance) << name;
    EXPECT_NEAR(interval->high, expected[1], tolerance) << name;
    EXPECT_EQ(interval->method, "student_t");
    EXPECT_EQ(interval->n, values.size());
    EXPECT_EQ(interval->level, 0.95);
  }
}

TEST(MeanInterval, is_absent_below_three_values) {
  EXPECT_EQ(mean_interval(std::vector<double>{}), std::nullopt);
  EXPECT_EQ(mean_interval(std::vector<double>{1, 2}), std::nullopt);
}

TEST(MeanInterval, is_a_point_for_equal_values) {
  const auto interval = mean_interval(std::vector<double>{3, 3, 3});
  EXPECT_EQ(interval->low, 3);
  EXPECT_EQ(interval->high, 3);
}

TEST(RatioOfSums, agrees_with_scipy) {
  for (const auto& [name, sample] : reference("ratios").members()) {
    const auto result =
        ratio_of_sums(numbers(sample, "numerators"), numbers(sample, "denominators"));
    EXPECT_NEAR(result.ratio / sample.number_or("ratio", 0), 1, 1e-14) << name;
    EXPECT_NEAR(*result.standard_error / sample.number_or("standard_error", 0), 1, 1e-8) << name;
    ASSERT_EQ(result.interval.has_value(), sample.find("method")->is_string()) << name;
    if (result.interval) {
      const auto expected = numbers(sample, "interval");
      const double tolerance = 1e-6 * (expected[1] - expected[0]);
      EXPECT_NEAR(result.interval->low, expected[0], tolerance) << name;
      EXPECT_NEAR(result.interval->high, expected[1], tolerance) << name;
      EXPECT_EQ(result.interval->method, sample.text_or("method", "")) << name;
    }
  }
}

TEST(RatioOfSums, is_no_mean_of_ratios) {
  const auto result =
      ratio_of_sums(std::vector<double>{1.0, 30.0}, std::vector<double>{10.0, 100.0});
  EXPECT_DOUBLE_EQ(result.ratio, 31.0 / 110.0);
}

TEST(RatioOfSums, promises_no_more_than_the_number_of_pairs_allows) {
  const auto one = ratio_of_sums(std::vector<double>{6}, std::vector<double>{2});
  EXPECT_EQ(one.ratio, 3);
  EXPECT_EQ(one.standard_error, std::nullopt);
  EXPECT_EQ(one.interval, std::nullopt);
  const auto two = ratio_of_sums(std::vector<double>{6, 7}, std::vector<double>{2, 2});
  EXPECT_NEAR(*two.standard_error, 0.25, 1e-15);
  EXPECT_EQ(two.interval, std::nullopt);
}

TEST(RatioOfSums, gives_no_interval_when_the_denominator_may_be_zero) {
  const auto result =
      ratio_of_sums(std::vector<double>{5, 7, 6, 5.5}, std::vector<double>{0.1, 30, 0.2, 0.1});
  EXPECT_TRUE(result.standard_error);
  EXPECT_EQ(result.interval, std::nullopt);
}

TEST(RatioOfSums, is_exact_when_all_pairs_have_one_ratio) {
  const auto even = ratio_of_sums(std::vector<double>{2, 2, 2}, std::vector<double>{4, 4, 4});
  EXPECT_EQ(even.interval->method, "delta_t");
  EXPECT_EQ(even.interval->low, 0.5);
  EXPECT_EQ(even.interval->high, 0.5);
  const auto spread =
      ratio_of_sums(std::vector<double>{2, 3, 4, 3}, std::vector<double>{4, 6, 8, 6});
  EXPECT_EQ(spread.interval->method, "fieller");
  EXPECT_EQ(spread.interval->low, 0.5);
  EXPECT_EQ(spread.interval->high, 0.5);
}

TEST(RatioOfSums, scales_with_the_numerators) {
  const std::vector<double> tokens{1000, 2300, 1500, 3100, 1350};
  const std::vector<double> joules{410, 900, 640, 1300, 505};
  std::vector<double> doubled = joules;
  for (double& value : doubled) {
    value *= 2;
  }
  const auto one = ratio_of_sums(joules, tokens);
  const auto two = ratio_of_sums(doubled, tokens);
  EXPECT_DOUBLE_EQ(two.ratio, 2 * one.ratio);
  EXPECT_DOUBLE_EQ(two.interval->low, 2 * one.interval->low);
  EXPECT_DOUBLE_EQ(two.interval->high, 2 * one.interval->high);
}

TEST(RatioOfSumsDeath, asserts_that_there_is_a_denominator) {
  EXPECT_DEATH(ratio_of_sums(std::vector<double>{1}, std::vector<double>{0}), "denominator");
}

TEST(QuantileInterval, agrees_with_a_search_of_all_ranks) {
  for (const base::Json& point : reference("order_statistics").items()) {
    const auto n = static_cast<std::size_t>(point.integer_or("n", 0));
    std::vector<double> ranks(n);
    for (std::size_t i = 0; i < n; ++i) {
      ranks[i] = static_cast<double>(i + 1);
    }
    const auto interval =
        quantile_interval(ranks, point.number_or("p", 0), point.number_or("level", 0));
    ASSERT_EQ(interval.has_value(), point.find("ranks")->is_array()) << base::write_json(point);
    if (interval) {
      EXPECT_EQ((std::vector<double>{interval->low, interval->high}), numbers(point, "ranks"))
          << base::write_json(point);
      EXPECT_EQ(interval->method, "order_statistics");
    }
  }
}

TEST(QuantileInterval, needs_72_values_for_p95_and_368_for_p99) {
  const std::vector<double> values(400, 1.0);
  const auto of_first = [&](std::size_t n, double p) {
    return quantile_interval(std::span(values).first(n), p).has_value();
  };
  EXPECT_FALSE(of_first(71, 0.95));
  EXPECT_TRUE(of_first(72, 0.95));
  EXPECT_FALSE(of_first(367, 0.99));
  EXPECT_TRUE(of_first(368, 0.99));
  EXPECT_FALSE(of_first(0, 0.5));
}

/// Share of `rounds` samples whose interval holds the true value, absent ones left out.
template <class Sample>
double coverage(int rounds, double truth, Sample interval_of_one_sample) {
  int held = 0;
  int present = 0;
  for (int i = 0; i < rounds; ++i) {
    const std::optional<Interval> interval = interval_of_one_sample();
    if (interval) {
      ++present;
      held += interval->low <= truth && truth <= interval->high ? 1 : 0;
    }
  }
  return static_cast<double>(held) / present;
}

double mean_coverage(std::size_t n, std::uint64_t seed) {
  base::Random random(seed);
  return coverage(4000, 350, [&] {
    std::vector<double> values(n);
    for (double& value : values) {
      value = 350 + 12 * random.normal();
    }
    return mean_interval(values);
  });
}

/// Energy that follows a token count of the given coefficient of variation, plus noise of its own.
double ratio_coverage(std::size_t n, double token_variation, std::string_view method,
                      std::uint64_t seed) {
  base::Random random(seed);
  std::vector<double> joules(n);
  std::vector<double> tokens(n);
  return coverage(4000, 0.4, [&]() -> std::optional<Interval> {
    for (std::size_t i = 0; i < n; ++i) {
      tokens[i] = 2000 * (1 + token_variation * random.normal());
      joules[i] = 0.4 * tokens[i] + 25 * random.normal();
    }
    auto interval = ratio_of_sums(joules, tokens).interval;
    return interval && interval->method == method ? interval : std::nullopt;
  });
}

TEST(Coverage, of_the_mean_interval_is_what_it_says) {
  EXPECT_NEAR(mean_coverage(5, 101), 0.95, 0.01);
  EXPECT_NEAR(mean_coverage(10, 102), 0.95, 0.01);
}

TEST(Coverage, of_the_delta_interval_is_what_it_says) {
  EXPECT_NEAR(ratio_coverage(5, 0.03, "delta_t", 103), 0.95, 0.01);
  EXPECT_NEAR(ratio_coverage(10, 0.03, "delta_t", 104), 0.95, 0.01);
}

TEST(Coverage, of_the_fieller_interval_is_what_it_says) {
  EXPECT_NEAR(ratio_coverage(5, 0.3, "fieller", 105), 0.95, 0.01);
  EXPECT_NEAR(ratio_coverage(10, 0.3, "fieller", 106), 0.95, 0.01);
}

/// Two configurations in the same blocks: what a block does to both cancels in the logarithm of
/// their ratio.
double paired_ratio_coverage(std::size_t n, std::uint64_t seed) {
  base::Random random(seed);
  return coverage(4000, std::log(1.25), [&] {
    std::vector<double> logs(n);
    for (double& log : logs) {
      const double block = 1 + 0.05 * random.normal();
      const double a = 0.5 * block * std::exp(0.02 * random.normal());
      const double b = 0.4 * block * std::exp(0.02 * random.normal());
      log = std::log(a / b);
    }
    return mean_interval(logs);
  });
}

TEST(Coverage, of_the_interval_of_a_paired_ratio_is_what_it_says) {
  EXPECT_NEAR(paired_ratio_coverage(5, 108), 0.95, 0.01);
  EXPECT_NEAR(paired_ratio_coverage(10, 109), 0.95, 0.01);
}

TEST(Coverage, of_the_quantile_interval_is_at_least_what_it_says) {
  base::Random random(107);
  const double covered = coverage(4000, -std::log(0.05), [&] {
    std::vector<double> values(100);
    for (double& value : values) {
      value = -std::log(1 - random.uniform());  // exponential
    }
    std::sort(values.begin(), values.end());
    return quantile_interval(values, 0.95);
  });
  // Ranks 90 and 100 of 100 hold it with probability P(X ≤ 99) − P(X ≤ 89) = 0.9826, X
  // binomial(100, 0.95): ranks are whole numbers, and the interval errs on the wide side.
  EXPECT_NEAR(covered, 0.9826, 0.01);
}

}  // namespace
}  // namespace llem::stats
