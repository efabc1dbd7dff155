#pragma once

// Owns: finding numbers that a JSON document cannot hold.

#include <optional>
#include <string>

#include "base/json.hpp"

namespace llem::base {

/// Where a document holds NaN or an infinity ("sampler.cpu_s", "phases[2].x"); nothing where all
/// numbers are finite.
std::optional<std::string> find_not_finite(const Json& value);

}  // namespace llem::base
