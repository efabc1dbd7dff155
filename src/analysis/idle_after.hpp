#pragma once

// Owns: idle power after the window against before it: the drift of what net energy subtracts
// (docs/methodology/idle.md).

#include <functional>
#include <optional>
#include <vector>

#include "analysis/series.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

using MeanPower = std::function<std::optional<PowerMean>(const Span&)>;

/// Time after the window in which the model is loaded and nothing runs, best first. `reach_s`: how
/// long after the work ended readings still hold some of it.
std::vector<Span> idle_spans_after(const domain::Recording& recording, const Window& window,
                                   double reach_s);

/// Mean power of the longest end of the span whose two halves agree; absent when even its last half
/// still falls or rises.
std::optional<PowerMean> settled_power(const Span& span, const MeanPower& mean);

/// After less before; `u_random` is its standard uncertainty.
domain::Value drift_of(const domain::IdlePower& before, const domain::IdlePower& after);

/// Whether the drift is larger than what is ignored, and than its own noise explains.
bool drifted(const domain::IdlePower& before, const domain::Value& drift);

/// The mean of both, which lies anywhere between them.
domain::IdlePower mean_idle(const domain::IdlePower& before, const domain::IdlePower& after);

}  // namespace llem::analysis
