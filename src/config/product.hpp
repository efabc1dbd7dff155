#pragma once

// Owns: every combination of the levels of several axes, where some have no effect under some
// engines.

#include <cstdint>
#include <vector>

#include "config/axes.hpp"

namespace llem::config {

struct Combination {
  std::vector<std::int64_t> levels;  // one an axis, -1 where it has no effect
  domain::EngineKind engine = domain::EngineKind::llamacpp;
};

/// In the order of an odometer: the last axis fastest. More than `most`, together with `further`
/// points, are refused before any is made.
Expected<std::vector<Combination>> make_product(const LoadedStudy& study, const Places& places,
                                                const std::vector<Axis>& axes, std::int64_t most,
                                                std::int64_t further);

/// Whether a level of some axis says which engine runs.
bool engine_varies(const std::vector<Axis>& axes);

}  // namespace llem::config
