#include "stats/interval.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fidelity/draws.hpp"
#include "fidelity/report.hpp"
#include "stats/paired.hpp"

namespace llem::fidelity {
namespace {

constexpr int kRuns = 10000;
constexpr double kTolerance = 0.01;

void expect_95(const std::string& row, double share) {
  EXPECT_NEAR(share, 0.95, kTolerance) << row;
  report(row, "covers 95 ± 1 %", fmt::format("{:.1f} %", 100 * share));
}

class Cycles : public ::testing::TestWithParam<int> {};

TEST_P(Cycles, means_are_covered) {
  Draws draws(31);
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> values;
    for (int i = 0; i < GetParam(); ++i) {
      values.push_back(draws.normal(10, 0.3));
    }
    const auto interval = stats::mean_interval(values);
    covered += interval->low <= 10 && interval->high >= 10 ? 1 : 0;
  }
  expect_95(fmt::format("interval of a mean, normal, {} cycles", GetParam()),
            static_cast<double>(covered) / kRuns);
}

/// Energy follows the tokens served, which vary by `spread`; each joule per token by 3 %.
double covered_ratios(int cycles, double spread, std::uint64_t seed) {
  Draws draws(seed);
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> joules;
    std::vector<double> tokens;
    for (int i = 0; i < cycles; ++i) {
      tokens.push_back(1000 * (1 + spread * draws.normal(0, 1)));
      joules.push_back(0.4 * tokens.back() + 1000 * 0.4 * draws.normal(0, 0.03));
    }
    const auto ratio = stats::ratio_of_sums(joules, tokens);
    covered += ratio.interval && ratio.interval->low <= 0.4 && ratio.interval->high >= 0.4 ? 1 : 0;
  }
  return static_cast<double>(covered) / kRuns;
}

TEST_P(Cycles, ratios_of_sums_are_covered) {
  expect_95(fmt::format("interval of a ratio of sums, tokens ± 5 %, {} cycles", GetParam()),
            covered_ratios(GetParam(), 0.05, 32));
  expect_95(fmt::format("interval of a ratio of sums, tokens ± 20 %, {} cycles", GetParam()),
            covered_ratios(GetParam(), 0.20, 33));
}

/// Two deployments with the ratio 1.1, each cycle's machine off by 5 % for both.
TEST_P(Cycles, ratios_of_two_deployments_are_covered) {
  Draws draws(34);
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> a;
    std::vector<double> b;
    for (int i = 0; i < GetParam(); ++i) {
      const double shared = std::exp(draws.normal(0, 0.05));
      a.push_back(1.1 * shared * std::exp(draws.normal(0, 0.02)));
      b.push_back(shared * std::exp(draws.normal(0, 0.02)));
    }
    const auto interval = stats::paired_ratio(a, b).interval;
    covered += interval->low <= 1.1 && interval->high >= 1.1 ? 1 : 0;
  }
  expect_95(fmt::format("interval of the ratio of two deployments, {} cycles", GetParam()),
            static_cast<double>(covered) / kRuns);
}

INSTANTIATE_TEST_SUITE_P(FiveAndTen, Cycles, ::testing::Values(5, 10));

/// How often the interval of A against A leaves out 1: blocks of two trials in random order, noise
/// of 1 % a trial, a drift of 0.3 % a trial.
double null_comparisons_failed(int blocks, int runs) {
  Draws draws(35);
  int failed = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> a;
    std::vector<double> b;
    for (int block = 0; block < blocks; ++block) {
      const auto trial = [&](int position) {
        return (1 + 0.003 * (2 * block + position)) * std::exp(draws.normal(0, 0.01));
      };
      const double first = trial(0);
      const double second = trial(1);
      const bool exchanged = draws.uniform() < 0.5;
      a.push_back(exchanged ? second : first);
      b.push_back(exchanged ? first : second);
    }
    const auto interval = stats::paired_ratio(a, b).interval;
    failed += interval->low > 1 || interval->high < 1 ? 1 : 0;
  }
  return static_cast<double>(failed) / runs;
}

TEST(Comparison, of_a_deployment_with_itself_errs_as_often_as_it_says) {
  constexpr int kComparisons = 10000;
  const double ten = null_comparisons_failed(10, kComparisons);
  EXPECT_NEAR(ten, 0.05, 0.015);
  report("A against A under a drift of 0.3 % a trial, 10 blocks", "errs in 5 ± 1.5 %",
         fmt::format("{:.1f} %", 100 * ten));
  report("A against A under a drift of 0.3 % a trial, 3 blocks", "-",
         fmt::format("{:.1f} %", 100 * null_comparisons_failed(3, kComparisons)));
}

}  // namespace
}  // namespace llem::fidelity
