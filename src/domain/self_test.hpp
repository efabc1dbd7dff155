#pragma once

// Owns: what trials of one deployment, compared with each other, say about a machine's noise.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/result.hpp"
#include "domain/summary.hpp"

namespace llem::domain {

/// Of one metric. Two trials that followed each other make a pair; which of them is called A is
/// drawn, as the order of two deployments within a block would be.
struct Noise {
  std::string metric;  // "gross_j_per_output_token", "output_tokens_per_s"
  Provenance source = Provenance::derived;
  std::int64_t pairs = 0;
  double mean = 0;
  double variation_ratio = 0;                  // standard deviation of the trials / mean
  double a_to_b_ratio = 1;                     // geometric mean over the pairs; the truth is 1
  std::optional<IntervalValue> interval;       // of that ratio
  std::optional<double> false_positive_ratio;  // of the ways to call one A; 0.05 is right
  double detectable_5_ratio = 0;   // smallest difference that 5 pairs show with a power of 0.8
  double detectable_10_ratio = 0;  // the same of 10 pairs
  std::optional<Drift> drift;
  static const base::Table& table();
};

struct SelfTest {
  std::string schema = "self_test";
  std::string schema_version = "1.0.0";
  std::string tool_version;
  std::string directory;  // of the run that was evaluated
  std::string config_hash;
  std::int64_t trials = 0;    // with a result
  std::int64_t unusable = 0;  // of them invalid
  std::vector<Noise> metrics;
  static const base::Table& table();
};

}  // namespace llem::domain
