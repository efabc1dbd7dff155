#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "analysis/series.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

// Readings of an idle device drift and repeat: s/√n of single readings would be far too small.
constexpr int kBlocks = 8;
constexpr int kLeastBlocks = 4;
constexpr double kUpdatesPerBlock = 5;
constexpr double kLargestCorrelation = 0.9;

double lag_one_correlation(const std::vector<double>& x, double mean) {
  double product = 0;
  double square = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    square += (x[i] - mean) * (x[i] - mean);
    product += i > 0 ? (x[i] - mean) * (x[i - 1] - mean) : 0;
  }
  return square > 0 ? std::clamp(product / square, 0.0, kLargestCorrelation) : 0;
}

/// Standard uncertainty of a mean from means of blocks, with n_eff = k(1 − ρ)/(1 + ρ). The part of
/// their spread that `known` explains is left to whoever knows it.
double block_uncertainty(const std::vector<double>& means, double known) {
  const auto moments = stats::moments(means);
  const double rho = lag_one_correlation(means, moments.mean());
  const double unexplained = std::max(0.0, moments.variance().value_or(0) - known * known);
  return std::sqrt(unexplained / static_cast<double>(means.size()) * (1 + rho) / (1 - rho));
}

template <class BlockMean>
std::vector<double> block_means(const Span& span, double shortest_s, BlockMean&& mean) {
  const int count = static_cast<int>(
      std::min<double>(kBlocks, shortest_s > 0 ? span.seconds() / shortest_s : kBlocks));
  std::vector<double> means;
  for (int k = 0; k < count && count >= kLeastBlocks; ++k) {
    const std::int64_t length = span.end_ns - span.begin_ns;
    const Span block{span.begin_ns + length * k / count, span.begin_ns + length * (k + 1) / count};
    if (const auto value = mean(block)) {
      means.push_back(*value / block.seconds());
    }
  }
  return means;
}

/// `boundary_j` is the standard uncertainty of the energy at a block's boundary, as far as it is
/// known: what one block gains by it the next one loses, so that it hardly touches their mean. With
/// too few blocks: the two halves as limits of a uniform distribution.
template <class BlockMean>
double uncertainty(const Span& span, double shortest_s, double boundary_j, BlockMean&& mean) {
  const auto means = block_means(span, shortest_s, mean);
  if (means.size() >= kLeastBlocks) {
    const double block_s = span.seconds() / static_cast<double>(means.size());
    return block_uncertainty(means, std::sqrt(2.0) * boundary_j / block_s);
  }
  const std::int64_t middle = span.begin_ns + (span.end_ns - span.begin_ns) / 2;
  const Span first{span.begin_ns, middle};
  const Span second{middle, span.end_ns};
  const auto a = mean(first);
  const auto b = mean(second);
  if (!a || !b) {
    return 0;
  }
  const double apart = *a / first.seconds() - *b / second.seconds();
  // The middle counts twice, once for each half.
  const double known = std::sqrt(6.0) * boundary_j / first.seconds();
  return std::sqrt(std::max(0.0, apart * apart - known * known) / 12);
}

/// Of the power between a counter's updates. Their placing blurs it; what exceeds that clearly is
/// the device's.
double spread(std::span<const Tick> ticks) {
  constexpr double kClearly = 2;  // times the variance that placing explains
  stats::Moments powers;
  stats::Moments placing;
  for (std::size_t i = 1; i < ticks.size(); ++i) {
    const double seconds = std::max(seconds_between(ticks[i - 1].t_ns, ticks[i].t_ns), 1e-9);
    const double watts = (ticks[i].value - ticks[i - 1].value) / seconds;
    const double blur = watts * std::hypot(timing_u(ticks[i - 1]), timing_u(ticks[i])) / seconds;
    powers.add(watts);
    placing.add(blur * blur);
  }
  const double variance = powers.variance().value_or(0);
  return variance > kClearly * placing.mean() ? std::sqrt(variance - placing.mean()) : 0;
}

}  // namespace

std::optional<double> rough_energy(const CounterSeries& series, const Span& span) {
  if (broken_within(series, span)) {
    return std::nullopt;
  }
  const auto begin = value_at(series.ticks, span.begin_ns);
  const auto end = value_at(series.ticks, span.end_ns);
  return begin && end ? std::optional(*end - *begin) : std::nullopt;
}

std::optional<double> rough_energy(const GaugeSeries& series, const Span& span) {
  return integral(series.points, span, 3 * std::max(series.period_s, series.poll_s));
}

std::optional<PowerMean> mean_power(const CounterSeries& series, const Span& span) {
  const std::size_t first = first_at_or_after(series.ticks, span.begin_ns);
  const std::size_t end = end_at_or_before(series.ticks, span.end_ns);
  if (end < first + 3) {
    return std::nullopt;
  }
  const Tick& a = series.ticks[first];
  const Tick& b = series.ticks[end - 1];
  const Span inner{a.t_ns, b.t_ns};
  if (broken_within(series, inner) || inner.seconds() <= 0) {
    return std::nullopt;
  }
  PowerMean mean;
  mean.seconds = inner.seconds();
  mean.watts = (b.value - a.value) / mean.seconds;
  // As this stretch was polled, which others need not have been.
  stats::Moments placed;
  for (std::size_t i = first; i < end; ++i) {
    placed.add(timing_u(series.ticks[i]));
  }
  const double between_s = mean.seconds / static_cast<double>(end - 1 - first);
  const double blocks = uncertainty(inner, kUpdatesPerBlock * between_s, mean.watts * placed.mean(),
                                    [&](const Span& s) { return rough_energy(series, s); });
  const double edges = mean.watts * std::hypot(timing_u(a), timing_u(b)) / mean.seconds;
  mean.u_watts = std::hypot(blocks, edges);
  mean.spread_w = spread({&a, end - first});
  return mean;
}

std::optional<PowerMean> mean_power(const GaugeSeries& series, const Span& span) {
  const std::size_t first = first_at_or_after(series.points, span.begin_ns);
  const std::size_t end = end_at_or_before(series.points, span.end_ns);
  if (end < first + 2) {
    return std::nullopt;
  }
  const Span inner{series.points[first].t_ns, series.points[end - 1].t_ns};
  const auto energy = rough_energy(series, inner);
  if (!energy || inner.seconds() <= 0) {
    return std::nullopt;
  }
  PowerMean mean;
  mean.seconds = inner.seconds();
  mean.watts = *energy / mean.seconds;
  const double between_s = mean.seconds / static_cast<double>(end - 1 - first);
  mean.u_watts = uncertainty(inner, kUpdatesPerBlock * between_s, 0,
                             [&](const Span& s) { return rough_energy(series, s); });
  stats::Moments readings;
  for (std::size_t i = first; i < end; ++i) {
    readings.add(series.points[i].value);
  }
  mean.spread_w = readings.standard_deviation().value_or(0);
  return mean;
}

}  // namespace llem::analysis
