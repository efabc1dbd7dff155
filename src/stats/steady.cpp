#include "stats/steady.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "stats/interval.hpp"
#include "stats/moments.hpp"
#include "stats/regression.hpp"

namespace llem::stats {
namespace {

constexpr double kLevel = 0.995;  // one side of 99 %
constexpr double kLargestCorrelation = 0.9;

/// By how much correlation inflates the variance of a mean or slope: (1 + r)/(1 − r).
double inflation(std::span<const double> residuals) {
  double product = 0;
  double square = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    square += residuals[i] * residuals[i];
    product += i > 0 ? residuals[i] * residuals[i - 1] : 0;
  }
  const double r = square > 0 ? std::clamp(product / square, 0.0, kLargestCorrelation) : 0;
  return (1 + r) / (1 - r);
}

std::vector<double> batch_means(std::span<const double> values, std::size_t size) {
  std::vector<double> means;
  for (std::size_t end = size; end <= values.size(); end += size) {
    means.push_back(moments(values.subspan(end - size, size)).mean());
  }
  return means;
}

double squares_about_mean(const Moments& kept) {
  return kept.variance().value_or(0) * static_cast<double>(kept.count() - 1);
}

/// kept_mean − mean = (d/n)·(kept_mean − discarded_mean), both means with the scatter of the kept.
double effect_uncertainty(std::span<const double> kept, const Moments& of_kept, std::size_t cut) {
  if (cut == 0) {
    return 0;
  }
  std::vector<double> residuals;
  for (const double value : kept) {
    residuals.push_back(value - of_kept.mean());
  }
  const auto d = static_cast<double>(cut);
  const auto k = static_cast<double>(kept.size());
  return d / (d + k) * of_kept.standard_deviation().value_or(0) *
         std::sqrt((1 / d + 1 / k) * inflation(residuals));
}

}  // namespace

std::optional<Trend> trend_of(std::span<const double> x, std::span<const double> y) {
  LLEM_ASSERT(x.size() == y.size(), "points have two coordinates");
  if (x.size() < 3 || x.back() <= x.front()) {
    return std::nullopt;
  }
  const Line line = fit_line(x, y);
  std::vector<double> residuals;
  for (std::size_t i = 0; i < x.size(); ++i) {
    residuals.push_back(y[i] - line.intercept - line.slope * x[i]);
  }
  const double wider = inflation(residuals);
  Trend trend;
  trend.slope = line.slope;
  trend.u_slope = line.slope_standard_error * std::sqrt(wider);
  trend.mean = moments(y).mean();
  trend.span = x.back() - x.front();
  trend.n = x.size();
  const double freedom = std::max(1.0, static_cast<double>(x.size()) / wider - 2);
  trend.significant = std::abs(trend.slope) > student_quantile(kLevel, freedom) * trend.u_slope;
  return trend;
}

std::optional<Truncation> mser(std::span<const double> values, std::size_t batch_size) {
  LLEM_ASSERT(batch_size > 0, "a batch holds values");
  const std::vector<double> batches = batch_means(values, batch_size);
  const std::size_t n = batches.size();
  if (n < 2) {
    return std::nullopt;
  }
  const std::span<const double> all = batches;
  std::size_t best = 0;
  double least = 0;
  for (std::size_t d = 0; d <= n / 2; ++d) {
    const auto kept = static_cast<double>(n - d);
    const double statistic = squares_about_mean(moments(all.subspan(d))) / (kept * kept);
    if (d == 0 || statistic < least) {
      best = d;
      least = statistic;
    }
  }
  const auto kept = all.subspan(best);
  const Moments of_kept = moments(kept);
  return Truncation{n, best, moments(all).mean(), of_kept.mean(),
                    effect_uncertainty(kept, of_kept, best)};
}

}  // namespace llem::stats
