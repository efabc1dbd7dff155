#include "stats/robust.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "stats/moments.hpp"

namespace llem::stats {

namespace {

constexpr std::size_t kFewest = 5;
constexpr double kFar = 5;
constexpr double kNormalScale = 1.4826;  // 1/Φ⁻¹(3/4)
// Where most values are one number, what differs by rounding alone is not far from it.
constexpr double kRounding = 1e-9;

}  // namespace

Screening screen(std::span<const double> values) {
  Screening screening;
  if (values.size() < kFewest) {
    return screening;
  }
  screening.median = median({values.begin(), values.end()});
  std::vector<double> deviations;
  for (const double value : values) {
    deviations.push_back(std::abs(value - screening.median));
  }
  screening.scale = kNormalScale * median(deviations);
  const double limit = std::max(kFar * screening.scale, kRounding * std::abs(screening.median));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (deviations[i] > limit) {
      screening.outliers.push_back(i);
    }
  }
  return screening;
}

double hodges_lehmann(std::span<const double> values) {
  LLEM_ASSERT(!values.empty(), "no values have no middle");
  std::vector<double> means;
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = i; j < values.size(); ++j) {
      means.push_back((values[i] + values[j]) / 2);
    }
  }
  return median(std::move(means));
}

}  // namespace llem::stats
