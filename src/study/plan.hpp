#pragma once

// Owns: from the points of a study to a plan, and what it will cost in time and memory.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assets/assets.hpp"
#include "base/error.hpp"
#include "config/config.hpp"
#include "domain/plan.hpp"
#include "predict/transformer.hpp"

namespace llem::study {

/// The files a point is measured with, as found on this machine.
struct PointAssets {
  const assets::ResolvedModel* model = nullptr;
  const assets::PromptSet* dataset = nullptr;
};

/// Pure. `assets` has one entry a point. Points with the same content become one configuration that
/// carries every label; the trials stand in the order they run. Fails where the order asked for is
/// impossible.
Expected<domain::Plan> make_plan(std::string_view name, config::Space space,
                                 std::span<const PointAssets> assets,
                                 std::string_view tool_version);

/// A plan for the same run directory after the study changed: trials of `before` whose
/// configuration and cycle are still planned keep their numbers and come first; what is new gets
/// numbers from `unused` on: no directory and no manifest line has them.
domain::Plan replan(const domain::Plan& before, domain::Plan after, std::int64_t unused);

/// The plan without rests: how fast trials follow is no part of what they measure.
domain::Plan without_rests(domain::Plan plan);

/// What differs between two plans in words, a line each; empty when the same trials follow.
std::vector<std::string> differences(const domain::Plan& before, const domain::Plan& after);

struct PointPrediction {
  config::TimeRange declared;  // of one trial
  predict::MemoryFit memory;
};

PointPrediction predict_point(const domain::Configuration& configuration,
                              const domain::ModelFacts& facts, double available_bytes);

}  // namespace llem::study
