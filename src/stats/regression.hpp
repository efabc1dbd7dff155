#pragma once

// Owns: straight lines and convergence tests on short series.

#include <span>

namespace llem::stats {

struct Line {
  double intercept = 0;
  double slope = 0;
  double slope_standard_error = 0;
};

/// Ordinary least squares; needs at least two distinct x.
Line fit_line(std::span<const double> x, std::span<const double> y);

struct SteadyCriteria {
  static constexpr int kQuickBlocks = 3;  // under the quick profile
  int blocks = 5;                         // last so many are judged
  double max_cv = 0.03;
  double max_relative_slope = 0.01;  // |slope| × span of the blocks / mean
};

struct SteadyVerdict {
  bool enough_blocks = false;
  double cv = 0;
  double relative_slope = 0;
  bool steady = false;
};

/// Judges the last `criteria.blocks` values of a series whose block centres are `t`.
SteadyVerdict judge_steady(std::span<const double> t, std::span<const double> values,
                           const SteadyCriteria& criteria);

}  // namespace llem::stats
