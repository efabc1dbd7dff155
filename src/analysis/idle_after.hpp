#pragma once

// Owns: idle power after the window against before it: the drift of what net energy subtracts
// (docs/methodology/idle.md).

#include <cstdint>
#include <functional>
#include <optional>

#include "analysis/series.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

using MeanPower = std::function<std::optional<PowerMean>(const Span&)>;

/// Time in which the model is loaded and nothing runs.
struct Rest {
  Span span;
  std::int64_t work_end_ns = 0;  // before it
};

/// The time after the last window that idle power is sought in: the cool-down, where the model
/// stays loaded in it, else the pad. `reach_s`: how long after the work ended readings still hold
/// some of it.
std::optional<Rest> rest_after(const domain::Recording& recording, const Window& window,
                               double reach_s);

/// Mean power of the longest end of the span in which it has settled since the work; absent
/// when it has not even in the last half. Settled: going on as between the two halves, power would
/// change by less than 2 % in as much time as has passed since the work.
std::optional<PowerMean> settled_power(const Rest& rest, const MeanPower& mean);

/// After less before; `u_random` is its standard uncertainty.
domain::Value drift_of(const domain::IdlePower& before, const domain::IdlePower& after);

/// Whether the drift is larger than what is ignored, and than its own noise explains.
bool drifted(const domain::IdlePower& before, const domain::Value& drift);

/// Standard uncertainty of idle under the work, which lies anywhere between before and after: it is
/// the same for all of the window, and much the same in the next trial.
double drift_uncertainty(const domain::Value& drift);

/// The mean of both. `u_w` holds the noise of both and drift_uncertainty().
domain::IdlePower mean_idle(const domain::IdlePower& before, const domain::IdlePower& after);

}  // namespace llem::analysis
