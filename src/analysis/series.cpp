#include "analysis/series.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

// No device that llem reads takes more: a larger step is a restart of the counter, not a wrap.
constexpr double kImplausibleWatts = 20e3;
// A table rounds W and T to a percent or two: W that near m·T is m·T.
constexpr double kWholePeriods = 0.03;
// A counter that changes so much more rarely than what is said of its period is not as is said.
constexpr double kContradicted = 2;

/// Half of the time passed between polls so close together or closer. The median of the intervals
/// themselves would be that of the pads, which are polled more often than all the rest.
double usual_poll(std::span<const domain::TracePoint> trace) {
  std::vector<double> gaps;
  gaps.reserve(trace.size());
  for (std::size_t i = 1; i < trace.size(); ++i) {
    gaps.push_back(seconds_between(trace[i - 1].t_ns, trace[i].t_ns));
  }
  std::sort(gaps.begin(), gaps.end());
  const double half = std::accumulate(gaps.begin(), gaps.end(), 0.0) / 2;
  double passed = 0;
  for (const double gap : gaps) {
    passed += gap;
    if (passed >= half) {
      return gap;
    }
  }
  return 0;
}

/// Median time between changes of value; absent below three changes.
std::optional<double> median_change(std::span<const domain::TracePoint> trace) {
  std::vector<double> gaps;
  std::optional<std::int64_t> last;
  for (std::size_t i = 1; i < trace.size(); ++i) {
    if (trace[i].value == trace[i - 1].value) {
      continue;
    }
    if (last) {
      gaps.push_back(seconds_between(*last, trace[i].t_ns));
    }
    last = trace[i].t_ns;
  }
  if (gaps.size() < 2) {
    return std::nullopt;
  }
  return stats::median(std::move(gaps));
}

Updates updates_of(std::span<const domain::TracePoint> trace, const domain::Channel& channel,
                   const std::optional<Period>& probed) {
  Updates updates;
  updates.poll_s = usual_poll(trace);
  if (probed) {
    updates.period_s = probed->seconds;
    updates.period_u_s = probed->u_seconds;
    updates.period_source = domain::Knowledge::probed;
  } else if (channel.update_period_s) {
    updates.period_s = *channel.update_period_s;
    updates.period_source = channel.update_period_source;
  } else {
    updates.period_s = median_change(trace).value_or(updates.poll_s);
    updates.period_source = domain::Knowledge::readings;
  }
  return updates;
}

double whole_periods(double averaging_s, double period_s) {
  const double whole = std::round(averaging_s / period_s) * period_s;
  return std::abs(averaging_s - whole) <= kWholePeriods * whole ? whole : averaging_s;
}

/// A reading that changed since the poll before was published within the period before it, and
/// after that poll.
Tick published(std::int64_t t_ns, double since_poll_s, double period_s, double value) {
  const double width_s = std::min(since_poll_s, period_s);
  return {t_ns - to_nanoseconds(width_s / 2), value, width_s};
}

/// The step between two raw readings; absent when the counter ran backwards.
std::optional<double> unwrapped_step(double step, double seconds,
                                     const std::optional<double>& wraps_at) {
  if (step >= 0) {
    return step;
  }
  if (!wraps_at || step + *wraps_at < 0) {
    return std::nullopt;
  }
  const double wrapped = step + *wraps_at;
  if (wrapped > kImplausibleWatts * std::max(seconds, 1e-3)) {
    return std::nullopt;
  }
  return wrapped;
}

double interpolate(const Tick& a, const Tick& b, std::int64_t t_ns) {
  if (b.t_ns == a.t_ns) {
    return b.value;
  }
  const double share = static_cast<double>(t_ns - a.t_ns) / static_cast<double>(b.t_ns - a.t_ns);
  return a.value + share * (b.value - a.value);
}

bool covers(std::span<const Tick> points, const Span& span, double hold_s) {
  if (points.empty() || span.end_ns < span.begin_ns) {
    return false;
  }
  const std::int64_t hold = to_nanoseconds(hold_s);
  return points.front().t_ns <= span.begin_ns + hold && points.back().t_ns >= span.end_ns - hold;
}

}  // namespace

