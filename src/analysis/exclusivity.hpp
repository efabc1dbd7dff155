#pragma once

// Owns: whether something else was on the GPUs of a deployment, before the engine started and while
// the window ran (docs/methodology/validity.md).

#include "analysis/findings.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"

namespace llem::analysis {

/// Memory that is taken while no engine of ours runs and that somebody else must hold. Old drivers
/// count their own reserve of half as much.
inline constexpr double kForeignBytes = 0x1p30;

void judge_exclusivity(const domain::Recording& recording, const Window& window,
                       Findings& findings);

}  // namespace llem::analysis
