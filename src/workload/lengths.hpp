#pragma once

// Owns: how many prompts a pass takes, and lengths drawn from a rule.

#include <cstdint>
#include <string_view>

#include "base/random.hpp"
#include "domain/study_config.hpp"

namespace llem::workload {

/// Requests of one pass: static passes are whole batches.
std::int64_t pass_size(const domain::Workload& workload, const domain::Deploy& deploy);

/// Requests of the warm-up pass: one batch.
std::int64_t warmup_size(const domain::Deploy& deploy);

/// One length in tokens; `exact` and `max` draw nothing.
std::int64_t draw_length(const domain::LengthRule& rule, base::Random& random);

/// The random numbers of one pass: pass p has the same ones whatever comes before it.
base::Random pass_random(const domain::Workload& workload, std::string_view purpose,
                         std::uint64_t block, std::uint64_t pass);

}  // namespace llem::workload
