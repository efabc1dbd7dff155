#pragma once

// Owns: how well the configurations of a study are known, by the intervals that its summary shows.

#include <cstdint>
#include <optional>
#include <vector>

#include "domain/plan.hpp"
#include "domain/summary.hpp"

namespace llem::analysis {

struct Knowledge {
  std::int64_t n = 0;                      // cycles that have the number
  std::optional<double> half_width_ratio;  // absent without an interval
};

Knowledge knowledge_of(const domain::ConfigurationResult& configuration,
                       domain::PrecisionMetric metric);

/// Whether a configuration is known as well as the rule, resolved, asks for.
bool suffices(const domain::Precision& rule, const Knowledge& configuration);

/// For a study with `study.precision`; flags the configurations that a decision has left short of
/// it.
domain::PrecisionSummary precision_of(const domain::Precision& rule,
                                      const std::optional<domain::BlockDecision>& decision,
                                      std::vector<domain::ConfigurationResult>& configurations);

}  // namespace llem::analysis
