#pragma once

// Owns: aggregation without copying results, for studies of many trials.

#include <string>
#include <vector>

#include "domain/plan.hpp"
#include "domain/summary.hpp"

namespace llem::analysis {

domain::ConfigurationResult aggregate(const domain::Configuration& configuration,
                                      std::vector<const domain::TrialResult*> trials);

/// What the repeated reference says of energy and rate over the study; empty below two trials.
std::vector<domain::Drift> drift_of(const std::vector<const domain::TrialResult*>& sentinels);

/// "Q4_1": as a trial's engine reported it, else as the model file is named; empty when neither
/// says.
std::string file_type(const domain::Configuration& configuration,
                      const std::vector<const domain::TrialResult*>& trials);

}  // namespace llem::analysis
