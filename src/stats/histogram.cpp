#include "stats/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "stats/moments.hpp"

namespace llem::stats {
namespace {

constexpr double kMostBins = 40;

}  // namespace

Histogram histogram(std::span<const double> values) {
  if (values.empty()) {
    return {};
  }
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double range = sorted.back() - sorted.front();
  Histogram result;
  result.low = sorted.front();
  if (range <= 0) {
    result.counts = {static_cast<std::int64_t>(sorted.size())};
    return result;
  }
  // Freedman and Diaconis (1981): 2·IQR·n^(−1/3). It has no width when half the values are equal;
  // then Sturges (1926): 1 + log₂ n bins.
  const auto n = static_cast<double>(sorted.size());
  const double iqr = quantile_sorted(sorted, 0.75) - quantile_sorted(sorted, 0.25);
  const double wanted = iqr > 0 ? range / (2 * iqr / std::cbrt(n)) : 1 + std::log2(n);
  const auto bins = static_cast<std::size_t>(std::clamp(std::ceil(wanted), 1.0, kMostBins));
  result.width = range / static_cast<double>(bins);
  result.counts.assign(bins, 0);
  for (const double value : sorted) {
    const auto bin = static_cast<std::size_t>((value - result.low) / result.width);
    ++result.counts[std::min(bin, bins - 1)];
  }
  return result;
}

}  // namespace llem::stats
