#pragma once

// Owns: the two numbers of a trial by which deployments are compared.

#include <optional>

#include "domain/result.hpp"

namespace llem::analysis {

/// J/output token, gross; absent where energy is.
inline std::optional<domain::Value> headline_energy(const domain::TrialResult& result) {
  return result.efficiency ? result.efficiency->gross_j_per_output_token : std::nullopt;
}

/// Output tokens/s.
inline std::optional<domain::Value> headline_rate(const domain::TrialResult& result) {
  if (!result.throughput) {
    return std::nullopt;
  }
  domain::Value value;
  value.value = result.throughput->output_tokens_per_s;
  return value;
}

}  // namespace llem::analysis
