#include "stats/interval.hpp"

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>

#include "base/error.hpp"
#include "stats/moments.hpp"

namespace llem::stats {
namespace {

/// Two values determine a standard deviation only within a factor of thirty; their interval would
/// inform nobody.
constexpr std::size_t kFewest = 3;

/// Above this spread of the denominators the linearisation behind the delta method is no longer
/// safe.
constexpr double kMaxDeltaVariation = 0.10;

double two_sided_quantile(double level, std::size_t n) {
  LLEM_ASSERT(level > 0 && level < 1, "a confidence level lies between 0 and 1");
  return student_quantile((1 + level) / 2, static_cast<double>(n - 1));
}

struct Covariation {
  double mean_x = 0;
  double variance_x = 0;
  double covariance = 0;
};

/// Of x and y, n ≥ 2, where the mean of y is known to be zero but for rounding.
Covariation covariation(std::span<const double> x, std::span<const double> y) {
  const Moments of_x = moments(x);
  double products = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    products += (x[i] - of_x.mean()) * y[i];
  }
  return {of_x.mean(), *of_x.variance(), products / static_cast<double>(x.size() - 1)};
}

enum class Reach { at_least, more_than };

/// Smallest k for which P(X ≤ k) reaches `probability`, X being binomial(n, p).
std::size_t smallest_count(std::size_t n, double p, double probability, Reach reach) {
  const boost::math::binomial_distribution<double> successes(static_cast<double>(n), p);
  std::size_t low = 0;
  std::size_t high = n;  // P(X ≤ n) = 1 always reaches
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const double reached = boost::math::cdf(successes, static_cast<double>(middle));
    const bool enough = reach == Reach::at_least ? reached >= probability : reached > probability;
    if (enough) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

std::optional<double> half_width_ratio(double value, double low, double high) {
  if (value == 0) {
    return std::nullopt;
  }
  return std::max(high - value, value - low) / std::abs(value);
}

double student_quantile(double p, double df) {
  LLEM_ASSERT(p > 0 && p < 1 && df > 0, "Student's t has quantiles inside (0, 1) and df above 0");
  return boost::math::quantile(boost::math::students_t_distribution<double>(df), p);
}

std::optional<Interval> mean_interval(std::span<const double> values, double level) {
  const std::size_t n = values.size();
  if (n < kFewest) {
    return std::nullopt;
  }
  const Moments all = moments(values);
  const double half =
      two_sided_quantile(level, n) * *all.standard_deviation() / std::sqrt(static_cast<double>(n));
  return Interval{all.mean() - half, all.mean() + half, level, "student_t", n};
}

RatioOfSums ratio_of_sums(std::span<const double> numerators, std::span<const double> denominators,
                          double level) {
  LLEM_ASSERT(numerators.size() == denominators.size(), "observations are pairs");
  const std::size_t n = numerators.size();
  double numerator = 0;
  double denominator = 0;
  for (std::size_t i = 0; i < n; ++i) {
    numerator += numerators[i];
    denominator += denominators[i];
  }
  LLEM_ASSERT(denominator > 0, "a ratio without a denominator is absent: ask before");
  RatioOfSums result;
  result.ratio = numerator / denominator;
  if (n < 2) {
    return result;
  }
  // With the residuals d = e − R·n, s_e² + R²s_n² − 2R·s_en is s_d² and s_en − R·s_n² is s_dn: the
  // same numbers without the cancellation of large squares. Their mean is zero by the choice of R.
  std::vector<double> residuals(n);
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) {
    residuals[i] = numerators[i] - result.ratio * denominators[i];
    squares += residuals[i] * residuals[i];
  }
  const auto count = static_cast<double>(n);
  const double residual_variance = squares / (count - 1);
  const Covariation of = covariation(denominators, residuals);
  result.standard_error = std::sqrt(residual_variance / count) / of.mean_x;
  if (n < kFewest) {
    return result;
  }
  const double t = two_sided_quantile(level, n);
  if (std::sqrt(of.variance_x) <= kMaxDeltaVariation * of.mean_x) {
    const double half = t * *result.standard_error;
    result.interval = Interval{result.ratio - half, result.ratio + half, level, "delta_t", n};
    return result;
  }
  // Fieller's quadratic in ρ, shifted to δ = ρ − R: a·δ² + 2k·s_dn·δ − k·s_d² = 0 with k = t²/n.
  // Where a > 0 it has two real roots around zero; else the set of ratios that the data allow has
  // no end.
  const double k = t * t / count;
  const double a = of.mean_x * of.mean_x - k * of.variance_x;
  if (a <= 0) {
    return result;
  }
  const double shift = -k * of.covariance;
  const double root = std::sqrt(shift * shift + a * k * residual_variance);
  result.interval = Interval{result.ratio + (shift - root) / a, result.ratio + (shift + root) / a,
                             level, "fieller", n};
  return result;
}

std::optional<Interval> quantile_interval(std::span<const double> sorted, double p, double level) {
  LLEM_ASSERT(p > 0 && p < 1, "the smallest and largest possible value have no such interval");
  LLEM_ASSERT(level > 0 && level < 1, "a confidence level lies between 0 and 1");
  const std::size_t n = sorted.size();
  const double tail = (1 - level) / 2;
  // The quantile lies above the l-th value unless fewer than l values fall below it, and below the
  // u-th unless u or more do; each side may fail with probability `tail`. Counting from 1, l =
  // lower and u = upper + 1.
  const std::size_t lower = smallest_count(n, p, tail, Reach::more_than);
  const std::size_t upper = smallest_count(n, p, 1 - tail, Reach::at_least);
  if (lower < 1 || upper + 1 > n) {
    return std::nullopt;
  }
  return Interval{sorted[lower - 1], sorted[upper], level, "order_statistics", n};
}

}  // namespace llem::stats
