#include "study/stopping.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "stats/interval.hpp"
#include "unit/stats/reference.hpp"

namespace llem::study {
namespace {

using analysis::Knowledge;
using stats::numbers;
using stats::reference;
using enum domain::BlockVerdict;

domain::Precision a_rule(double half_width, std::int64_t fewest, std::int64_t most) {
  return {.metric = domain::PrecisionMetric::gross_j_per_output_token,
          .relative_half_width = half_width,
          .min_cycles = fewest,
          .max_cycles = most,
          .budget_s = {}};
}

domain::BlockVerdict verdict(const domain::Precision& rule, std::int64_t blocks,
                             const std::vector<Knowledge>& known, double spent_s = 0) {
  return decide(rule, blocks, spent_s, known);
}

TEST(Decide, waits_for_every_configuration) {
  const auto rule = a_rule(0.01, 5, 40);
  EXPECT_EQ(verdict(rule, 5, {{5, 0.01}, {5, 0.008}}), reached);
  EXPECT_EQ(verdict(rule, 5, {{5, 0.0101}, {5, 0.008}}), go_on);
  EXPECT_EQ(verdict(rule, 5, {{5, {}}, {5, 0.008}}), go_on) << "an interval without end";
}

TEST(Decide, ends_neither_before_the_minimum_nor_after_the_maximum) {
  const auto rule = a_rule(0.01, 5, 7);
  EXPECT_EQ(verdict(rule, 4, {{4, 0.0}}), go_on);
  EXPECT_EQ(verdict(rule, 6, {{6, 0.5}}), go_on);
  EXPECT_EQ(verdict(rule, 7, {{7, 0.5}}), maximum_used);
  EXPECT_EQ(verdict(rule, 7, {{7, 0.01}}), reached) << "in the last cycle";
}

TEST(Decide, takes_the_minimum_of_each_configuration) {
  // Two of seven cycles failed: five are left, and four of six were too few.
  const auto rule = a_rule(0.01, 5, 40);
  EXPECT_EQ(verdict(rule, 6, {{4, 0.001}, {6, 0.001}}), go_on);
  EXPECT_EQ(verdict(rule, 7, {{5, 0.001}, {7, 0.001}}), reached);
}

TEST(Decide, waits_for_no_configuration_that_has_no_value) {
  const auto rule = a_rule(0.01, 5, 7);
  EXPECT_EQ(verdict(rule, 5, {{0, {}}, {5, 0.01}}), reached);
  EXPECT_EQ(verdict(rule, 5, {{0, {}}, {0, {}}}), go_on) << "nothing is known of anything";
  EXPECT_EQ(verdict(rule, 7, {{0, {}}, {0, {}}}), maximum_used);
}

TEST(Decide, ends_with_the_block_that_uses_the_budget_up) {
  auto rule = a_rule(0.01, 5, 7);
  rule.budget_s = 60;
  EXPECT_EQ(verdict(rule, 2, {{2, {}}}, 59.9), go_on);
  EXPECT_EQ(verdict(rule, 2, {{2, {}}}, 60), budget_used) << "even before the minimum";
  EXPECT_EQ(verdict(rule, 5, {{5, 0.01}}, 61), reached);
  EXPECT_EQ(verdict(rule, 7, {{7, 0.02}}, 61), maximum_used);
}

TEST(SoonestEnd, is_the_minimum_and_then_the_next_block) {
  const auto rule = a_rule(0.01, 5, 7);
  EXPECT_EQ(soonest_end(rule, 0), 5);
  EXPECT_EQ(soonest_end(rule, 5), 6);
}

TEST(WithinBudget, ends_with_the_block_that_uses_it_up) {
  auto rule = a_rule(0.01, 5, 40);
  const config::TimeRange block{10, 20};
  const auto left = [&](double spent_s, config::TimeRange trials) {
    const auto cut = within_budget(rule, spent_s, trials, block);
    return std::pair(cut.low_s, cut.high_s);
  };
  EXPECT_EQ(left(0, {50, 800}), std::pair(50.0, 800.0)) << "no budget";
  rule.budget_s = 100;
  EXPECT_EQ(left(0, {50, 800}), std::pair(50.0, 120.0));
  EXPECT_EQ(left(70, {50, 800}), std::pair(30.0, 50.0)) << "it ends before the minimum";
  EXPECT_EQ(left(130, {50, 800}), std::pair(10.0, 20.0)) << "with this block";
  EXPECT_EQ(left(95, {3, 8}), std::pair(3.0, 8.0)) << "the last trials";
}

/// Blocks of pairs until the rule ends it.
struct Ended {
  std::int64_t blocks = 0;
  domain::BlockVerdict verdict = go_on;
  std::vector<double> half_widths;
};

Ended follow(const domain::Precision& rule, const std::vector<std::vector<double>>& numerators,
             const std::vector<std::vector<double>>& denominators) {
  Ended ended;
  while (ended.verdict == go_on) {
    ++ended.blocks;
    const auto n = static_cast<std::size_t>(ended.blocks);
    std::vector<Knowledge> known;
    ended.half_widths.clear();
    for (std::size_t i = 0; i < numerators.size(); ++i) {
      const auto ratio = stats::ratio_of_sums(std::span(numerators[i]).first(n),
                                              std::span(denominators[i]).first(n));
      Knowledge& one = known.emplace_back(Knowledge{ended.blocks, {}});
      if (ratio.interval) {
        one.half_width_ratio =
            stats::half_width_ratio(ratio.ratio, ratio.interval->low, ratio.interval->high);
      }
      ended.half_widths.push_back(one.half_width_ratio.value_or(-1));
    }
    ended.verdict = decide(rule, ended.blocks, 0, known);
  }
  return ended;
}

TEST(Decide, ends_where_scipy_ends) {
  for (const auto& [name, run] : reference("stopping").members()) {
    std::vector<std::vector<double>> numerators;
    std::vector<std::vector<double>> denominators;
    for (const base::Json& configuration : run.find("configurations")->items()) {
      numerators.push_back(numbers(configuration, "numerators"));
      denominators.push_back(numbers(configuration, "denominators"));
    }
    const Ended ended = follow(a_rule(run.number_or("half_width", 0), run.integer_or("fewest", 0),
                                      run.integer_or("most", 0)),
                               numerators, denominators);
    EXPECT_EQ(ended.blocks, run.integer_or("blocks", 0)) << name;
    EXPECT_EQ(words(ended.verdict)[static_cast<std::size_t>(ended.verdict)],
              run.text_or("verdict", ""))
        << name;
    const auto expected = numbers(run, "half_widths");
    ASSERT_EQ(ended.half_widths.size(), expected.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(ended.half_widths[i] / expected[i], 1, 1e-6) << name;
    }
  }
}

struct Simulated {
  double coverage = 0;             // share of studies whose final interval holds the truth
  double reached = 0;              // share of studies that reached the precision
  double coverage_of_reached = 0;  // among those
  double mean_cycles = 0;
};

/// Studies of one configuration in virtual time.
Simulated simulate(const domain::Precision& rule, double variation, int studies,
                   std::uint64_t seed) {
  constexpr double kTruth = 0.4;
  constexpr double kTokens = 1000;
  base::Random random(seed);
  Simulated all;
  for (int i = 0; i < studies; ++i) {
    std::vector<double> joules;
    std::vector<double> tokens;
    auto end = go_on;
    std::optional<stats::Interval> interval;
    while (end == go_on) {
      joules.push_back(kTruth * kTokens * (1 + variation * random.normal()));
      tokens.push_back(kTokens);
      const auto n = static_cast<std::int64_t>(joules.size());
      if (n < *rule.min_cycles) {
        continue;  // nothing ends before it
      }
      const auto ratio = stats::ratio_of_sums(joules, tokens);
      interval = ratio.interval;
      const Knowledge known{n, stats::half_width_ratio(ratio.ratio, interval->low, interval->high)};
      end = decide(rule, n, 0, std::span(&known, 1));
    }
    const double holds = interval->low <= kTruth && kTruth <= interval->high ? 1 : 0;
    all.coverage += holds / studies;
    all.reached += end == reached ? 1.0 / studies : 0;
    all.coverage_of_reached += end == reached ? holds / studies : 0;
    all.mean_cycles += static_cast<double>(joules.size()) / studies;
  }
  all.coverage_of_reached /= all.reached;
  return all;
}

/// Three standard errors of a share that so many studies tell.
double tolerance(double share, double studies) {
  return 3 * std::sqrt(share * (1 - share) / studies);
}

// The reference simulates the same rule by another method with many more studies.
TEST(Coverage, of_the_interval_a_study_ends_with_is_what_the_reference_says) {
  constexpr int kStudies = 1000;
  constexpr double kHalfWidth = 0.01;
  std::uint64_t seed = 400;
  for (const base::Json& point : reference("stopping_coverage").items()) {
    const std::string which = base::write_json(point);
    const auto expected = [&point](std::string_view name) { return point.number_or(name, 0); };
    const Simulated simulated =
        simulate(a_rule(kHalfWidth, point.integer_or("fewest", 0), point.integer_or("most", 0)),
                 kHalfWidth * expected("variation"), kStudies, ++seed);
    const double coverage = expected("coverage");
    const double of_reached = expected("coverage_of_reached");
    const double share = expected("reached");
    EXPECT_NEAR(simulated.coverage, coverage, tolerance(coverage, kStudies)) << which;
    EXPECT_NEAR(simulated.reached, share, tolerance(share, kStudies) + 1e-9) << which;
    EXPECT_NEAR(simulated.coverage_of_reached, of_reached, tolerance(of_reached, share * kStudies))
        << which;
    EXPECT_NEAR(simulated.mean_cycles / expected("mean_cycles"), 1, 0.05) << which;
  }
}

}  // namespace
}  // namespace llem::study
