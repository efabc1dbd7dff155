#pragma once

// Owns: least squares for a few unknowns that cannot be negative, from sums over their rows.

#include <cstddef>
#include <span>
#include <vector>

namespace llem::stats {

/// XᵀX, Xᵀy and yᵀy of rows that come one by one; sums of parts add up to those of the whole.
class NormalEquations {
 public:
  /// At most 8 unknowns.
  explicit NormalEquations(std::size_t unknowns);

  void add(std::span<const double> row, double y);
  NormalEquations& operator+=(const NormalEquations& other);

  std::size_t unknowns() const { return moments_.size(); }

  std::size_t rows() const { return rows_; }

  double gram(std::size_t i, std::size_t j) const { return gram_[i * unknowns() + j]; }

  double moment(std::size_t i) const { return moments_[i]; }

  double square() const { return square_; }

 private:
  std::vector<double> gram_;
  std::vector<double> moments_;
  double square_ = 0;
  std::size_t rows_ = 0;
};

/// The solution without negative unknowns (the problem of Lawson and Hanson 1974, chapter 23): the
/// best of the unconstrained solutions over every subset of unknowns. An unknown that no row holds
/// is 0.
std::vector<double> solve_nonnegative(const NormalEquations& equations);

/// Sum of squared residuals of a solution.
double residual_square(const NormalEquations& equations, std::span<const double> solution);

/// How well rows determine linear combinations of the unknowns.
class Determination {
 public:
  explicit Determination(const NormalEquations& equations);

  /// aᵀ(XᵀX)⁻¹a: times the variance of a row, the variance of Σ aᵢ·xᵢ of the solution that may be
  /// negative. Infinite where the rows leave it open.
  double variance_factor(std::span<const double> a) const;

  /// Largest over smallest singular value of X with columns of length one (Belsley, Kuh and Welsch
  /// 1980, chapter 3).
  double condition_number() const;

 private:
  std::vector<double> scales_;   // of the columns; 0 where a column is empty
  std::vector<double> values_;   // eigenvalues of the scaled XᵀX
  std::vector<double> vectors_;  // a row an eigenvalue
};

}  // namespace llem::stats
