#include "analysis/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/quantity.hpp"
#include "stats/moments.hpp"
#include "stats/regression.hpp"

namespace llem::analysis {

namespace {

constexpr std::size_t kLeastChanges = 20;
constexpr std::size_t kLeastPeriods = 10;  // for a mean
constexpr double kDense = 3.5;             // periods between changes whose number is beyond doubt
constexpr double kLeastPolls = 2.5;        // per period: one must fall into each half
// Of the median interval: a tenth of all intervals below that tell that the others hold two
// periods. Placed at both ends to 1/kLeastPolls, single periods seem longer than that.
constexpr double kOneInTwo = 0.6;
constexpr double kStray = 0.1;    // of the period: farthest from the grid, beyond a poll's width
constexpr double kStrays = 0.01;  // of the changes may lie farther

/// A change of value between two polls.
struct Change {
  double t_s = 0;  // middle of the interval in which it can have been
  double width_s = 0;
};

std::vector<Change> changes_of(std::span<const domain::TracePoint> trace) {
  std::vector<Change> changes;
  for (std::size_t i = 1; i < trace.size(); ++i) {
    if (trace[i].value != trace[i - 1].value) {
      const double width = seconds_between(trace[i - 1].t_ns, trace[i].t_ns);
      changes.push_back({seconds_between(trace[0].t_ns, trace[i].t_ns) - width / 2, width});
    }
  }
  return changes;
}

/// From one change to the next.
struct Interval {
  double seconds = 0;
  double width_s = 0;       // of the wider of the two changes
  bool follows_on = false;  // begins where the one before it ends
};

std::vector<Interval> intervals_of(const std::vector<Change>& changes) {
  std::vector<Interval> intervals;
  for (std::size_t i = 1; i < changes.size(); ++i) {
    intervals.push_back({changes[i].t_s - changes[i - 1].t_s,
                         std::max(changes[i].width_s, changes[i - 1].width_s), i > 1});
  }
  return intervals;
}

/// Marks the next interval as one that begins anew where some are left out before it.
template <class Wanted>
std::vector<Interval> only(const std::vector<Interval>& intervals, Wanted&& wanted) {
  std::vector<Interval> some;
  bool left_out = false;
  for (const Interval& interval : intervals) {
    if (wanted(interval)) {
      some.push_back(interval);
      some.back().follows_on = interval.follows_on && !left_out;
    }
    left_out = !wanted(interval);
  }
  return some;
}

double quantile(const std::vector<Interval>& intervals, double p) {
  std::vector<double> seconds;
  for (const Interval& interval : intervals) {
    seconds.push_back(interval.seconds);
  }
  std::sort(seconds.begin(), seconds.end());
  return stats::quantile_sorted(seconds, p);
}

/// Those between changes that were placed well, compared to how long they are: not every part of a
/// recording is polled equally often.
std::vector<Interval> well_placed(std::vector<Interval> intervals) {
  for (std::size_t before = intervals.size() + 1;
       !intervals.empty() && intervals.size() < before;) {
    before = intervals.size();
    const double widest = quantile(intervals, 0.5) / kLeastPolls;
    intervals = only(intervals, [&](const Interval& i) { return i.width_s <= widest; });
  }
  return intervals;
}

/// One period to within a third, although some intervals hold several.
double rough_period(const std::vector<Interval>& intervals) {
  const double median = quantile(intervals, 0.5);
  const double short_one = quantile(intervals, 0.1);
  return short_one < kOneInTwo * median ? short_one : median;
}

/// The mean over stretches without long pauses: there, the number of periods between changes is
/// sure.
struct Dense {
  Period period;
  double u_regular_s = 0;  // of the period, if every one is as long: ends of intervals then cancel
};

std::optional<Dense> dense_period(const std::vector<Change>& changes, std::size_t least) {
  auto intervals = well_placed(intervals_of(changes));
  if (intervals.empty()) {
    return std::nullopt;
  }
  const double rough = rough_period(intervals);
  intervals = only(intervals, [&](const Interval& i) { return i.seconds < kDense * rough; });
  const auto held = [&](const Interval& i) { return std::max(1.0, std::round(i.seconds / rough)); };
  double seconds = 0;
  double periods = 0;
  double runs = 0;
  stats::Moments widths;
  for (const Interval& interval : intervals) {
    seconds += interval.seconds;
    periods += held(interval);
    runs += interval.follows_on ? 0 : 1;
    widths.add(interval.width_s);
  }
  if (periods < static_cast<double>(least)) {
    return std::nullopt;
  }
  const double mean = seconds / periods;
  double square = 0;
  for (const Interval& interval : intervals) {
    const double off = interval.seconds - held(interval) * mean;
    square += off * off;
  }
  const double ends = std::sqrt(runs / 6) * widths.mean();
  return Dense{{mean, std::hypot(std::sqrt(square), ends) / periods}, ends / periods};
}

/// Whether one poll at least fell into each half of a period wherever the sensor changed.
bool polled_throughout(const std::vector<Change>& changes, double period_s) {
  for (std::size_t i = 1; i < changes.size(); ++i) {
    const bool dense = changes[i].t_s - changes[i - 1].t_s < kDense * period_s;
    if (dense && kLeastPolls * changes[i].width_s > period_s) {
      return false;
    }
  }
  return true;
}

/// Readings that return to a few values show some of their updates only.
bool few_values(std::span<const domain::TracePoint> trace, std::size_t changes) {
  std::vector<double> values;
  for (const domain::TracePoint& point : trace) {
    values.push_back(point.value);
  }
  std::sort(values.begin(), values.end());
  const auto distinct = std::unique(values.begin(), values.end()) - values.begin();
  return 2 * static_cast<std::size_t>(distinct) < changes;
}

/// The number of each change on the grid; empty when a pause leaves it in doubt.
std::vector<double> numbered(const std::vector<Change>& changes, const Dense& dense) {
  const double seconds = dense.period.seconds;
  std::vector<double> numbers{0};
  for (std::size_t i = 1; i < changes.size(); ++i) {
    const double periods = (changes[i].t_s - changes[i - 1].t_s) / seconds;
    if (periods * dense.u_regular_s > seconds / 4) {
      return {};
    }
    numbers.push_back(numbers.back() + std::round(periods));
  }
  return numbers;
}

bool on_grid(const std::vector<Change>& changes, const std::vector<double>& numbers,
             const stats::Line& line) {
  std::size_t strays = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const double off = std::abs(changes[i].t_s - line.intercept - line.slope * numbers[i]);
    strays += off > changes[i].width_s / 2 + kStray * line.slope ? 1U : 0U;
  }
  return static_cast<double>(strays) <= kStrays * static_cast<double>(changes.size());
}

}  // namespace

