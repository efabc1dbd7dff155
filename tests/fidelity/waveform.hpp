#pragma once

// Owns: power as a function of time whose integral has a closed form.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "fidelity/draws.hpp"

namespace llem::fidelity {

/// Joules since time 0, exact.
using Energy = std::function<double(double t_s)>;

struct Waveform {
  Energy energy;

  double between(double from_s, double to_s) const { return energy(to_s) - energy(from_s); }
};

inline Waveform constant(double watts) {
  return {[=](double t) { return watts * t; }};
}

/// `high` for the first `duty` of each period that starts at `phase_s`, then `low`.
inline Waveform square(double low, double high, double period_s, double duty, double phase_s) {
  const double cycle = low * (1 - duty) * period_s + high * duty * period_s;
  const auto since_phase = [=](double t) {
    const double cycles = std::floor(t / period_s);
    const double in_cycle = t - cycles * period_s;
    const double on = std::min(in_cycle, duty * period_s);
    return cycles * cycle + high * on + low * (in_cycle - on);
  };
  return {[=](double t) { return since_phase(t - phase_s) - since_phase(-phase_s); }};
}

inline Waveform sine(double mean, double amplitude, double period_s, double phase_s) {
  const double omega = 6.283185307179586 / period_s;
  return {[=](double t) {
    return mean * t +
           amplitude / omega * (std::cos(omega * phase_s) - std::cos(omega * (t - phase_s)));
  }};
}

/// Linear from 0 W at `from_s` to `watts` at `to_s`; 0 W outside.
inline Waveform ramp(double from_s, double to_s, double watts) {
  return {[=](double t) {
    const double risen = std::clamp(t, from_s, to_s) - from_s;
    return watts * risen * risen / (2 * (to_s - from_s));
  }};
}

inline Waveform operator+(Waveform a, Waveform b) {
  return {[a = std::move(a), b = std::move(b)](double t) { return a.energy(t) + b.energy(t); }};
}

inline Waveform operator*(double k, Waveform w) {
  return {[k, w = std::move(w)](double t) { return k * w.energy(t); }};
}

/// The same power, later.
inline Waveform delayed(Waveform w, double by_s) {
  return {[=, w = std::move(w)](double t) { return w.between(-by_s, t - by_s); }};
}

/// `w` in [from, to), 0 W outside.
inline Waveform only_within(Waveform w, double from_s, double to_s) {
  return {
      [=, w = std::move(w)](double t) { return w.between(from_s, std::clamp(t, from_s, to_s)); }};
}

/// `idle_w` outside [from, to), `load` inside.
inline Waveform load_between(const Waveform& load, double idle_w, double from_s, double to_s) {
  return constant(idle_w) + only_within(load + constant(-idle_w), from_s, to_s);
}

/// Power that is constant between its steps.
class Steps {
 public:
  /// `watts` from the end of the last step on.
  Steps& then(double watts, double seconds) {
    starts_.push_back(end_);
    watts_.push_back(watts);
    joules_.push_back(sum_);
    sum_ += watts * seconds;
    end_ += seconds;
    return *this;
  }

  double end() const { return end_; }

  double watts_at(double t) const { return watts_[index_at(t)]; }

  /// When the next step begins.
  double next_after(double t) const {
    const auto next = std::upper_bound(starts_.begin(), starts_.end(), t);
    return next != starts_.end() ? *next : std::numeric_limits<double>::infinity();
  }

  /// The first step reaches back and the last one on for ever.
  Waveform waveform() const {
    return {[steps = *this](double t) {
      const std::size_t i = steps.index_at(t);
      return steps.joules_[i] + steps.watts_[i] * (t - steps.starts_[i]);
    }};
  }

 private:
  std::size_t index_at(double t) const {
    const auto next = std::upper_bound(starts_.begin() + 1, starts_.end(), t);
    return static_cast<std::size_t>(next - starts_.begin()) - 1;
  }

  std::vector<double> starts_;
  std::vector<double> watts_;
  std::vector<double> joules_;  // at each start
  double sum_ = 0;
  double end_ = 0;
};

/// A load like that of an engine: a burst and a plateau in turn, each of random length.
struct Bursts {
  double low_w = 220;
  double high_w = 420;
  double shortest_s = 0.02;
  double longest_s = 0.12;
};

struct LoggedBursts {
  Waveform waveform;
  std::vector<double> begins_s;  // of each burst and plateau
};

inline LoggedBursts logged_bursts(const Bursts& shape, double begin_s, double end_s, Draws& draws) {
  Steps steps;
  LoggedBursts logged;
  bool high = draws.uniform() < 0.5;
  while (steps.end() < end_s - begin_s) {
    logged.begins_s.push_back(begin_s + steps.end());
    steps.then(high ? shape.high_w : shape.low_w, draws.uniform(shape.shortest_s, shape.longest_s));
    high = !high;
  }
  logged.waveform = delayed(steps.waveform(), begin_s);
  return logged;
}

inline Waveform bursts(const Bursts& shape, double end_s, Draws& draws) {
  return logged_bursts(shape, 0, end_s, draws).waveform;
}

}  // namespace llem::fidelity