std::span<const domain::TracePoint> trace_of(const domain::Recording& recording,
                                             const domain::Channel& channel) {
  const auto index = static_cast<std::size_t>(channel.index);
  if (channel.index < 0 || index >= recording.traces.size()) {
    return {};
  }
  return recording.traces[index];
}

CounterSeries make_counter(const domain::Recording& recording, const domain::Channel& channel) {
  const auto trace = trace_of(recording, channel);
  CounterSeries series{updates_of(trace, channel, mean_period(trace)), {}, {}};
  // A device always draws power, so that each update of its counter shows.
  const double seen_s = median_change(trace).value_or(0);
  if (seen_s > kContradicted * std::max(series.period_s, series.poll_s)) {
    series.period_s = seen_s;
    series.period_u_s.reset();
    series.period_source = domain::Knowledge::readings;
  }
  if (trace.empty()) {
    return series;
  }
  const double unknown_age = series.period_s;
  series.ticks.push_back(published(trace[0].t_ns, unknown_age, series.period_s, 0));
  double total = 0;
  for (std::size_t i = 1; i < trace.size(); ++i) {
    const double since = seconds_between(trace[i - 1].t_ns, trace[i].t_ns);
    const double step = trace[i].value - trace[i - 1].value;
    if (step == 0) {
      continue;
    }
    const auto joules = unwrapped_step(step, since, channel.wraps_at);
    if (!joules) {
      series.breaks.push_back(trace[i].t_ns);
    }
    total += joules.value_or(0);
    series.ticks.push_back(published(trace[i].t_ns, since, series.period_s, total));
  }
  return series;
}

GaugeSeries make_gauge(const domain::Recording& recording, const domain::Channel& channel) {
  const auto trace = trace_of(recording, channel);
  auto probed = mean_period(trace);
  const auto lattice = probed ? fit_lattice(trace) : std::nullopt;
  if (lattice) {
    probed = lattice->period;
  }
  GaugeSeries series{updates_of(trace, channel, probed), {}, lattice, {}, channel.lag_s};
  if (channel.averaging_window_s) {
    series.averaging_s = whole_periods(*channel.averaging_window_s, series.period_s);
  }
  const bool known = series.period_source != domain::Knowledge::readings;
  // A sensor may publish the same value twice: what stands for a whole period is a reading of its
  // own.
  const std::int64_t repeat = to_nanoseconds(0.99 * series.period_s);
  for (std::size_t i = 0; i < trace.size(); ++i) {
    if (trace[i].value < 0) {
      continue;
    }
    const double since = i > 0 ? seconds_between(trace[i - 1].t_ns, trace[i].t_ns) : 0;
    const bool changed = series.points.empty() || trace[i].value != series.points.back().value;
    if (changed) {
      series.points.push_back(
          published(trace[i].t_ns, since, known ? series.period_s : 0, trace[i].value));
    } else {
      const Tick& last = series.points.back();
      const std::int64_t seen_ns = last.t_ns + to_nanoseconds(last.width_s / 2);
      if (trace[i].t_ns - seen_ns >= repeat) {
        series.points.push_back({trace[i].t_ns, trace[i].value});
      }
    }
  }
  return series;
}

double timing_u(const Tick& tick) {
  return tick.width_s / std::sqrt(12.0);
}

const Tick& held_at(std::span<const Tick> ticks, std::int64_t t_ns) {
  return ticks[std::max<std::size_t>(end_at_or_before(ticks, t_ns), 1) - 1];
}

std::size_t first_at_or_after(std::span<const Tick> ticks, std::int64_t t_ns) {
  const auto it = std::lower_bound(ticks.begin(), ticks.end(), t_ns,
                                   [](const Tick& k, std::int64_t t) { return k.t_ns < t; });
  return static_cast<std::size_t>(it - ticks.begin());
}

std::size_t end_at_or_before(std::span<const Tick> ticks, std::int64_t t_ns) {
  const auto it = std::upper_bound(ticks.begin(), ticks.end(), t_ns,
                                   [](std::int64_t t, const Tick& k) { return t < k.t_ns; });
  return static_cast<std::size_t>(it - ticks.begin());
}

