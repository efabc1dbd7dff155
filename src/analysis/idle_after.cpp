#include "analysis/idle_after.hpp"

#include <algorithm>
#include <cmath>

namespace llem::analysis {

namespace {

// Clocks and averaging decay after work; idle is what stays within 2 % of itself.
constexpr double kSettled = 0.02;  // difference of two halves over their mean
constexpr double kNoise = 2;       // standard uncertainties that a difference may be by chance
constexpr int kSteps = 8;          // at which the tail may be cut off; half of the span at most
// Drift that is ignored: the larger of the two.
constexpr double kDriftWatts = 2;
constexpr double kDriftShare = 0.03;  // of idle before

std::int64_t nanoseconds(double seconds) {
  return std::llround(seconds * 1e9);
}

}  // namespace

std::vector<Span> idle_spans_after(const domain::Recording& recording, const Window& window,
                                   double reach_s) {
  std::vector<Span> spans;
  const std::int64_t settled = window.span.end_ns + nanoseconds(reach_s);
  const auto add = [&](std::int64_t begin_ns, std::int64_t end_ns) {
    if (begin_ns < end_ns) {
      spans.push_back({begin_ns, end_ns});
    }
  };
  const auto rest = phase_span(recording, domain::PhaseName::cooldown);
  if (rest && recording.engine_stopped_ns) {
    add(std::max(rest->begin_ns, settled), std::min(rest->end_ns, *recording.engine_stopped_ns));
  }
  if (window.pad_after) {
    add(settled, window.pad_after->end_ns);
  }
  return spans;
}

std::optional<PowerMean> settled_power(const Span& span, const MeanPower& mean) {
  const std::int64_t length = span.end_ns - span.begin_ns;
  for (int step = 0; step <= kSteps / 2; ++step) {
    const Span rest{span.begin_ns + length * step / kSteps, span.end_ns};
    const std::int64_t middle = rest.begin_ns + (rest.end_ns - rest.begin_ns) / 2;
    const auto first = mean({rest.begin_ns, middle});
    const auto second = mean({middle, rest.end_ns});
    if (!first || !second) {
      return std::nullopt;
    }
    const double apart = std::abs(first->watts - second->watts);
    // A tail within the first half would count as its noise; the second one is to hold none.
    const double noise = kNoise * std::sqrt(2.0) * second->u_watts;
    if (apart <= std::max(kSettled * std::abs(first->watts + second->watts) / 2, noise)) {
      return mean(rest);
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

domain::IdlePower mean_idle(const domain::IdlePower& before, const domain::IdlePower& after) {
  const domain::Value drift = drift_of(before, after);
  domain::IdlePower mean;
  mean.kind = "loaded_idle_mean";
  mean.power_w = (before.power_w + after.power_w) / 2;
  mean.u_w = std::hypot(*drift.u_random / 2, drift.value / std::sqrt(12.0));
  mean.duration_s = before.duration_s.value_or(0) + after.duration_s.value_or(0);
  return mean;
}

}  // namespace llem::analysis
