#pragma once

// Owns: what a result says of the energy of single requests, by definitions that it names.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"

namespace llem::domain {

/// Over the requests served in the window, each given a part of the window's gross energy. It
/// describes a division, not independent measurements.
struct RequestEnergyDefinition {
  std::string definition;  // window_average, token_time_share
  std::int64_t n = 0;
  double mean_j = 0;
  double median_j = 0;
  double p95_j = 0;
  double sum_j = 0;
  double unattributed_j = 0;  // the window's gross energy less the sum
  static const base::Table& table();
};

struct RequestEnergy {
  std::string scope;
  std::vector<RequestEnergyDefinition> definitions;
  std::optional<std::string> token_time_share_refused;  // why that definition is missing
  static const base::Table& table();
};

}  // namespace llem::domain
