#pragma once

// Owns: summaries of a distribution for a result document.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/interval.hpp"

namespace llem::stats {

struct Histogram {
  double low = 0;
  double width = 0;  // of each bin; the last bin is closed on both sides
  std::vector<std::int64_t> counts;
};

/// Equal-width bins, Freedman-Diaconis rule capped to [1, 40].
Histogram histogram(std::span<const double> values);

}  // namespace llem::stats
