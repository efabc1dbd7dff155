#pragma once

// Owns: summaries of errors over many runs.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace llem::fidelity {

class Errors {
 public:
  void add(double error) { errors_.push_back(error); }

  std::size_t count() const { return errors_.size(); }

  double mean() const {
    return std::accumulate(errors_.begin(), errors_.end(), 0.0) /
           static_cast<double>(errors_.size());
  }

  double deviation() const {
    const double centre = mean();
    double squares = 0;
    for (const double error : errors_) {
      squares += (error - centre) * (error - centre);
    }
    return std::sqrt(squares / static_cast<double>(errors_.size() - 1));
  }

  /// The largest in magnitude.
  double largest() const { return quantile(1); }

  /// Of the magnitudes.
  double quantile(double p) const {
    std::vector<double> sizes;
    for (const double error : errors_) {
      sizes.push_back(std::abs(error));
    }
    std::sort(sizes.begin(), sizes.end());
    return sizes[static_cast<std::size_t>(p * static_cast<double>(sizes.size() - 1) + 0.5)];
  }

 private:
  std::vector<double> errors_;
};

}  // namespace llem::fidelity
