#include "stats/least_squares.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.hpp"

namespace llem::stats {

namespace {

constexpr std::size_t kMost = 8;
// Below this share of the largest, an eigenvalue of the scaled sums is rounding error.
constexpr double kRounding = 1e-12;

using Matrix = std::array<std::array<double, kMost>, kMost>;
using Vector = std::array<double, kMost>;

std::vector<double> column_scales(const NormalEquations& e) {
  std::vector<double> scales(e.unknowns());
  for (std::size_t i = 0; i < scales.size(); ++i) {
    scales[i] = e.gram(i, i) > 0 ? 1 / std::sqrt(e.gram(i, i)) : 0;
  }
  return scales;
}

/// Solves the scaled equations of the unknowns listed, by Cholesky's factors; absent when they are
/// not independent.
std::optional<Vector> solve_subset(const Matrix& gram, const Vector& moments,
                                   std::span<const std::size_t> subset) {
  Matrix lower{};
  Vector x{};
  const std::size_t n = subset.size();
  for (std::size_t i = 0; i < n; ++i) {
    double y = moments[subset[i]];
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = gram[subset[i]][subset[j]];
      for (std::size_t k = 0; k < j; ++k) {
        sum -= lower[i][k] * lower[j][k];
      }
      if (i != j) {
        lower[i][j] = sum / lower[j][j];
      } else if (sum <= kRounding) {
        return std::nullopt;
      } else {
        lower[i][i] = std::sqrt(sum);
      }
    }
    for (std::size_t k = 0; k < i; ++k) {
      y -= lower[i][k] * x[k];
    }
    x[i] = y / lower[i][i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) {
      x[i] -= lower[k][i] * x[k];
    }
    x[i] /= lower[i][i];
  }
  return x;
}

/// Turns the pair (p, q) of a symmetric matrix so that its element vanishes.
void rotate(Matrix& a, Matrix& v, std::size_t n, std::size_t p, std::size_t q) {
  const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const double t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, 1.0)), theta);
  const double c = 1 / std::hypot(t, 1.0);
  const double s = t * c;
  for (std::size_t k = 0; k < n; ++k) {
    const double kp = a[k][p];
    const double kq = a[k][q];
    a[k][p] = c * kp - s * kq;
    a[k][q] = s * kp + c * kq;
  }
  for (std::size_t k = 0; k < n; ++k) {
    const double pk = a[p][k];
    const double qk = a[q][k];
    a[p][k] = c * pk - s * qk;
    a[q][k] = s * pk + c * qk;
    const double vp = v[p][k];
    const double vq = v[q][k];
    v[p][k] = c * vp - s * vq;
    v[q][k] = s * vp + c * vq;
  }
}

/// Eigenvalues on the diagonal of `a`, vectors in the rows of `v`, by Jacobi's cyclic rotations
/// (Golub and Van Loan 2013, section 8.5).
void diagonalise(Matrix& a, Matrix& v, std::size_t n) {
  constexpr int kSweeps = 50;  // a handful suffices
  for (std::size_t i = 0; i < n; ++i) {
    v[i][i] = 1;
  }
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        off += std::abs(a[p][q]);
        if (a[p][q] != 0) {
          rotate(a, v, n, p, q);
        }
      }
    }
    if (off == 0) {
      return;
    }
  }
}

}  // namespace

NormalEquations::NormalEquations(std::size_t unknowns)
    : gram_(unknowns * unknowns), moments_(unknowns) {
  LLEM_ASSERT(unknowns >= 1 && unknowns <= kMost, "every subset of the unknowns is tried");
}

void NormalEquations::add(std::span<const double> row, double y) {
  for (std::size_t i = 0; i < unknowns(); ++i) {
    for (std::size_t j = 0; j < unknowns(); ++j) {
      gram_[i * unknowns() + j] += row[i] * row[j];
    }
    moments_[i] += row[i] * y;
  }
  square_ += y * y;
  ++rows_;
}

