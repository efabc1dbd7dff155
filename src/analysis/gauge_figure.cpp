#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analysis/figure.hpp"

namespace llem::analysis {

namespace {

constexpr double kGapPeriods = 3;
constexpr double kBridgedShare = 0.01;  // of the window, bridged in straight lines
// With the averaging window unknown, the worst of the sensors characterised so far: W = T/4.
constexpr double kUnknownDuty = 0.25;

std::int64_t nanoseconds(double seconds) {
  return std::llround(seconds * 1e9);
}

double hold_of(const GaugeSeries& g) {
  return kGapPeriods * std::max(g.period_s, g.poll_s);
}

bool averages_all(const GaugeSeries& g) {
  return g.averaging_s && *g.averaging_s >= 0.99 * g.period_s;
}

/// The largest reading that enters an integral.
double largest(const GaugeSeries& g, const Span& span) {
  const std::size_t end = end_at_or_before(g.points, span.end_ns);
  // The one that holds when the span begins counts too.
  const std::size_t begin = std::max<std::size_t>(end_at_or_before(g.points, span.begin_ns), 1) - 1;
  double watts = g.points[begin].value;
  for (std::size_t i = begin; i < end; ++i) {
    watts = std::max(watts, g.points[i].value);
  }
  return watts;
}

/// An averaging sensor shows work until W + T after it: integrate until then and subtract idle for
/// the excess.
std::optional<Figure> padded(const GaugeSeries& g, const Window& w) {
  if (!averages_all(g) || !w.pad_before || !w.pad_after) {
    return std::nullopt;
  }
  const double reach = *g.averaging_s + g.period_s;
  const std::int64_t settled = w.span.end_ns + nanoseconds(reach);
  const std::int64_t quiet = w.pad_before->begin_ns + nanoseconds(reach);
  if (settled >= w.pad_after->end_ns || quiet >= w.span.begin_ns) {
    return std::nullopt;
  }
  const auto before = mean_power(g, {quiet, w.span.begin_ns});
  const auto after = mean_power(g, {settled, w.pad_after->end_ns});
  const auto whole = held_integral(g.points, {w.span.begin_ns, settled}, hold_of(g));
  if (!before || !after || !whole) {
    return std::nullopt;
  }
  Figure figure;
  figure.joules = *whole - (before->watts + after->watts) / 2 * reach;
  figure.peak_w = largest(g, {w.span.begin_ns, settled});
  const double timing =
      std::hypot(before->watts, after->watts) * std::min(g.period_s, g.poll_s) / std::sqrt(12.0);
  figure.components.edge_j =
      std::hypot(timing, before->u_watts * reach / 2, after->u_watts * reach / 2);
  return figure;
}

/// Readings describe the middle of their averaging window, so the boundaries are looked up half a
/// window later.
std::optional<Figure> trapezoid(const GaugeSeries& g, const Window& w,
                                std::optional<double> idle_w) {
  const bool whole = averages_all(g);
  const std::int64_t shift = whole ? nanoseconds(*g.averaging_s / 2) : 0;
  const Span shifted{w.span.begin_ns + shift, w.span.end_ns + shift};
  auto joules = integral(g.points, shifted, hold_of(g));
  const bool centred = joules.has_value();
  if (!centred) {
    joules = integral(g.points, w.span, hold_of(g));
  }
  if (!joules) {
    return std::nullopt;
  }
  Figure figure;
  figure.joules = *joules;
  figure.peak_w = largest(g, centred ? shifted : w.span);
  // Nothing says that load ran outside the window: the power may have stepped from idle.
  const double step_w = std::abs(*joules / w.duration_s - idle_w.value_or(0));
  // A centred moving average loses (P1 − P0)·W/8 at each edge, one that is not centred W/2 at the
  // first; a part-time sensor misses the edge by up to T.
  const double lost = centred ? 2.0 / 8 : 1.0 / 2;
  figure.components.edge_j =
      whole ? step_w * std::max(*g.averaging_s, g.poll_s) * lost
            : step_w * std::max(g.period_s, g.poll_s) * std::sqrt((1 - kUnknownDuty) / 6);
  return figure;
}

/// Part of the time a sensor with W < T never sees: von Neumann's estimate from successive
/// differences.
std::optional<double> alias(const GaugeSeries& g, const Window& w) {
  if (averages_all(g)) {
    return std::nullopt;
  }
  const double duty = g.averaging_s ? *g.averaging_s / g.period_s : kUnknownDuty;
  const std::size_t first = first_at_or_after(g.points, w.span.begin_ns);
  const std::size_t end = end_at_or_before(g.points, w.span.end_ns);
  if (end < first + 2) {
    return std::nullopt;
  }
  double squares = 0;
  for (std::size_t i = first + 1; i < end; ++i) {
    const double step = g.points[i].value - g.points[i - 1].value;
    squares += step * step;
  }
  const auto n = static_cast<double>(end - first);
  const double deviation = std::sqrt(squares / (2 * (n - 1)));
  return w.duration_s * deviation * std::sqrt((1 - duty) / n);
}

struct Gaps {
  double total_s = 0;
  double longest_s = 0;
};

Gaps gaps_within(std::span<const domain::TracePoint> inside, double allowed_s) {
  Gaps gaps;
  for (std::size_t i = 1; i < inside.size(); ++i) {
    const double gap = seconds_between(inside[i - 1].t_ns, inside[i].t_ns);
    if (gap > allowed_s) {
      gaps.total_s += gap;
      gaps.longest_s = std::max(gaps.longest_s, gap);
    }
  }
  return gaps;
}

void add_spread(Figure& figure, std::span<const domain::TracePoint> inside, const Gaps& gaps,
                const domain::Channel& channel, const Window& w) {
  const auto [low, high] = std::minmax_element(
      inside.begin(), inside.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  if (gaps.total_s > 0) {
    figure.components.gap_j = gaps.total_s * (high->value - low->value) / std::sqrt(12.0);
  }
  if (channel.resolution) {
    const auto n = static_cast<double>(std::max<std::int64_t>(figure.distinct, 1));
    figure.components.quantum_j = w.duration_s * *channel.resolution / std::sqrt(12.0 * n);
  }
  figure.components.time_j = std::abs(figure.joules / w.duration_s) * w.mark_u_s * std::sqrt(2.0);
}

}  // namespace

Reading gauge_figure(const domain::Recording& recording, const domain::Channel& channel,
                     const GaugeSeries& series, const Window& window,
                     std::optional<double> idle_w) {
  const auto trace = trace_of(recording, channel);
  if (auto lost = coverage_problem(trace, channel, window, hold_of(series))) {
    return {std::nullopt, std::move(lost)};
  }
  const auto inside = within(trace, window.span);
  if (inside.size() < 2 || series.points.size() < 2) {
    return {std::nullopt, Problem{"sensor_lost", fmt::format("{}: {} power readings in the window",
                                                             channel.device, inside.size())}};
  }
  const Gaps gaps = gaps_within(inside, hold_of(series));
  std::optional<Problem> problem;
  if (gaps.total_s > 0) {
    problem =
        Problem{"sample_gap",
                fmt::format("{}: {:.2f} s of {:.2f} s without power readings, longest {:.2f} s",
                            channel.device, gaps.total_s, window.duration_s, gaps.longest_s)};
  }
  if (gaps.total_s > kBridgedShare * window.duration_s) {
    return {std::nullopt, std::move(problem)};
  }
  auto figure = padded(series, window);
  if (!figure) {
    figure = trapezoid(series, window, idle_w);
  }
  if (!figure) {
    return {std::nullopt, Problem{"sensor_lost", fmt::format("{}: power readings do not reach the "
                                                             "window's edges",
                                                             channel.device)}};
  }
  figure->method = "power_integral";
  figure->polls = static_cast<std::int64_t>(inside.size());
  figure->distinct = 1;
  for (std::size_t i = 1; i < inside.size(); ++i) {
    figure->distinct += inside[i].value != inside[i - 1].value ? 1 : 0;
  }
  figure->components.alias_j = alias(series, window);
  add_spread(*figure, inside, gaps, channel, window);
  return {std::move(figure), std::move(problem)};
}

}  // namespace llem::analysis
