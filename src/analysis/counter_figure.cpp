#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "analysis/figure.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

constexpr double kPadUpdates = 2;        // idle time on each side, in updates, that padding needs
constexpr std::size_t kStepUpdates = 6;  // beside an edge, that a step is judged by
constexpr double kEvidentStep = 3;       // standard deviations of power from update to update
constexpr double kFrozenUpdates = 10;  // updates without a change before a counter counts as frozen
constexpr double kFrozenAtLeast = 1.0;
constexpr double kPeakUpdates = 10;  // shortest stretch a peak is taken over
constexpr double kPeakAtLeast = 0.1;
// Interpolating between ticks within steady load leaves about a sixth of the raw edge error
// (simulated).
constexpr double kInterpolationGain = 6;

/// The energy counted at one edge of the window.
struct Edge {
  double joules = 0;
  double u_joules = 0;
};

/// From an update outside the window, at the power beside the window for the actual time between.
Edge carried(const Tick& tick, std::int64_t edge_ns, const PowerMean& beside) {
  const double seconds = seconds_between(tick.t_ns, edge_ns);
  const double timing = beside.watts * timing_u(tick);
  // The mean power ends at this update or near it, and errs with its time.
  const double shared = beside.seconds > 0 ? timing / beside.seconds : 0;
  const double rest = std::sqrt(std::max(0.0, beside.u_watts * beside.u_watts - shared * shared));
  return {
      tick.value + beside.watts * seconds,
      std::hypot(timing + shared * std::abs(seconds), rest * seconds, beside.spread_w * seconds)};
}

/// From the best of a few updates: a poll that follows the one before closely places its update
/// well.
Edge best_carried(std::span<const Tick> ticks, std::int64_t edge_ns, const PowerMean& beside) {
  Edge best = carried(ticks.front(), edge_ns, beside);
  for (const Tick& tick : ticks.subspan(1)) {
    const Edge other = carried(tick, edge_ns, beside);
    best = other.u_joules < best.u_joules ? other : best;
  }
  return best;
}

Figure between(const Edge& begin, const Edge& end, std::string_view method) {
  Figure figure;
  figure.joules = end.joules - begin.joules;
  figure.components.edge_j = std::hypot(begin.u_joules, end.u_joules);
  figure.method = method;
  return figure;
}

/// An update before the window holds none of its work. One after it holds all of it once the
/// counter has caught up.
std::optional<Figure> padded(const CounterSeries& c, const Window& w) {
  const std::int64_t pad = to_nanoseconds(kPadUpdates * c.period_s);
  if (!w.pad_before || !w.pad_after || w.pad_before->begin_ns > w.span.begin_ns - pad) {
    return std::nullopt;
  }
  const std::span<const Tick> ticks = c.ticks;
  const std::size_t last = end_surely_before(ticks, w.span.begin_ns);
  const std::size_t first = first_surely_after(ticks, w.span.end_ns + pad);
  if (last == 0 || first == ticks.size()) {
    return std::nullopt;
  }
  const auto before = mean_power(c, {w.pad_before->begin_ns, ticks[last - 1].t_ns});
  const auto after = mean_power(c, {ticks[first].t_ns, w.pad_after->end_ns});
  if (!before || !after || broken_within(c, {ticks[last - 1].t_ns, ticks[first].t_ns})) {
    return std::nullopt;
  }
  // Both means stand on three updates or more.
  return between(best_carried(ticks.subspan(last - 3, 3), w.span.begin_ns, *before),
                 best_carried(ticks.subspan(first, 3), w.span.end_ns, *after), "counter_padded");
}

/// Idle power beside the window: the pad's own, else what was measured at idle.
std::optional<PowerMean> pad_power(const CounterSeries& c, const std::optional<Span>& pad,
                                   std::optional<double> idle_w) {
  if (!pad) {
    return std::nullopt;
  }
  if (const auto own = mean_power(c, *pad)) {
    return own;
  }
  // A guess of 10 % for how far the pad's power may lie from idle measured earlier.
  return idle_w ? std::optional(PowerMean{*idle_w, 0.1 * *idle_w, 0, 0}) : std::nullopt;
}

/// Mean power from update to update and how far a single one lies from it; absent below three.
std::optional<PowerMean> local_power(std::span<const Tick> ticks) {
  stats::Moments powers;
  for (std::size_t i = 1; i < ticks.size(); ++i) {
    powers.add((ticks[i].value - ticks[i - 1].value) /
               std::max(seconds_between(ticks[i - 1].t_ns, ticks[i].t_ns), 1e-9));
  }
  const auto deviation = powers.standard_deviation();
  return deviation ? std::optional(PowerMean{powers.mean(), *deviation, 0, 0}) : std::nullopt;
}

/// Power just outside the window where it differs so clearly from the power within that it steps at
/// the edge.
std::optional<PowerMean> power_before_step(std::span<const Tick> outside, double within_w) {
  const auto beside = local_power(outside);
  const bool steps = beside && std::abs(within_w - beside->watts) > kEvidentStep * beside->u_watts;
  return steps ? beside : std::nullopt;
}

/// Linear between the updates around an edge, as if load ran on both sides of it. Nothing says that
/// it did: the power may have stepped from idle.
Edge between_updates(const CounterSeries& c, std::int64_t edge_ns, double joules, double watts,
                     std::optional<double> idle_w) {
  const std::size_t after = std::max<std::size_t>(first_at_or_after(c.ticks, edge_ns), 1);
  const double period = std::max(c.period_s, c.poll_s);
  const double steady = watts * period / std::sqrt(6.0) / kInterpolationGain;
  const double stepped = std::abs(watts - idle_w.value_or(0)) * period * kSteppedEdges;
  const double timing = watts * std::max(timing_u(c.ticks[after - 1]), timing_u(c.ticks[after]));
  return {joules, std::hypot(steady / std::sqrt(2.0), stepped / std::sqrt(2.0), timing)};
}

/// Each edge by what its surroundings allow: a pad, a step that shows, or the updates around it.
std::optional<Figure> interpolated(const CounterSeries& c, const Window& w,
                                   std::optional<double> idle_w) {
  const std::span<const Tick> ticks = c.ticks;
  const auto begin_j = value_at(ticks, w.span.begin_ns);
  const auto end_j = value_at(ticks, w.span.end_ns);
  if (!begin_j || !end_j) {
    return std::nullopt;
  }
  const double watts = (*end_j - *begin_j) / w.duration_s;
  const std::size_t last = end_surely_before(ticks, w.span.begin_ns);
  const std::size_t first = first_surely_after(ticks, w.span.end_ns);
  auto before = pad_power(c, w.pad_before, idle_w);
  if (!before && !w.within_load) {
    const std::size_t seen = std::min(last, kStepUpdates);
    before = power_before_step(ticks.subspan(last - seen, seen), watts);
  }
  auto after = pad_power(c, w.pad_after, idle_w);
  if (!after && !w.within_load) {
    const std::size_t seen = std::min(ticks.size() - first, kStepUpdates);
    after = power_before_step(ticks.subspan(first, seen), watts);
  }
  return between(before && last > 0 ? carried(ticks[last - 1], w.span.begin_ns, *before)
                                    : between_updates(c, w.span.begin_ns, *begin_j, watts, idle_w),
                 after && first < ticks.size()
                     ? carried(ticks[first], w.span.end_ns, *after)
                     : between_updates(c, w.span.end_ns, *end_j, watts, idle_w),
                 "counter_interpolated");
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
    return {std::nullopt, {std::move(*problem)}};
  }
  auto figure = padded(series, window);
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
  return {std::move(figure), {}};
}

}  // namespace llem::analysis
