#include "analysis/idle_after.hpp"

#include <algorithm>
#include <cmath>

namespace llem::analysis {

namespace {

// Clocks and averaging decay after work; idle is what stays within 2 % of itself.
constexpr double kSettled = 0.02;    // change to come over the mean
constexpr double kNoise = 2;         // standard uncertainties that a difference may be by chance
constexpr double kMostNoise = 0.05;  // change to come over the mean that noise may hide
constexpr int kSteps = 8;            // at which the tail may be cut off; half of the span at most
// Drift that is ignored: the larger of the two.
constexpr double kDriftWatts = 2;
constexpr double kDriftShare = 0.03;  // of idle before

}  // namespace

std::optional<Rest> rest_after(const domain::Recording& recording, const Window& window,
                               double reach_s) {
  const std::int64_t work_end_ns = window.last_pad.begin_ns;
  const auto settled = [&](const Span& idle) {
    const Span span{std::max(idle.begin_ns, work_end_ns + to_nanoseconds(reach_s)), idle.end_ns};
    return span.begin_ns < span.end_ns ? std::optional(Rest{span, work_end_ns}) : std::nullopt;
  };
  const auto cooldown = phase_span(recording, domain::PhaseName::cooldown);
  if (cooldown && recording.engine_stopped_ns) {
    const Span loaded{cooldown->begin_ns, std::min(cooldown->end_ns, *recording.engine_stopped_ns)};
    if (auto rest = settled(loaded)) {
      return rest;
    }
  }
  return settled(window.last_pad);
}

std::optional<PowerMean> settled_power(const Rest& rest, const MeanPower& mean) {
  const std::int64_t length = rest.span.end_ns - rest.span.begin_ns;
  for (int step = 0; step <= kSteps / 2; ++step) {
    const Span part{rest.span.begin_ns + length * step / kSteps, rest.span.end_ns};
    const std::int64_t middle = part.begin_ns + (part.end_ns - part.begin_ns) / 2;
    const auto first = mean({part.begin_ns, middle});
    const auto second = mean({middle, part.end_ns});
    if (!first || !second) {
      return std::nullopt;
    }
    const double level = std::abs(first->watts + second->watts) / 2;
    const double apart = std::abs(first->watts - second->watts);
    // A tail within the first half would count as its noise; the second one is to hold none.
    const double noise = kNoise * std::sqrt(2.0) * second->u_watts;
    // The halves lie half of the part from each other.
    const double further = seconds_between(rest.work_end_ns, middle) / (part.seconds() / 2);
    if (further * apart <= kSettled * level ||
        (apart <= noise && further * noise <= kMostNoise * level)) {
      return mean(part);
    }
  }
  return std::nullopt;
}

domain::Value drift_of(const domain::IdlePower& before, const domain::IdlePower& after) {
  domain::Value drift;
  drift.value = after.power_w - before.power_w;
  drift.u_random = std::hypot(before.u_w.value_or(0), after.u_w.value_or(0));
  return drift;
}

bool drifted(const domain::IdlePower& before, const domain::Value& drift) {
  const double size = std::abs(drift.value);
  return size > std::max(kDriftWatts, kDriftShare * before.power_w) &&
         size > kNoise * drift.u_random.value_or(0);
}

double drift_uncertainty(const domain::Value& drift) {
  return std::abs(drift.value) / std::sqrt(12.0);
}

domain::IdlePower mean_idle(const domain::IdlePower& before, const domain::IdlePower& after) {
  const domain::Value drift = drift_of(before, after);
  domain::IdlePower mean;
  mean.kind = "loaded_idle_mean";
  mean.power_w = (before.power_w + after.power_w) / 2;
  mean.u_w = std::hypot(*drift.u_random / 2, drift_uncertainty(drift));
  mean.duration_s = before.duration_s.value_or(0) + after.duration_s.value_or(0);
  return mean;
}

}  // namespace llem::analysis
