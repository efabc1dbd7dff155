#pragma once

// Owns: models of energy and power sensors, exact on the integral of a waveform, and the polls that
// read them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "fidelity/draws.hpp"
#include "fidelity/waveform.hpp"

namespace llem::fidelity {

/// A value that a sensor shows from a time on.
struct Published {
  double t_s = 0;
  double value = 0;
};

using Readings = std::vector<Published>;

struct Updates {
  double period_s = 0.1013;  // no multiple of a polling interval, so that errors cannot cancel
  double jitter = 0;         // each interval is longer or shorter by up to this share
};

/// From before 0 until after `end_s`, in random phase.
inline std::vector<double> update_times(const Updates& updates, double end_s, Draws& draws) {
  std::vector<double> times;
  double t = -draws.uniform(1, 2) * updates.period_s;
  while (t < end_s + updates.period_s) {
    times.push_back(t);
    t += updates.period_s * (1 + updates.jitter * draws.uniform(-1, 1));
  }
  return times;
}

struct Counter {
  double gain = 1;
  double quantum_j = 1e-3;
  double starts_at_j = 1e6;
  std::optional<double> wraps_at_j;
};

/// Energy so far in whole quanta; a counter with a range starts again at 0 beyond it.
inline Readings energy_counter(const Waveform& power, const std::vector<double>& times,
                               const Counter& counter) {
  Readings readings;
  for (const double t : times) {
    const double joules = counter.starts_at_j + counter.gain * power.energy(t);
    double quanta = std::floor(joules / counter.quantum_j);
    if (counter.wraps_at_j) {
      quanta = std::fmod(quanta, std::round(*counter.wraps_at_j / counter.quantum_j));
    }
    readings.push_back({t, quanta * counter.quantum_j});
  }
  return readings;
}

struct Averager {
  double window_s = 0.1013;  // = T: boxcar; 10 T: moving average; T/4: part-time
  double gain = 1;
  double quantum_w = 1e-3;
};

/// The mean power of the last `window_s` at each update.
inline Readings power_average(const Waveform& power, const std::vector<double>& times,
                              const Averager& averager) {
  Readings readings;
  for (const double t : times) {
    const double watts =
        averager.gain * power.between(t - averager.window_s, t) / averager.window_s;
    readings.push_back({t, std::round(watts / averager.quantum_w) * averager.quantum_w});
  }
  return readings;
}

/// Follows the power with a first-order lag: r' = (P − r)/τ. On steps of power the response is
/// exact.
inline Readings lagging(const Steps& power, const std::vector<double>& times, double lag_s,
                        double quantum_w) {
  Readings readings;
  double t = std::min(0.0, times.front());
  double watts = power.watts_at(t);
  for (const double update : times) {
    while (t < update) {
      const double until = std::min(update, power.next_after(t));
      const double level = power.watts_at(t);
      watts = level + (watts - level) * std::exp(-(until - t) / lag_s);
      t = until;
    }
    readings.push_back({update, std::round(watts / quantum_w) * quantum_w});
  }
  return readings;
}

/// Shows from `at_s` on what it showed then.
inline Readings frozen(Readings readings, double at_s) {
  const auto last = std::find_if(readings.begin(), readings.end(),
                                 [&](const Published& p) { return p.t_s >= at_s; });
  std::for_each(last, readings.end(), [&](Published& p) { p.value = last->value; });
  return readings;
}

/// Counts from 0 again after `at_s`.
inline Readings restarted(Readings readings, double at_s) {
  const auto first = std::find_if(readings.begin(), readings.end(),
                                  [&](const Published& p) { return p.t_s >= at_s; });
  const double lost = first != readings.end() ? first->value : 0;
  std::for_each(first, readings.end(), [&](Published& p) { p.value -= lost; });
  return readings;
}

struct Stretch {
  double from_s = 0;
  double to_s = 0;
};

struct Polling {
  double every_s = 0.02;
  std::vector<Stretch> dense;  // stretches polled every millisecond
  double late_s = 2e-4;        // each poll comes up to so much after its time
};

inline std::vector<double> poll_times(const Polling& polling, double end_s, Draws& draws) {
  constexpr double kDense = 1e-3;
  const auto is_dense = [&](double t) {
    return std::any_of(polling.dense.begin(), polling.dense.end(),
                       [&](const Stretch& s) { return t >= s.from_s && t < s.to_s; });
  };
  std::vector<double> times;
  for (double due = draws.uniform(0, polling.every_s); due < end_s;) {
    times.push_back(due + draws.uniform(0, polling.late_s));
    // A stretch is entered at its beginning, not at the next slow poll.
    double next = due + (is_dense(due) ? kDense : polling.every_s);
    for (const Stretch& s : polling.dense) {
      next = due < s.from_s && next > s.from_s ? s.from_s : next;
    }
    due = next;
  }
  return times;
}

/// What polls at these times see: the value published last.
inline Readings polled(const Readings& published, const std::vector<double>& times) {
  Readings seen;
  std::size_t next = 0;
  for (const double t : times) {
    while (next < published.size() && published[next].t_s <= t) {
      ++next;
    }
    if (next > 0) {
      seen.push_back({t, published[next - 1].value});
    }
  }
  return seen;
}

}  // namespace llem::fidelity
