#pragma once

// Owns: whether throughput, power and temperature stood still, after the fact
// (docs/methodology/warmup.md).

#include <cstddef>
#include <string>

#include "analysis/window.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

/// How many of the last blocks of a warm-up its recorder judges.
std::size_t judged_blocks(const domain::Recording& recording);

/// Power is that of the headline's scopes.
domain::Steady steady(const domain::Recording& recording, const Window& window,
                      const std::optional<domain::Energy>& energy);

/// What failed, in words; empty when nothing did.
std::string unsteady(const domain::Steady& steady);

/// Whether something failed in the window itself, not only in the warm-up before it.
bool moved_in_window(const domain::Steady& steady);

}  // namespace llem::analysis
