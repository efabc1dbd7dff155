#pragma once

// Owns: whether the work repeats in step with a sensor that does not see all of the time
// (docs/methodology/energy.md).

#include <optional>

#include "analysis/window.hpp"

namespace llem::analysis {

/// A sensor that updates every `period_s` and averages over `averaging_s`.
struct PartTime {
  double period_s = 0;
  double averaging_s = 0;
};

/// A period of the work whose harmonic falls on one of the sensor's updates.
struct Lock {
  double period_s = 0;
  double beats = 0;  // in the window: over many, what the sensor misses averages out
};

/// The worst of the work's own periods: decode step, batch, pass. Absent without a step log, and
/// when enough beats average out or the work is too irregular to keep step.
std::optional<Lock> locked_period(const Window& window, const PartTime& sensor);

}  // namespace llem::analysis
