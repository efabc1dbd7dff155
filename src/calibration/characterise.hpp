#pragma once

// Owns: what readings of a device under known load say about its sensors. Pure.

#include <span>
#include <vector>

#include "analysis/window.hpp"
#include "domain/calibration.hpp"
#include "domain/recording.hpp"

namespace llem::calibration {

/// `seen` holds channels and traces of one device's energy and power; `loaded` when it worked.
/// Fills `sensors` and `counter` and takes nothing from what channels say about their sensors.
domain::Calibration characterise(const domain::Recording& seen,
                                 std::span<const analysis::Span> loaded);

/// The update period of each power gauge of which it could be told.
std::vector<double> gauge_periods(const domain::Recording& seen);

}  // namespace llem::calibration
