#include "stats/paired.hpp"

#include <cmath>
#include <vector>

#include <boost/math/distributions/non_central_t.hpp>

#include "base/error.hpp"
#include "base/random.hpp"
#include "stats/moments.hpp"

namespace llem::stats {
namespace {

constexpr std::size_t kMostCounted = 12;  // blocks: 4096 ways

std::vector<double> log_ratios(std::span<const double> a, std::span<const double> b) {
  LLEM_ASSERT(a.size() == b.size() && !a.empty(), "observations are pairs");
  std::vector<double> logs;
  for (std::size_t i = 0; i < a.size(); ++i) {
    LLEM_ASSERT(a[i] > 0 && b[i] > 0, "a ratio is of positive values: ask before");
    logs.push_back(std::log(a[i] / b[i]));
  }
  return logs;
}

/// P(|T| > t) where T is noncentral.
double power_of(double shift, double df, double t) {
  const boost::math::non_central_t_distribution<double> shifted(df, shift);
  return boost::math::cdf(boost::math::complement(shifted, t)) + boost::math::cdf(shifted, -t);
}

}  // namespace

PairedRatio paired_ratio(std::span<const double> a, std::span<const double> b, double level) {
  const auto logs = log_ratios(a, b);
  const Moments all = moments(logs);
  PairedRatio paired{std::exp(all.mean()), all.standard_deviation(), mean_interval(logs, level)};
  if (paired.interval) {
    paired.interval->low = std::exp(paired.interval->low);
    paired.interval->high = std::exp(paired.interval->high);
    paired.interval->method = "paired_log_t";
  }
  return paired;
}

std::optional<double> false_positive_rate(std::span<const double> a, std::span<const double> b,
                                          std::uint64_t seed, double level) {
  const auto logs = log_ratios(a, b);
  const std::size_t n = logs.size();
  if (n < 3) {
    return std::nullopt;
  }
  // The sum of squares is the same whichever way, so the interval leaves out 0 where |Σ±d| is large
  // enough: t² = (n−1)·S²/(n·Q − S²).
  double squares = 0;
  for (const double d : logs) {
    squares += d * d;
  }
  const auto count = static_cast<double>(n);
  const double t = student_quantile((1 + level) / 2, count - 1);
  const double bound = t * t * count * squares / (count - 1 + t * t);
  const bool all = n <= kMostCounted;
  const std::uint64_t ways = std::uint64_t{1} << (all ? n : kMostCounted);
  base::Random random(seed);
  std::uint64_t rejected = 0;
  for (std::uint64_t way = 0; way < ways; ++way) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const bool exchanged = all ? ((way >> i) & 1U) != 0 : random.below(2) != 0;
      sum += exchanged ? -logs[i] : logs[i];
    }
    rejected += sum * sum > bound ? 1 : 0;
  }
  return static_cast<double>(rejected) / static_cast<double>(ways);
}

double detectable_difference(std::size_t n, double power, double level) {
  LLEM_ASSERT(n >= 2 && power > 1 - level && power < 1, "a test of pairs needs two of them");
  const double df = static_cast<double>(n - 1);
  const double t = student_quantile((1 + level) / 2, df);
  double low = 0;
  double high = 1;
  while (power_of(high, df, t) < power) {
    high *= 2;
  }
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (power_of(middle, df, t) < power ? low : high) = middle;
  }
  return high / std::sqrt(static_cast<double>(n));
}

}  // namespace llem::stats