std::optional<Lattice> fit_lattice(std::span<const domain::TracePoint> trace) {
  const auto changes = changes_of(trace);
  if (changes.size() < kLeastChanges) {
    return std::nullopt;
  }
  const auto dense = dense_period(changes, kLeastChanges);
  const auto numbers = dense && polled_throughout(changes, dense->period.seconds)
                           ? numbered(changes, *dense)
                           : std::vector<double>{};
  if (numbers.empty()) {
    return std::nullopt;
  }
  std::vector<double> times;
  double width = 0;
  for (const Change& change : changes) {
    times.push_back(change.t_s);
    width = std::max(width, change.width_s);
  }
  const stats::Line line = stats::fit_line(numbers, times);
  if (!on_grid(changes, numbers, line)) {
    return std::nullopt;
  }
  // Polls in step with the sensor place all changes of a stretch wrongly alike.
  const double alike = width / std::sqrt(12.0) / numbers.back();
  return Lattice{
      trace[0].t_ns, line.intercept, {line.slope, std::hypot(line.slope_standard_error, alike)}};
}

std::optional<Period> mean_period(std::span<const domain::TracePoint> trace) {
  const auto changes = changes_of(trace);
  const auto dense =
      few_values(trace, changes.size()) ? std::nullopt : dense_period(changes, kLeastPeriods);
  return dense ? std::optional(dense->period) : std::nullopt;
}

std::optional<double> reading_of(std::span<const domain::TracePoint> trace, const Lattice& lattice,
                                 std::int64_t k) {
  const auto ns = [&](double periods) {
    return lattice.origin_ns + to_nanoseconds(lattice.at(k) + periods * lattice.period.seconds);
  };
  const auto next = std::upper_bound(
      trace.begin(), trace.end(), ns(0.5),
      [](std::int64_t t, const domain::TracePoint& point) { return t < point.t_ns; });
  if (next == trace.begin() || std::prev(next)->t_ns < ns(0)) {
    return std::nullopt;
  }
  return std::prev(next)->value;
}

}  // namespace llem::analysis
