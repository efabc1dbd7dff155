#include "analysis/averaging_window.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "stats/least_squares.hpp"

namespace llem::analysis {

namespace {

constexpr std::size_t kLeastReadings = 40;
constexpr double kLeastExplained = 0.5;
// Windows from 1/20 of a period (5 ms of 100 ms) to 20 periods, delays up to two periods.
constexpr double kShortest = 0.05;
constexpr double kLongest = 20;
constexpr double kLatest = 2;
constexpr int kWindowSteps = 80;
constexpr int kDelaySteps = 20;
constexpr double kFinest = 1e-5;  // of a period: where the search ends

/// Time under load since the first burst, at any moment.
class LoadedTime {
 public:
  explicit LoadedTime(std::span<const Span> loaded) : loaded_(loaded) {
    double sum = 0;
    for (const Span& burst : loaded) {
      before_.push_back(sum);
      sum += burst.seconds();
    }
  }

  double until(std::int64_t t_ns) const {
    const auto next =
        std::upper_bound(loaded_.begin(), loaded_.end(), t_ns,
                         [](std::int64_t t, const Span& burst) { return t < burst.begin_ns; });
    if (next == loaded_.begin()) {
      return 0;
    }
    const auto i = static_cast<std::size_t>(next - loaded_.begin()) - 1;
    return before_[i] + seconds_between(loaded_[i].begin_ns, std::min(t_ns, loaded_[i].end_ns));
  }

  /// Share of the `average_s` seconds up to t.
  double share(std::int64_t t_ns, double average_s) const {
    return (until(t_ns) - until(t_ns - to_nanoseconds(average_s))) / average_s;
  }

 private:
  std::span<const Span> loaded_;
  std::vector<double> before_;
};

struct Candidate {
  double window_s = 0;
  double delay_s = 0;
};

/// What is left of the readings when load, scaled and shifted, is taken off.
struct Fit {
  double scale_w = 0;
  double residual = 0;  // sum of squares
  double total = 0;     // of the readings about their mean
};

double shown(const LoadedTime& load, const Tick& reading, const Candidate& c) {
  return load.share(reading.t_ns - to_nanoseconds(c.delay_s), c.window_s);
}

Fit fit(std::span<const Tick> readings, const LoadedTime& load, const Candidate& c) {
  double sum_x = 0;
  double sum_y = 0;
  double xx = 0;
  double xy = 0;
  double yy = 0;
  // About the first reading, so that large means leave no digits behind.
  for (const Tick& reading : readings) {
    const double x = shown(load, reading, c);
    const double y = reading.value - readings.front().value;
    sum_x += x;
    sum_y += y;
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  const auto n = static_cast<double>(readings.size());
  const double sxx = xx - sum_x * sum_x / n;
  const double sxy = xy - sum_x * sum_y / n;
  const double syy = yy - sum_y * sum_y / n;
  // Work takes power: a negative slope is no fit.
  const double scale = sxx > 0 ? std::max(0.0, sxy / sxx) : 0;
  return {scale, std::max(0.0, syy - scale * sxy), syy};
}

/// Pattern search (Hooke and Jeeves 1961) from the best point of a grid.
template <class Cost>
Candidate search(double period_s, Cost&& cost) {
  Candidate best;
  double least = -1;
  const auto look = [&](const Candidate& c) {
    const double here = cost(c);
    if (least >= 0 && here >= least) {
      return false;
    }
    least = here;
    best = c;
    return true;
  };
  const double ratio = std::pow(kLongest / kShortest, 1.0 / kWindowSteps);
  for (int i = 0; i <= kWindowSteps; ++i) {
    for (int k = 0; k <= kDelaySteps; ++k) {
      look({kShortest * period_s * std::pow(ratio, i), kLatest * period_s * k / kDelaySteps});
    }
  }
  double window_step = best.window_s * (ratio - 1);
  double delay_step = kLatest * period_s / kDelaySteps;
  while (window_step > kFinest * period_s || delay_step > kFinest * period_s) {
    const Candidate at = best;
    bool better = false;
    for (const double w : {-1.0, 0.0, 1.0}) {
      for (const double d : {-1.0, 0.0, 1.0}) {
        const Candidate next{at.window_s + w * window_step,
                             std::max(0.0, at.delay_s + d * delay_step)};
        better = (next.window_s > kFinest * period_s && look(next)) || better;
      }
    }
    window_step /= better ? 1 : 2;
    delay_step /= better ? 1 : 2;
  }
  return best;
}

/// From the curvature of the sum of squares at its minimum.
double window_uncertainty(std::span<const Tick> readings, const LoadedTime& load,
                          const Candidate& best, const Fit& fitted) {
  stats::NormalEquations equations(4);
  const double step = best.window_s / 50;
  for (const Tick& reading : readings) {
    const auto slope = [&](const Candidate& more, const Candidate& less) {
      return fitted.scale_w * (shown(load, reading, more) - shown(load, reading, less)) /
             (2 * step);
    };
    const double by_window =
        slope({best.window_s + step, best.delay_s}, {best.window_s - step, best.delay_s});
    const double by_delay =
        slope({best.window_s, best.delay_s + step}, {best.window_s, best.delay_s - step});
    equations.add(std::array{by_window, by_delay, shown(load, reading, best), 1.0}, reading.value);
  }
  const double variance = fitted.residual / static_cast<double>(readings.size() - 4);
  const double factor =
      stats::Determination(equations).variance_factor(std::array{1.0, 0.0, 0.0, 0.0});
  return std::sqrt(variance * factor);
}

}  // namespace

std::optional<AveragingWindow> averaging_window(std::span<const Tick> readings,
                                                std::span<const Span> loaded, double period_s) {
  if (readings.size() < kLeastReadings || loaded.empty() || period_s <= 0) {
    return std::nullopt;
  }
  const LoadedTime load(loaded);
  const Candidate best =
      search(period_s, [&](const Candidate& c) { return fit(readings, load, c).residual; });
  const Fit fitted = fit(readings, load, best);
  const double explained = fitted.total > 0 ? 1 - fitted.residual / fitted.total : 0;
  if (explained < kLeastExplained) {
    return std::nullopt;
  }
  return AveragingWindow{best.window_s, window_uncertainty(readings, load, best, fitted),
                         best.delay_s, explained, readings.size()};
}

}  // namespace llem::analysis
