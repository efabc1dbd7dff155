#pragma once

// Owns: rate and energy of the part of a window in which a continuously filled batch is full
// (docs/methodology/warmup.md).

#include <optional>

#include "analysis/full_batch.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

/// `energy` is that of the whole window; the scopes of its headline are measured again over each
/// stretch.
domain::SteadyWindow steady_window(const domain::Recording& recording, const Window& window,
                                   const FullBatch& full,
                                   const std::optional<domain::Energy>& energy);

}  // namespace llem::analysis