std::size_t first_surely_after(std::span<const Tick> ticks, std::int64_t t_ns) {
  std::size_t first = first_at_or_after(ticks, t_ns);
  while (first < ticks.size() &&
         ticks[first].t_ns - to_nanoseconds(ticks[first].width_s / 2) < t_ns) {
    ++first;
  }
  return first;
}

std::size_t end_surely_before(std::span<const Tick> ticks, std::int64_t t_ns) {
  std::size_t end = end_at_or_before(ticks, t_ns);
  while (end > 0 && ticks[end - 1].t_ns + to_nanoseconds(ticks[end - 1].width_s / 2) > t_ns) {
    --end;
  }
  return end;
}

std::optional<double> value_at(std::span<const Tick> ticks, std::int64_t t_ns) {
  const std::size_t after = first_at_or_after(ticks, t_ns);
  if (after == ticks.size() || (after == 0 && ticks[0].t_ns != t_ns)) {
    return std::nullopt;
  }
  return after == 0 ? ticks[0].value : interpolate(ticks[after - 1], ticks[after], t_ns);
}

std::optional<double> integral(std::span<const Tick> points, const Span& span, double hold_s) {
  if (!covers(points, span, hold_s)) {
    return std::nullopt;
  }
  const auto at = [&](std::int64_t t) {
    const double outside = t < points.front().t_ns ? points.front().value : points.back().value;
    return value_at(points, t).value_or(outside);
  };
  double sum = 0;
  Tick last{span.begin_ns, at(span.begin_ns)};
  for (std::size_t i = first_at_or_after(points, span.begin_ns);
       i < points.size() && points[i].t_ns < span.end_ns; ++i) {
    sum += (last.value + points[i].value) / 2 * seconds_between(last.t_ns, points[i].t_ns);
    last = points[i];
  }
  return sum + (last.value + at(span.end_ns)) / 2 * seconds_between(last.t_ns, span.end_ns);
}

std::optional<double> held_integral(std::span<const Tick> points, const Span& span, double hold_s) {
  if (!covers(points, span, hold_s)) {
    return std::nullopt;
  }
  const std::size_t next = end_at_or_before(points, span.begin_ns);
  Tick last{span.begin_ns, held_at(points, span.begin_ns).value};
  double sum = 0;
  for (std::size_t i = next; i < points.size() && points[i].t_ns < span.end_ns; ++i) {
    sum += last.value * seconds_between(last.t_ns, points[i].t_ns);
    last = points[i];
  }
  return sum + last.value * seconds_between(last.t_ns, span.end_ns);
}

bool broken_within(const CounterSeries& series, const Span& span) {
  return std::any_of(series.breaks.begin(), series.breaks.end(),
                     [&](std::int64_t t) { return t > span.begin_ns && t <= span.end_ns; });
}

std::optional<double> increase(std::span<const domain::TracePoint> trace, const Span& span) {
  if (trace.size() < 2) {
    return std::nullopt;
  }
  const std::int64_t begin = std::max(span.begin_ns, trace.front().t_ns);
  const std::int64_t end = std::min(span.end_ns, trace.back().t_ns);
  const double covered = seconds_between(begin, end);
  if (covered <= 0 || covered < span.seconds() / 2) {
    return std::nullopt;
  }
  const auto at = [&](std::int64_t t) {
    const auto it = std::lower_bound(trace.begin() + 1, trace.end() - 1, t,
                                     [](const auto& p, std::int64_t x) { return p.t_ns < x; });
    return interpolate({(it - 1)->t_ns, (it - 1)->value}, {it->t_ns, it->value}, t);
  };
  const double change = at(end) - at(begin);
  if (change < 0) {
    return std::nullopt;
  }
  return change * (span.seconds() / covered);
}

std::span<const domain::TracePoint> within(std::span<const domain::TracePoint> trace,
                                           const Span& span) {
  const auto before = [](const domain::TracePoint& p, std::int64_t t) { return p.t_ns < t; };
  const auto first = std::lower_bound(trace.begin(), trace.end(), span.begin_ns, before);
  const auto last = std::lower_bound(first, trace.end(), span.end_ns, before);
  return {first, last};
}

}  // namespace llem::analysis
