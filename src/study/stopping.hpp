#pragma once

// Owns: when a study that aims at a precision ends. Pure. Whole blocks only, never before the
// declared minimum and never after the declared maximum: so the final interval keeps its coverage
// (docs/methodology/stopping.md).

#include <cstdint>
#include <span>

#include "analysis/precision.hpp"
#include "config/config.hpp"
#include "domain/plan.hpp"

namespace llem::study {

/// After so many whole blocks. A configuration without any value is waited for no longer than the
/// others need; without a value of any of them nothing is reached. The rule is resolved.
domain::BlockVerdict decide(const domain::Precision& rule, std::int64_t blocks, double spent_s,
                            std::span<const analysis::Knowledge> configurations);

/// After how many blocks the precision can be reached, when so many are whole.
std::int64_t soonest_end(const domain::Precision& rule, std::int64_t blocks);

/// What is left of a study by its trials, cut by its budget: it ends with the block that uses it
/// up. `block` is the time of one that is certain (least) and possible (most).
config::TimeRange within_budget(const domain::Precision& rule, double spent_s,
                                config::TimeRange left, config::TimeRange block);

}  // namespace llem::study
