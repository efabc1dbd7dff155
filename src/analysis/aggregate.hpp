#pragma once

// Owns: aggregation without copying results, for studies of many trials.

#include <vector>

#include "domain/plan.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

domain::ConfigurationResult aggregate(const domain::Configuration& configuration,
                                      std::vector<const domain::TrialResult*> trials);

}  // namespace llem::analysis
