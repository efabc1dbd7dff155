#pragma once

// Owns: one-pass mean and variance, and order statistics. Every function is pure; n is always the
// caller's to judge.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llem::stats {

/// Welford (1962) with the pairwise merge of Chan, Golub and LeVeque (1983).
class Moments {
 public:
  void add(double x);
  void merge(const Moments& other);

  std::size_t count() const { return n_; }

  double mean() const { return mean_; }

  /// Sample variance (n − 1); absent below two values.
  std::optional<double> variance() const;
  std::optional<double> standard_deviation() const;

 private:
  std::size_t n_ = 0;
  double mean_ = 0;
  double m2_ = 0;
};

Moments moments(std::span<const double> values);

/// Quantile of *sorted* values by linear interpolation between order statistics (Hyndman and Fan
/// 1996, type 7).
double quantile_sorted(std::span<const double> sorted, double p);
double median(std::vector<double> values);

}  // namespace llem::stats
