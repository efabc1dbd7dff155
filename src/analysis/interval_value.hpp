#pragma once

// Owns: an interval as a result holds it.

#include "domain/result.hpp"
#include "stats/interval.hpp"

namespace llem::analysis {

inline domain::IntervalValue interval_value(const stats::Interval& interval) {
  return {interval.low, interval.high, interval.level, interval.method,
          static_cast<std::int64_t>(interval.n)};
}

}  // namespace llem::analysis
