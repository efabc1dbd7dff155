#pragma once

// Owns: how much of a spread belongs to which level of repetition.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "stats/interval.hpp"

namespace llem::stats {

/// One-way random effects y_ij = μ + a_i + e_ij: components by the analysis of variance (method of
/// moments), σ²_a = (MSB − MSW)/n₀ with n₀ = (N − Σn_i²/N)/(a − 1) for groups of unlike size
/// (Searle, Casella & McCulloch 1992, chapter 3). Intervals: of σ²_e by χ²; of σ²_a after Williams
/// (1962, Biometrika 49, 278), with the mean square of the unweighted group means (Thomas &
/// Hultquist 1978, Ann. Stat. 6, 582) in place of MSB, which is the same number for groups of one
/// size.
struct VarianceComponents {
  double mean = 0;     // of the group means
  double between = 0;  // σ²_a; negative where groups differ less than their values let expect
  double within = 0;   // σ²_e
  std::optional<Interval> between_interval;  // absent below three groups
  Interval within_interval;
};

/// Absent below two groups, and where no group has two values. Groups are not empty.
std::optional<VarianceComponents> variance_components(
    const std::vector<std::vector<double>>& groups, double level = 0.95);

}  // namespace llem::stats
