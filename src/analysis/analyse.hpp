#pragma once

// Owns: recordings to results. Total and pure: it cannot fail, only flag.

#include <optional>
#include <span>
#include <vector>

#include "domain/recording.hpp"
#include "domain/summary.hpp"
#include "domain/user_factors.hpp"

namespace llem::analysis {

/// Every number shares one window [a, b) and one token set: the served passes of the window.
/// `factors` give energy a price and emissions.
domain::TrialResult analyse(const domain::Recording& recording,
                            const domain::UserFactors& factors = {});

/// Over all trials of one configuration. Headline: ratio of sums with a t interval over cycles.
domain::ConfigurationResult aggregate(const domain::Configuration& configuration,
                                      std::span<const domain::TrialResult> trials);

/// `decision`: what a study with `study.precision` decided last.
domain::Summary summarise(const domain::Plan& plan, std::span<const domain::TrialResult> trials,
                          const std::optional<domain::BlockDecision>& decision = {});

}  // namespace llem::analysis
