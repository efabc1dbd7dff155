#include "workload/bounds.hpp"

#include <algorithm>
#include <cmath>

namespace llem::workload {

namespace {

// A log-normal without `max` is cut here: for cv <= 1 at most 3 draws in 1000 lie beyond.
// in 10^5 for cv <= 1.
constexpr double kTailDeviations = 6;

}  // namespace

std::int64_t longest_length(const domain::LengthRule& rule) {
  if (rule.exact) {
    return *rule.exact;
  }
  if (rule.max) {
    return *rule.max;
  }
  if (rule.uniform) {
    return rule.uniform->back();
  }
  if (rule.lognormal) {
    return rule.lognormal->max.value_or(static_cast<std::int64_t>(
        std::ceil(rule.lognormal->mean * (1 + kTailDeviations * rule.lognormal->cv))));
  }
  return 0;
}

std::int64_t longest_request(const domain::Workload& workload) {
  return longest_length(workload.input_tokens) + longest_length(workload.output_tokens);
}

}  // namespace llem::workload
