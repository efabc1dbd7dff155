#pragma once

// Owns: over how long a power sensor averages, found by loading a device on and off and comparing
// what its readings show with what it was made to do (docs/methodology/calibration.md).

#include <optional>
#include <span>

#include "analysis/series.hpp"

namespace llem::analysis {

/// Parameters of a sensor, with standard uncertainties.
struct AveragingWindow {
  double seconds = 0;
  double u_seconds = 0;
  double delay_s = 0;          // from the end of what a reading averages to its publication
  double explained_ratio = 0;  // share of the readings' variance (R²)
  std::size_t readings = 0;
};

/// Least squares of r = α + β·(share of (t − d − W, t − d] under load) over W, d, α and β: the
/// method of Yang, Adamek and Armour (SC'24, arXiv 2312.02741, section 4.3), with the load as it
/// ran in place of the load as it was meant. `loaded` is in time order and does not overlap. Absent
/// where the readings are too few or the load explains under half of their variance.
std::optional<AveragingWindow> averaging_window(std::span<const Tick> readings,
                                                std::span<const Span> loaded, double period_s);

}  // namespace llem::analysis
