#include "study/stopping.hpp"

#include <algorithm>

namespace llem::study {

domain::BlockVerdict decide(const domain::Precision& rule, std::int64_t blocks, double spent_s,
                            std::span<const analysis::Knowledge> configurations) {
  using enum domain::BlockVerdict;
  const auto has_value = [](const analysis::Knowledge& k) { return k.n > 0; };
  const bool all = std::ranges::all_of(configurations, [&](const analysis::Knowledge& k) {
    return !has_value(k) || analysis::suffices(rule, k);
  });
  if (blocks >= *rule.min_cycles && all && std::ranges::any_of(configurations, has_value)) {
    return reached;
  }
  if (blocks >= *rule.max_cycles) {
    return maximum_used;
  }
  return rule.budget_s && spent_s >= *rule.budget_s ? budget_used : go_on;
}

std::int64_t soonest_end(const domain::Precision& rule, std::int64_t blocks) {
  return std::max(blocks + 1, *rule.min_cycles);
}

config::TimeRange within_budget(const domain::Precision& rule, double spent_s,
                                config::TimeRange left, config::TimeRange block) {
  if (rule.budget_s) {
    const double budget_s = std::max(*rule.budget_s - spent_s, 0.0);
    left.low_s = std::min(left.low_s, std::max(budget_s, block.low_s));
    left.high_s = std::min(left.high_s, budget_s + block.high_s);
  }
  return left;
}

}  // namespace llem::study
