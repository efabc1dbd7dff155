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
constexpr double kDense = 3.5;       // periods between changes whose number is beyond doubt
constexpr double kLeastPolls = 2.5;  // per period: one must fall into each half
constexpr double kStray = 0.1;       // of the period: farthest from the grid, beyond a poll's width
constexpr double kStrays = 0.01;     // of the changes may lie farther

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

double median_interval(const std::vector<Change>& changes) {
  std::vector<double> intervals;
  for (std::size_t i = 1; i < changes.size(); ++i) {
    intervals.push_back(changes[i].t_s - changes[i - 1].t_s);
  }
  return stats::median(std::move(intervals));
}

struct Period {
  double seconds = 0;
  double u_seconds = 0;
};

/// From stretches without long pauses: there, the number of periods between changes is sure.
std::optional<Period> dense_period(const std::vector<Change>& changes) {
  const double rough = median_interval(changes);
  double seconds = 0;
  double periods = 0;
  double width = 0;
  for (std::size_t i = 1; i < changes.size(); ++i) {
    const double interval = changes[i].t_s - changes[i - 1].t_s;
    if (interval < kDense * rough) {
      seconds += interval;
      periods += std::max(1.0, std::round(interval / rough));
      width = std::max(width, changes[i].width_s);
    }
  }
  if (periods < static_cast<double>(kLeastChanges) || kLeastPolls * width > rough) {
    return std::nullopt;
  }
  return Period{seconds / periods, width / periods};
}

/// The number of each change on the grid; empty when a pause leaves it in doubt.
std::vector<double> numbered(const std::vector<Change>& changes, const Period& period) {
  std::vector<double> numbers{0};
  for (std::size_t i = 1; i < changes.size(); ++i) {
    const double periods = (changes[i].t_s - changes[i - 1].t_s) / period.seconds;
    if (periods * period.u_seconds > period.seconds / 4) {
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
  const auto period = dense_period(changes);
  const auto numbers = period ? numbered(changes, *period) : std::vector<double>{};
  if (numbers.empty()) {
    return std::nullopt;
  }
  std::vector<double> times;
  for (const Change& change : changes) {
    times.push_back(change.t_s);
  }
  const stats::Line line = stats::fit_line(numbers, times);
  if (!on_grid(changes, numbers, line)) {
    return std::nullopt;
  }
  return Lattice{trace[0].t_ns, line.intercept, line.slope, line.slope_standard_error};
}

std::optional<double> reading_of(std::span<const domain::TracePoint> trace, const Lattice& lattice,
                                 std::int64_t k) {
  const auto ns = [&](double periods) {
    return lattice.origin_ns + std::llround((lattice.at(k) + periods * lattice.period_s) * 1e9);
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
