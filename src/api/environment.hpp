#pragma once

// Owns: documents about this machine and what happens on it. Private to this module.

#include <string_view>

#include <llem/events.hpp>

#include "base/json.hpp"
#include "meters/meter.hpp"

namespace llem::api {

/// environment.json: host, devices, meters, versions.
base::Json environment_json(const meters::MeterSet& meters);
base::Json event_json(const Event& event);
std::string_view event_word(EventKind kind);

}  // namespace llem::api
