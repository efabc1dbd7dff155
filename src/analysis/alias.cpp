#include "analysis/alias.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

// Simulated for a sensor with W = T/4: ten beats leave 0.7 % where one leaves 20 %, and a harmonic
// that the sensor's averaging damps below a tenth adds less than that.
constexpr double kEnoughBeats = 10;
constexpr double kLeastWeight = 0.1;
constexpr int kHarmonics = 5;
constexpr std::size_t kLeastRepeats = 3;

/// Intervals between the beginnings of pieces of work that follow each other.
using Intervals = std::vector<double>;

Intervals between_decode_steps(const domain::Serve& serve) {
  Intervals intervals;
  for (std::size_t i = 1; i < serve.steps.size(); ++i) {
    const auto& before = serve.steps[i - 1];
    const auto& step = serve.steps[i];
    if (before.prefill_tokens == 0 && step.prefill_tokens == 0) {
      intervals.push_back(seconds_between(before.begin_ns, step.begin_ns));
    }
  }
  return intervals;
}

Intervals between_times(const std::vector<std::int64_t>& times) {
  Intervals intervals;
  for (std::size_t i = 1; i < times.size(); ++i) {
    intervals.push_back(seconds_between(times[i - 1], times[i]));
  }
  return intervals;
}

/// A batch begins with a step that prefills after one that did not.
Intervals between_batches(const domain::Serve& serve) {
  std::vector<std::int64_t> begins;
  bool decoding = true;
  for (const auto& step : serve.steps) {
    if (decoding && step.prefill_tokens > 0) {
      begins.push_back(step.begin_ns);
    }
    decoding = step.prefill_tokens == 0;
  }
  return between_times(begins);
}

Intervals between_passes(const domain::Serve& serve) {
  std::vector<std::int64_t> begins(
      static_cast<std::size_t>(std::max<std::int64_t>(serve.passes, 0)), 0);
  for (const auto& request : serve.requests) {
    if (request.pass < 0 || request.pass >= serve.passes) {
      continue;
    }
    std::int64_t& begin = begins[static_cast<std::size_t>(request.pass)];
    begin = begin == 0 ? request.started_ns : std::min(begin, request.started_ns);
  }
  std::erase(begins, 0);
  return between_times(begins);
}

/// Beats of harmonic `k` of the work against the nearest multiple of the update rate.
double beats_of(int k, double period_s, const PartTime& sensor, double duration_s) {
  const double frequency = k / period_s;
  const double multiple = std::max(1.0, std::round(frequency * sensor.period_s));
  return std::abs(frequency - multiple / sensor.period_s) * duration_s;
}

/// Share of a harmonic that averaging leaves: |sin(πx)/(πx)|.
double weight_of(int k, double period_s, const PartTime& sensor) {
  const double x = std::numbers::pi * k * sensor.averaging_s / period_s;
  return x == 0 ? 1 : std::abs(std::sin(x) / x);
}

/// How often within the window harmonic `k` loses its phase. Intervals that vary by σ at random let
/// it wander: correlation exp(−t/τ), τ = 2p³/(2πkσ)².
double stretches_of(int k, double period_s, double deviation_s, double duration_s) {
  const double rate = 2 * std::numbers::pi * k * deviation_s;
  return duration_s * rate * rate / (2 * period_s * period_s * period_s);
}

std::optional<Lock> lock_of(const Intervals& intervals, const PartTime& sensor, double duration_s) {
  const auto moments = stats::moments(intervals);
  const double period = moments.mean();
  if (intervals.size() < kLeastRepeats || period <= 0) {
    return std::nullopt;
  }
  const double deviation = moments.standard_deviation().value_or(0);
  std::optional<Lock> lock;
  for (int k = 1; k <= kHarmonics; ++k) {
    const double beats = std::max(beats_of(k, period, sensor, duration_s),
                                  stretches_of(k, period, deviation, duration_s));
    const bool seen = weight_of(k, period, sensor) > kLeastWeight && beats < kEnoughBeats;
    if (seen && (!lock || beats < lock->beats)) {
      lock = Lock{period, beats};
    }
  }
  return lock;
}

}  // namespace

std::optional<Lock> locked_period(const Window& window, const PartTime& sensor) {
  std::optional<Lock> worst;
  for (const auto& intervals : {between_decode_steps(*window.serve), between_batches(*window.serve),
                                between_passes(*window.serve)}) {
    const auto lock = lock_of(intervals, sensor, window.duration_s);
    if (lock && (!worst || lock->beats < worst->beats)) {
      worst = lock;
    }
  }
  return worst;
}

}  // namespace llem::analysis
