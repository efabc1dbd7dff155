#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analysis/alias.hpp"
#include "analysis/figure.hpp"
#include "analysis/lattice.hpp"
#include "analysis/parts.hpp"

namespace llem::analysis {

namespace {

constexpr double kGapPeriods = 3;
constexpr double kBridgedShare = 0.01;  // of the window, bridged in straight lines
// With the averaging window unknown, the worst of the sensors characterised so far: W = T/4.
constexpr double kUnknownDuty = 0.25;
constexpr double kLagUncertainty = 0.1;  // k = 1, an assumption: three boards were measured
constexpr std::size_t kLeastSample = 8;  // readings that stand for the power in a window

double hold_of(const GaugeSeries& g) {
  return kGapPeriods * std::max(g.period_s, g.poll_s);
}

bool averages_all(const GaugeSeries& g) {
  return g.averaging_s && *g.averaging_s >= 0.99 * g.period_s;
}

/// A lag forgets slowly, but leaves nothing out.
bool sees_all(const GaugeSeries& g) {
  return averages_all(g) || g.lag_s;
}

/// Share of the time that a sensor sees.
double duty_of(const GaugeSeries& g) {
  return g.averaging_s ? std::min(1.0, *g.averaging_s / g.period_s) : kUnknownDuty;
}

/// The largest reading that enters an integral.
double largest(const GaugeSeries& g, const Span& span) {
  const std::size_t end = end_at_or_before(g.points, span.end_ns);
  // The one that holds when the span begins counts too.
  double watts = held_at(g.points, span.begin_ns).value;
  for (std::size_t i = end_at_or_before(g.points, span.begin_ns); i < end; ++i) {
    watts = std::max(watts, g.points[i].value);
  }
  return watts;
}

/// Where the readings of an averaging sensor show nothing but idle, on both sides of the window.
struct Quiet {
  PowerMean before;
  PowerMean after;
  std::int64_t settled_ns = 0;  // from here on
};

/// Of the energy beside the window that a pad's mean power stands for.
double carried_u(const PowerMean& pad, double seconds) {
  return std::hypot(pad.u_watts, pad.spread_w) * seconds;
}

/// An averaging sensor shows work until W + T after it.
std::optional<Quiet> quiet_pads(const GaugeSeries& g, const Window& w) {
  if (!averages_all(g) || !w.pad_before || !w.pad_after) {
    return std::nullopt;
  }
  const std::int64_t reach = to_nanoseconds(*g.averaging_s + g.period_s);
  // A reading placed before the window may have come a poll later, when work had begun.
  const std::size_t sure = end_surely_before(g.points, w.span.begin_ns);
  if (sure == 0) {
    return std::nullopt;
  }
  const auto before = mean_power(g, {w.pad_before->begin_ns + reach, g.points[sure - 1].t_ns});
  const auto after = mean_power(g, {w.span.end_ns + reach, w.pad_after->end_ns});
  if (!before || !after) {
    return std::nullopt;
  }
  return Quiet{*before, *after, w.span.end_ns + reach};
}

/// Sums over the readings that the window's work touches.
struct Touched {
  double watts = 0;   // of the readings
  double lead_s = 0;  // what they hold of the time before the window
  double trail_s = 0;
};

/// From an update before the window to one that averages wholly after it. Each of `windows` update
/// periods that a reading averages over counts once.
std::optional<Touched> touched_readings(std::span<const domain::TracePoint> trace,
                                        const Lattice& lattice, const Window& w, double windows) {
  const double begin = seconds_between(lattice.origin_ns, w.span.begin_ns);
  const double end = seconds_between(lattice.origin_ns, w.span.end_ns);
  const double average = windows * lattice.period.seconds;
  const auto number = [&](double t) { return (t - lattice.first_s) / lattice.period.seconds; };
  const auto first = static_cast<std::int64_t>(std::floor(number(begin)));
  const auto last = static_cast<std::int64_t>(std::ceil(number(end + average))) + 1;
  Touched sum;
  for (std::int64_t k = first; k <= last; ++k) {
    const auto watts = reading_of(trace, lattice, k);
    if (!watts) {
      return std::nullopt;
    }
    const double t = lattice.at(k);
    sum.watts += *watts;
    sum.lead_s += std::clamp(begin - (t - average), 0.0, average) / windows;
    sum.trail_s += std::clamp(t - end, 0.0, average) / windows;
  }
  return sum;
}

/// Readings that each average over a whole number of update periods cover each instant once an
/// update: their sum × period is the energy, whatever the waveform and wherever the updates lie.
std::optional<Figure> summed(std::span<const domain::TracePoint> trace, const GaugeSeries& g,
                             const Window& w, const Quiet& quiet) {
  if (!g.lattice) {
    return std::nullopt;
  }
  const Period& period = g.lattice->period;
  const double windows = std::round(*g.averaging_s / period.seconds);
  const bool whole = windows >= 1 && *g.averaging_s == windows * period.seconds;
  const auto sum = whole ? touched_readings(trace, *g.lattice, w, windows) : std::nullopt;
  if (!sum) {
    return std::nullopt;
  }
  Figure figure;
  figure.joules = sum->watts * period.seconds - quiet.before.watts * sum->lead_s -
                  quiet.after.watts * sum->trail_s;
  const double idle_w = (quiet.before.watts + quiet.after.watts) / 2;
  const double scale = (figure.joules - idle_w * w.duration_s) / period.seconds;
  figure.components.edge_j =
      std::hypot(scale * period.u_seconds, carried_u(quiet.before, sum->lead_s),
                 carried_u(quiet.after, sum->trail_s));
  figure.peak_w = largest(g, {w.span.begin_ns, quiet.settled_ns});
  return figure;
}

/// Without a grid: each reading holds until the next one, until W + T after the window, less idle
/// for the excess.
std::optional<Figure> padded(const GaugeSeries& g, const Window& w, const Quiet& quiet) {
  const Span whole{w.span.begin_ns, quiet.settled_ns};
  const auto joules = held_integral(g.points, whole, hold_of(g));
  if (!joules) {
    return std::nullopt;
  }
  const double reach = *g.averaging_s + g.period_s;
  Figure figure;
  figure.joules = *joules - (quiet.before.watts + quiet.after.watts) / 2 * reach;
  figure.peak_w = largest(g, whole);
  const double timing = std::hypot(quiet.before.watts * timing_u(held_at(g.points, whole.begin_ns)),
                                   quiet.after.watts * timing_u(held_at(g.points, whole.end_ns)));
  figure.components.edge_j =
      std::hypot(timing, carried_u(quiet.before, reach / 2), carried_u(quiet.after, reach / 2));
  return figure;
}

/// Constant power P draws a reading that follows with time constant τ from r0 to
/// P + (r0 − P)·e^(−t/τ).
double power_between(const Tick& first, const Tick& second, double lag_s) {
  const double seconds = seconds_between(first.t_ns, second.t_ns);
  return first.value + (second.value - first.value) / -std::expm1(-seconds / lag_s);
}

/// Power beside the window from the three updates nearest to it, and how steady it is there.
PowerMean beside(const Tick& nearest, const Tick& next, const Tick& farthest, double lag_s) {
  const bool after = nearest.t_ns < next.t_ns;
  const auto between = [&](const Tick& a, const Tick& b) {
    return after ? power_between(a, b, lag_s) : power_between(b, a, lag_s);
  };
  const double watts = between(nearest, next);
  return {watts, std::abs(watts - between(next, farthest)) / 2, 0, 0};
}

/// A reading r that follows the power P with time constant τ: P = r + τ·dr/dt, so ∫P = ∫r + τ·Δr
/// from an update before the window to one after it, less what was taken outside. Without three
/// updates on either side the readings say too little.
std::optional<Figure> lagged(const GaugeSeries& g, const Window& w, double lag_s) {
  const std::span<const Tick> points = g.points;
  const std::size_t begin = end_surely_before(points, w.span.begin_ns);
  const std::size_t end = first_surely_after(points, w.span.end_ns);
  if (begin < 3 || end + 3 > points.size()) {
    return std::nullopt;
  }
  const Tick& first = points[begin - 1];
  const Tick& last = points[end];
  const PowerMean before = beside(first, points[begin - 2], points[begin - 3], lag_s);
  const PowerMean after = beside(last, points[end + 1], points[end + 2], lag_s);
  const auto joules = integral(points, {first.t_ns, last.t_ns}, 0);
  if (!joules) {
    return std::nullopt;
  }
  const double lead_s = seconds_between(first.t_ns, w.span.begin_ns);
  const double trail_s = seconds_between(w.span.end_ns, last.t_ns);
  const double risen = last.value - first.value;
  Figure figure;
  figure.joules = *joules + lag_s * risen - before.watts * lead_s - after.watts * trail_s;
  const double timing = std::hypot((before.watts - first.value) * timing_u(first),
                                   (after.watts - last.value) * timing_u(last));
  figure.components.edge_j = std::hypot(timing, before.u_watts * lead_s, after.u_watts * trail_s);
  figure.components.edge_j = std::hypot(*figure.components.edge_j, kLagUncertainty * lag_s * risen);
  figure.peak_w = largest(g, w.span);
  return figure;
}

/// What a part-time sensor that is read across an edge misses there.
double missed_edge(const GaugeSeries& g, double step_w) {
  return step_w * std::max(g.period_s, g.poll_s) * std::sqrt((1 - duty_of(g)) / 6);
}

/// A sensor that sees part of the time: its readings within the window are a sample of the power in
/// it, and nothing outside enters, unless it averages for longer than anybody knows.
std::optional<Figure> sampled(const GaugeSeries& g, const Window& w, std::optional<double> idle_w) {
  if (averages_all(g)) {
    return std::nullopt;
  }
  const double average = g.averaging_s.value_or(g.period_s);
  const std::size_t first = first_surely_after(g.points, w.span.begin_ns + to_nanoseconds(average));
  const std::size_t end = end_surely_before(g.points, w.span.end_ns);
  if (end < first + kLeastSample) {
    return std::nullopt;
  }
  Figure figure;
  for (std::size_t i = first; i < end; ++i) {
    figure.joules += g.points[i].value * w.duration_s / static_cast<double>(end - first);
  }
  if (!g.averaging_s) {
    figure.components.edge_j =
        missed_edge(g, std::abs(figure.joules / w.duration_s - idle_w.value_or(0)));
  }
  figure.peak_w = largest(g, w.span);
  return figure;
}

/// Readings describe the middle of their averaging window, so the boundaries are looked up half a
/// window later.
std::optional<Figure> trapezoid(const GaugeSeries& g, const Window& w,
                                std::optional<double> idle_w) {
  const bool whole = averages_all(g);
  const std::int64_t shift = whole ? to_nanoseconds(*g.averaging_s / 2) : 0;
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
      whole ? step_w * std::max(*g.averaging_s, g.poll_s) * lost : missed_edge(g, step_w);
  return figure;
}

/// Part of the time a sensor with W < T never sees: von Neumann's estimate from successive
/// differences.
std::optional<double> alias(const GaugeSeries& g, const Window& w) {
  if (sees_all(g)) {
    return std::nullopt;
  }
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
  return w.duration_s * deviation * std::sqrt((1 - duty_of(g)) / n);
}

/// How far power may have been from the readings while the sensor did not look: between the lowest
/// reading and the power limit, or the highest reading where no limit is known.
double farthest(const domain::Recording& recording, const domain::Channel& channel, const Window& w,
                double mean_w) {
  const auto trace = trace_of(recording, channel);
  const auto [low, high] = std::minmax_element(
      trace.begin(), trace.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  const auto limits = power_limits(recording, channel.device, w.span);
  const double highest = std::max(high->value, limits ? limits->high_w : 0);
  return std::max(highest - mean_w, mean_w - low->value);
}

/// Work in step with a part-time sensor is seen at the same phase again and again. Its readings
/// then vary little and say nothing of the rest, which can be anywhere: a bound in place of a
/// spread.
std::optional<Problem> alias_risk(const domain::Recording& recording,
                                  const domain::Channel& channel, const GaugeSeries& g,
                                  const Window& w, Figure& figure) {
  const PartTime sensor{g.period_s, duty_of(g) * g.period_s};
  const auto lock = sees_all(g) ? std::nullopt : locked_period(w, sensor);
  if (!lock) {
    return std::nullopt;
  }
  const double mean_w = figure.joules / w.duration_s;
  const double bound = (1 - duty_of(g)) * farthest(recording, channel, w, mean_w) * w.duration_s;
  figure.components.alias_j =
      std::max(figure.components.alias_j.value_or(0), bound / std::sqrt(3.0));
  return Problem{"alias_risk",
                 fmt::format("{}: work repeats every {:.1f} ms, the sensor sees {:.0f} of every "
                             "{:.0f} ms: off by up to {:.1f} J",
                             channel.device, lock->period_s * 1e3, sensor.averaging_s * 1e3,
                             sensor.period_s * 1e3, bound)};
}

std::optional<Figure> best_figure(std::span<const domain::TracePoint> trace, const GaugeSeries& g,
                                  const Window& w, std::optional<double> idle_w) {
  if (g.lag_s) {
    return lagged(g, w, *g.lag_s);
  }
  std::optional<Figure> figure;
  if (const auto quiet = quiet_pads(g, w)) {
    figure = summed(trace, g, w, *quiet);
    figure = figure ? figure : padded(g, w, *quiet);
  }
  figure = figure ? figure : sampled(g, w, idle_w);
  return figure ? figure : trapezoid(g, w, idle_w);
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
    return {std::nullopt, {std::move(*lost)}};
  }
  const auto inside = within(trace, window.span);
  if (inside.size() < 2 || series.points.size() < 2) {
    return {std::nullopt,
            {Problem{"sensor_lost", fmt::format("{}: {} power readings in the window",
                                                channel.device, inside.size())}}};
  }
  const Gaps gaps = gaps_within(inside, hold_of(series));
  std::vector<Problem> problems;
  if (gaps.total_s > 0) {
    problems.push_back(
        {"sample_gap",
         fmt::format("{}: {:.2f} s of {:.2f} s without power readings, longest {:.2f} s",
                     channel.device, gaps.total_s, window.duration_s, gaps.longest_s)});
  }
  if (gaps.total_s > kBridgedShare * window.duration_s) {
    return {std::nullopt, std::move(problems)};
  }
  auto figure = best_figure(trace, series, window, idle_w);
  if (!figure) {
    return {
        std::nullopt,
        {Problem{"sensor_lost", fmt::format("{}: power readings do not reach the window's edges",
                                            channel.device)}}};
  }
  figure->method = "power_integral";
  figure->polls = static_cast<std::int64_t>(inside.size());
  figure->distinct = 1;
  for (std::size_t i = 1; i < inside.size(); ++i) {
    figure->distinct += inside[i].value != inside[i - 1].value ? 1 : 0;
  }
  figure->components.alias_j = alias(series, window);
  if (auto risk = alias_risk(recording, channel, series, window, *figure)) {
    problems.push_back(std::move(*risk));
  }
  add_spread(*figure, inside, gaps, channel, window);
  return {std::move(figure), std::move(problems)};
}

}  // namespace llem::analysis
