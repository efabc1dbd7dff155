#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analysis/figure.hpp"

namespace llem::analysis {

namespace {

constexpr double kPadUpdates = 2;      // idle time on each side, in updates, that padding needs
constexpr double kFrozenUpdates = 10;  // updates without a change before a counter counts as frozen
constexpr double kFrozenAtLeast = 1.0;
constexpr double kPeakUpdates = 10;  // shortest stretch a peak is taken over
constexpr double kPeakAtLeast = 0.1;
// Interpolating between ticks within steady load leaves about a sixth of the raw edge error
// (simulated).
constexpr double kInterpolationGain = 6;
// A step of power at a boundary that lies anywhere between two updates is blurred by
// x·(1 − x)·T, x uniform in [0, 1]: mean T/6, variance T²/180 an edge. Both edges err to the same
// side, so the root mean square of two is T·√(1/9 + 1/90).
const double kSteppedEdges = std::sqrt(11.0 / 90);

std::int64_t nanoseconds(double seconds) {
  return std::llround(seconds * 1e9);
}

/// What idle power is worth on one side of the window.
struct Edge {
  double watts = 0;
  double u_watts = 0;
};

struct Padding {
  std::size_t first;  // ticks between which the counter is read
  std::size_t last;
  Edge before;
  Edge after;
};

/// Subtracts idle for the actual time from tick to tick, not for a nominal pad.
Figure corrected(const CounterSeries& c, const Window& w, const Padding& p) {
  const Tick& k = c.ticks[p.first];
  const Tick& m = c.ticks[p.last];
  const double lead = seconds_between(k.t_ns, w.span.begin_ns);
  const double trail = seconds_between(w.span.end_ns, m.t_ns);
  Figure figure;
  figure.joules = (m.value - k.value) - p.before.watts * lead - p.after.watts * trail;
  const double timing = std::hypot(p.before.watts, p.after.watts) * c.timing_s / std::sqrt(12.0);
  figure.components.edge_j = std::hypot(timing, p.before.u_watts * lead, p.after.u_watts * trail);
  return figure;
}

std::optional<Figure> padded(const CounterSeries& c, const Window& w) {
  if (!w.pad_before || !w.pad_after) {
    return std::nullopt;
  }
  const std::int64_t pad = nanoseconds(kPadUpdates * c.period_s);
  const std::size_t end = end_at_or_before(c.ticks, w.span.begin_ns - pad);
  const std::size_t last = first_at_or_after(c.ticks, w.span.end_ns + pad);
  if (end == 0 || last == c.ticks.size()) {
    return std::nullopt;
  }
  const std::size_t first = end - 1;
  const auto before = mean_power(c, {w.pad_before->begin_ns, c.ticks[first].t_ns});
  const auto after = mean_power(c, {c.ticks[last].t_ns, w.pad_after->end_ns});
  if (!before || !after || broken_within(c, {c.ticks[first].t_ns, c.ticks[last].t_ns})) {
    return std::nullopt;
  }
  Figure figure = corrected(
      c, w, {first, last, {before->watts, before->u_watts}, {after->watts, after->u_watts}});
  figure.method = "counter_padded";
  return figure;
}

/// Idle power beside the window: the pad's own, else what was measured at idle.
std::optional<Edge> edge_power(const CounterSeries& c, const std::optional<Span>& pad,
                               std::optional<double> idle_w) {
  if (!pad) {
    return std::nullopt;
  }
  if (const auto own = mean_power(c, *pad)) {
    return Edge{own->watts, own->u_watts};
  }
  // A guess of 10 % for how far the pad's power may lie from idle measured earlier.
  return idle_w ? std::optional(Edge{*idle_w, 0.1 * *idle_w}) : std::nullopt;
}

std::optional<Figure> extrapolated(const CounterSeries& c, const Window& w,
                                   std::optional<double> idle_w) {
  const auto before = edge_power(c, w.pad_before, idle_w);
  const auto after = edge_power(c, w.pad_after, idle_w);
  const std::size_t end = end_at_or_before(c.ticks, w.span.begin_ns);
  const std::size_t last = first_at_or_after(c.ticks, w.span.end_ns);
  if (!before || !after || end == 0 || last == c.ticks.size()) {
    return std::nullopt;
  }
  Figure figure = corrected(c, w, {end - 1, last, *before, *after});
  figure.method = "counter_interpolated";
  return figure;
}

/// Linear between the ticks around each boundary, as if load ran on both sides of it. Nothing says
/// that it did: the power may have stepped from idle.
std::optional<Figure> interpolated(const CounterSeries& c, const Window& w,
                                   std::optional<double> idle_w) {
  const auto begin = value_at(c.ticks, w.span.begin_ns);
  const auto end = value_at(c.ticks, w.span.end_ns);
  if (!begin || !end) {
    return std::nullopt;
  }
  Figure figure;
  figure.joules = *end - *begin;
  figure.method = "counter_interpolated";
  const double watts = figure.joules / w.duration_s;
  const double period = std::max(c.period_s, c.poll_s);
  const double steady = watts * period / std::sqrt(6.0) / kInterpolationGain;
  const double stepped = std::abs(watts - idle_w.value_or(0)) * period * kSteppedEdges;
  figure.components.edge_j = std::hypot(steady, stepped);
  return figure;
}

/// The last value known at each boundary.
Figure plain(const CounterSeries& c, const Window& w, std::optional<double> idle_w) {
  const std::size_t begin = end_at_or_before(c.ticks, w.span.begin_ns);
  const std::size_t end = end_at_or_before(c.ticks, w.span.end_ns);
  Figure figure;
  figure.joules = c.ticks[end > 0 ? end - 1 : 0].value - c.ticks[begin > 0 ? begin - 1 : 0].value;
  figure.method = "counter";
  const double load_w = figure.joules / w.duration_s;
  const double period = std::max(c.period_s, c.poll_s);
  const double edges = period * std::hypot(idle_w.value_or(load_w), load_w) / std::sqrt(12.0);
  // Beyond one update, readings are missing: what passed then may be any part of the load.
  const double late = seconds_between(w.span.begin_ns, c.ticks.front().t_ns) - period;
  const double early = seconds_between(c.ticks.back().t_ns, w.span.end_ns) - period;
  figure.components.edge_j =
      std::hypot(edges, load_w * (std::max(0.0, late) + std::max(0.0, early)));
  return figure;
}

/// Longest time over which polls saw no change inside the window.
double longest_still(std::span<const domain::TracePoint> trace) {
  double longest = 0;
  std::size_t changed = 0;
  for (std::size_t i = 1; i < trace.size(); ++i) {
    if (trace[i].value != trace[i - 1].value) {
      changed = i;
    } else {
      longest = std::max(longest, seconds_between(trace[changed].t_ns, trace[i].t_ns));
    }
  }
  return longest;
}

std::optional<Problem> counter_problem(std::span<const domain::TracePoint> trace,
                                       const domain::Channel& channel, const CounterSeries& c,
                                       const Window& w) {
  const double tolerance = 3 * std::max(c.period_s, c.poll_s);
  if (auto lost = coverage_problem(trace, channel, w, tolerance)) {
    return lost;
  }
  const Span around{w.pad_before.value_or(w.span).begin_ns, w.pad_after.value_or(w.span).end_ns};
  if (broken_within(c, around)) {
    return Problem{"counter_reset", fmt::format("{}: the counter fell", channel.device)};
  }
  const double still = longest_still(within(trace, w.span));
  if (still > std::max(kFrozenAtLeast, kFrozenUpdates * c.period_s)) {
    return Problem{"counter_frozen", fmt::format("{}: no change for {:.2f} s of {:.2f} s",
                                                 channel.device, still, w.duration_s)};
  }
  return std::nullopt;
}

/// Highest mean power over any stretch from tick to tick long enough that their timing does not
/// matter.
std::optional<double> peak_power(const CounterSeries& c, const Window& w) {
  const double shortest = std::max(kPeakAtLeast, kPeakUpdates * c.period_s);
  std::optional<double> peak;
  std::size_t from = first_at_or_after(c.ticks, w.span.begin_ns);
  const std::size_t end = end_at_or_before(c.ticks, w.span.end_ns);
  for (std::size_t to = from; to < end; ++to) {
    // The shortest stretch that ends here.
    while (from < to && seconds_between(c.ticks[from + 1].t_ns, c.ticks[to].t_ns) >= shortest) {
      ++from;
    }
    const double seconds = seconds_between(c.ticks[from].t_ns, c.ticks[to].t_ns);
    if (seconds >= shortest) {
      peak = std::max(peak.value_or(0), (c.ticks[to].value - c.ticks[from].value) / seconds);
    }
  }
  return peak;
}

}  // namespace

Reading counter_figure(const domain::Recording& recording, const domain::Channel& channel,
                       const CounterSeries& series, const Window& window,
                       std::optional<double> idle_w) {
  const auto trace = trace_of(recording, channel);
  if (auto problem = counter_problem(trace, channel, series, window)) {
    return {std::nullopt, std::move(problem)};
  }
  auto figure = padded(series, window);
  if (!figure) {
    figure = extrapolated(series, window, idle_w);
  }
  if (!figure) {
    figure = interpolated(series, window, idle_w);
  }
  if (!figure) {
    figure = plain(series, window, idle_w);
  }
  const auto inside = within(trace, window.span);
  const double watts = figure->joules / window.duration_s;
  figure->components.time_j = std::abs(watts) * window.mark_u_s * std::sqrt(2.0);
  if (channel.resolution) {
    figure->components.quantum_j = *channel.resolution / std::sqrt(6.0);
  }
  figure->polls = static_cast<std::int64_t>(inside.size());
  figure->distinct =
      static_cast<std::int64_t>(end_at_or_before(series.ticks, window.span.end_ns) -
                                std::min(first_at_or_after(series.ticks, window.span.begin_ns),
                                         end_at_or_before(series.ticks, window.span.end_ns)));
  figure->peak_w = peak_power(series, window);
  return {std::move(figure), std::nullopt};
}

}  // namespace llem::analysis