NormalEquations& NormalEquations::operator+=(const NormalEquations& other) {
  for (std::size_t i = 0; i < gram_.size(); ++i) {
    gram_[i] += other.gram_[i];
  }
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    moments_[i] += other.moments_[i];
  }
  square_ += other.square_;
  rows_ += other.rows_;
  return *this;
}

std::vector<double> solve_nonnegative(const NormalEquations& e) {
  const std::vector<double> scales = column_scales(e);
  const std::size_t n = e.unknowns();
  Matrix gram{};
  Vector moments{};
  for (std::size_t i = 0; i < n; ++i) {
    moments[i] = scales[i] * e.moment(i);
    for (std::size_t j = 0; j < n; ++j) {
      gram[i][j] = scales[i] * scales[j] * e.gram(i, j);
    }
  }
  std::vector<double> best(n);
  double most_explained = 0;
  for (unsigned mask = 1; mask < (1U << n); ++mask) {
    std::vector<std::size_t> subset;
    for (std::size_t i = 0; i < n; ++i) {
      if ((mask >> i & 1U) != 0) {
        subset.push_back(i);
      }
    }
    const auto x = solve_subset(gram, moments, subset);
    if (!x || std::any_of(x->begin(), x->end(), [](double value) { return value < 0; })) {
      continue;
    }
    double explained = 0;
    for (std::size_t k = 0; k < subset.size(); ++k) {
      explained += (*x)[k] * moments[subset[k]];
    }
    if (explained > most_explained) {
      most_explained = explained;
      std::ranges::fill(best, 0.0);
      for (std::size_t k = 0; k < subset.size(); ++k) {
        best[subset[k]] = (*x)[k] * scales[subset[k]];
      }
    }
  }
  return best;
}

double residual_square(const NormalEquations& e, std::span<const double> x) {
  double square = e.square();
  for (std::size_t i = 0; i < x.size(); ++i) {
    square -= 2 * x[i] * e.moment(i);
    for (std::size_t j = 0; j < x.size(); ++j) {
      square += x[i] * x[j] * e.gram(i, j);
    }
  }
  return std::max(0.0, square);
}

Determination::Determination(const NormalEquations& e) : scales_(column_scales(e)) {
  const std::size_t n = e.unknowns();
  Matrix gram{};
  Matrix vectors{};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      gram[i][j] = scales_[i] * scales_[j] * e.gram(i, j);
    }
  }
  diagonalise(gram, vectors, n);
  for (std::size_t i = 0; i < n; ++i) {
    values_.push_back(gram[i][i]);
    vectors_.insert(vectors_.end(), vectors[i].begin(), vectors[i].begin() + n);
  }
}

double Determination::variance_factor(std::span<const double> a) const {
  const std::size_t n = values_.size();
  const double largest = *std::ranges::max_element(values_);
  double length = 0;
  for (std::size_t k = 0; k < n; ++k) {
    if (a[k] != 0 && scales_[k] == 0) {
      return std::numeric_limits<double>::infinity();
    }
    length += a[k] * scales_[k] * a[k] * scales_[k];
  }
  double factor = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double along = 0;
    for (std::size_t k = 0; k < n; ++k) {
      along += vectors_[i * n + k] * a[k] * scales_[k];
    }
    if (values_[i] > kRounding * largest) {
      factor += along * along / values_[i];
    } else if (along * along > kRounding * length) {
      return std::numeric_limits<double>::infinity();
    }
  }
  return factor;
}

double Determination::condition_number() const {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    largest = std::max(largest, values_[i]);
  }
  // Empty columns have eigenvalues of exactly 0 and are no unknowns.
  const auto empty = static_cast<std::size_t>(std::ranges::count(scales_, 0.0));
  std::vector<double> sorted = values_;
  std::ranges::sort(sorted);
  smallest = empty < sorted.size() ? sorted[empty] : 0;
  return smallest > kRounding * largest ? std::sqrt(largest / smallest)
                                        : std::numeric_limits<double>::infinity();
}

}  // namespace llem::stats
