#pragma once

// Owns: the most tokens a request of a workload can take, known before anything is tokenised.

#include <cstdint>

#include "domain/study_config.hpp"

namespace llem::workload {

/// The longest length a rule gives.
std::int64_t longest_length(const domain::LengthRule& rule);

/// Longest prompt plus longest output under the (resolved) length rules.
std::int64_t longest_request(const domain::Workload& workload);

}  // namespace llem::workload
