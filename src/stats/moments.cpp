#include "stats/moments.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace llem::stats {

void Moments::add(double x) {
  ++n_;
  const double from_old = x - mean_;
  mean_ += from_old / static_cast<double>(n_);
  m2_ += from_old * (x - mean_);
}

void Moments::merge(const Moments& other) {
  if (other.n_ == 0) {
    return;
  }
  if (n_ == 0) {
    *this = other;
    return;
  }
  const auto ours = static_cast<double>(n_);
  const auto theirs = static_cast<double>(other.n_);
  const double apart = other.mean_ - mean_;
  mean_ += apart * theirs / (ours + theirs);
  m2_ += other.m2_ + apart * apart * ours * theirs / (ours + theirs);
  n_ += other.n_;
}

std::optional<double> Moments::variance() const {
  if (n_ < 2) {
    return std::nullopt;
  }
  return m2_ / static_cast<double>(n_ - 1);
}

std::optional<double> Moments::standard_deviation() const {
  const auto squared = variance();
  return squared ? std::optional(std::sqrt(*squared)) : std::nullopt;
}

Moments moments(std::span<const double> values) {
  Moments all;
  for (const double value : values) {
    all.add(value);
  }
  return all;
}

double quantile_sorted(std::span<const double> sorted, double p) {
  LLEM_ASSERT(!sorted.empty(), "no values have no quantile");
  LLEM_ASSERT(p >= 0 && p <= 1, "a quantile's p is a probability");
  const double rank = static_cast<double>(sorted.size() - 1) * p;
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - static_cast<double>(below));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile_sorted(values, 0.5);
}

}  // namespace llem::stats
