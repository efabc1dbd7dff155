#pragma once

// Owns: documents about this machine and this plan. Private to this module.

#include <string>
#include <vector>

#include <llem/events.hpp>
#include <llem/study.hpp>

#include "base/json.hpp"
#include "domain/plan.hpp"
#include "meters/meter.hpp"
#include "study/plan.hpp"

namespace llem::api {

/// environment.json: host, devices, meters, versions.
base::Json environment_json(const meters::MeterSet& meters);
base::Json event_json(const Event& event);
std::string_view event_word(EventKind kind);

PlanOutcome describe_plan(const domain::Plan& plan, const study::PointPrediction& point,
                          const std::vector<std::string>& notes, const std::string& root,
                          std::int64_t cycles);

}  // namespace llem::api
