#include "stats/regression.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/error.hpp"
#include "stats/moments.hpp"

namespace llem::stats {
namespace {

/// `part` in units of `whole`; finite even where there is nothing to compare with.
double relative(double part, double whole) {
  if (part == 0) {
    return 0;
  }
  constexpr double kLargest = std::numeric_limits<double>::max();
  return whole == 0 ? kLargest : std::min(part / std::abs(whole), kLargest);
}

}  // namespace

Line fit_line(std::span<const double> x, std::span<const double> y) {
  LLEM_ASSERT(x.size() == y.size(), "points have two coordinates");
  const double mean_x = moments(x).mean();
  const double mean_y = moments(y).mean();
  double sxx = 0;
  double sxy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sxx += (x[i] - mean_x) * (x[i] - mean_x);
    sxy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  LLEM_ASSERT(sxx > 0, "a line needs two distinct x");
  Line line;
  line.slope = sxy / sxx;
  line.intercept = mean_y - line.slope * mean_x;
  if (x.size() > 2) {  // a line meets two points exactly; they say nothing of its error
    double squares = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double residual = (y[i] - mean_y) - line.slope * (x[i] - mean_x);
      squares += residual * residual;
    }
    line.slope_standard_error = std::sqrt(squares / static_cast<double>(x.size() - 2) / sxx);
  }
  return line;
}

SteadyVerdict judge_steady(std::span<const double> t, std::span<const double> values,
                           const SteadyCriteria& criteria) {
  LLEM_ASSERT(t.size() == values.size(), "each block has a centre");
  LLEM_ASSERT(criteria.blocks >= 2, "one block cannot be steady");
  const auto judged = static_cast<std::size_t>(criteria.blocks);
  SteadyVerdict verdict;
  if (values.size() < judged) {
    return verdict;
  }
  t = t.last(judged);
  values = values.last(judged);
  const double span = t.back() - t.front();
  if (span <= 0) {
    return verdict;
  }
  verdict.enough_blocks = true;
  const Moments all = moments(values);
  verdict.cv = relative(*all.standard_deviation(), all.mean());
  verdict.relative_slope = relative(std::abs(fit_line(t, values).slope) * span, all.mean());
  verdict.steady =
      verdict.cv <= criteria.max_cv && verdict.relative_slope <= criteria.max_relative_slope;
  return verdict;
}

}  // namespace llem::stats
