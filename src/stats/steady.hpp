#pragma once

// Owns: whether a series still moves, judged after the fact: its trend against its own noise, and
// the truncation point of MSER-5.

#include <cstddef>
#include <optional>
#include <span>

namespace llem::stats {

/// A straight line through a series. Residuals that follow each other count as fewer values,
/// n_eff = n(1 − r)/(1 + r) with their lag-one correlation r ≥ 0 (Santer et al., J. Geophys. Res.
/// 105 (2000) 7337).
struct Trend {
  double slope = 0;
  double u_slope = 0;  // standard error
  double mean = 0;
  double span = 0;  // of x
  std::size_t n = 0;
  /// Whether the 99 % interval of the slope, t(n_eff − 2), leaves out 0: several are judged at
  /// once.
  bool significant = false;
};

/// Absent below three values, or where they share one x.
std::optional<Trend> trend_of(std::span<const double> x, std::span<const double> y);

/// Where MSER would cut the beginning of a series off, and what that would change.
struct Truncation {
  std::size_t batches = 0;    // whole ones; values of a last, smaller one are left out
  std::size_t discarded = 0;  // batches before the truncation point; at most half
  double mean = 0;            // of all batches
  double kept_mean = 0;       // of those after the truncation point
  double u_effect = 0;        // standard error of kept_mean − mean, from the scatter of the kept
};

/// MSER: the d that minimises Σ_{i>d}(x_i − x̄_d)²/(n − d)², the earliest of equal ones (White,
/// Simulation 69 (1997) 323), over means of `batch_size` values; MSER-5 with five (Spratt 1998, in
/// White, Cobb and Spratt, Proc. Winter Simulation Conf. 2000, 755). Absent below two batches.
std::optional<Truncation> mser(std::span<const double> values, std::size_t batch_size = 5);

}  // namespace llem::stats
