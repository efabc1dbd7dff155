#pragma once

// Owns: confidence intervals with their method's name. Absent is an answer: two values have no
// interval.

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace llem::stats {

struct Interval {
  double low = 0;
  double high = 0;
  double level = 0.95;
  std::string method;
  std::size_t n = 0;
};

/// From the value to the farther limit of its interval, divided by the value; absent at zero.
std::optional<double> half_width_ratio(double value, double low, double high);

/// Quantile of Student's t with `df` degrees of freedom.
double student_quantile(double p, double df);

/// Mean ± t·s/√n; absent below n = 3.
std::optional<Interval> mean_interval(std::span<const double> values, double level = 0.95);

/// Ratio of sums R = Σe/Σn over paired observations, delta method with t(n−1): u²(R) = [s_e² +
/// R²s_n² − 2R·s_en]/(n·n̄²) (Cochran 1977, 6.4). By Fieller's theorem (1954) instead when the
/// coefficient of variation of the denominator exceeds 10 %; absent when that set is unbounded, and
/// below n = 3.
struct RatioOfSums {
  double ratio = 0;
  std::optional<double> standard_error;  // absent below n = 2
  std::optional<Interval> interval;
};

RatioOfSums ratio_of_sums(std::span<const double> numerators, std::span<const double> denominators,
                          double level = 0.95);

/// Distribution-free interval for the quantile p of n *sorted* independent values from order
/// statistics (Hahn and Meeker 1991, 5.2); absent when its upper order statistic does not exist (n
/// < 72 for p95, n < 368 for p99 at 95 %).
std::optional<Interval> quantile_interval(std::span<const double> sorted, double p,
                                          double level = 0.95);

}  // namespace llem::stats
