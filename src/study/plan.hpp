#pragma once

// Owns: from a checked study to a plan, and what it will cost in time and memory.

#include <cstdint>
#include <string>
#include <vector>

#include "assets/assets.hpp"
#include "domain/plan.hpp"
#include "domain/study_config.hpp"
#include "predict/transformer.hpp"

namespace llem::study {

/// Pure. `config` is resolved.
domain::Plan make_plan(const domain::StudyConfig& config, const assets::ResolvedModel& model,
                       const assets::PromptSet& dataset, std::string_view tool_version);

struct PointPrediction {
  double shortest_s = 0;  // sum of the declared phases with the shortest warm-up
  double longest_s = 0;   // with the longest warm-up
  predict::MemoryFit memory;
};

PointPrediction predict_point(const domain::Configuration& configuration,
                              const domain::ModelFacts& facts, double available_bytes);

}  // namespace llem::study
