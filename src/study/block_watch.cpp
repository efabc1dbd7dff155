#include "study/block_watch.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "analysis/aggregate.hpp"
#include "analysis/precision.hpp"
#include "base/text.hpp"
#include "study/stopping.hpp"

namespace llem::study {

namespace {

/// By position: the cycle of which it holds the last measured trial, or 0.
std::vector<std::int64_t> ends_of_blocks(const domain::Plan& plan) {
  std::vector<std::int64_t> ends(plan.trials.size(), 0);
  std::unordered_map<std::int64_t, std::size_t> last;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (plan.trials[i].role == domain::TrialRole::measured) {
      last[plan.trials[i].cycle] = i;
    }
  }
  for (const auto& [cycle, position] : last) {
    ends[position] = cycle;
  }
  return ends;
}

std::string verdict_words(const domain::Precision& rule, domain::BlockVerdict verdict) {
  switch (verdict) {
    case domain::BlockVerdict::go_on:
      return "goes on";
    case domain::BlockVerdict::reached:
      return "precision reached";
    case domain::BlockVerdict::budget_used:
      return fmt::format("ends: {} are used up", base::format_duration(*rule.budget_s));
    case domain::BlockVerdict::maximum_used:
      break;
  }
  return "ends: no further cycle is allowed";
}

}  // namespace

Expected<std::optional<domain::BlockDecision>> decision_in(const domain::Plan& plan,
                                                           const store::RunDirectory& directory) {
  if (!plan.study.precision) {
    return std::nullopt;
  }
  LLEM_ASSIGN(const auto lines, directory.read_decisions());
  return store::fold_blocks(lines);
}

BlockWatch::BlockWatch(const domain::Plan& plan, MonotonicTime begin)
    : plan_(plan), begin_(begin), whole_(plan.trials.size(), 0) {
  if (plan.study.precision) {
    whole_ = ends_of_blocks(plan);
  }
  look_ahead();
}

Expected<void> BlockWatch::take_up(const store::RunDirectory& directory,
                                   const domain::CostFactors& factors,
                                   ResultsByAttempt& results) {
  if (!plan_.study.precision) {
    return {};
  }
  LLEM_ASSIGN(latest_, decision_in(plan_, directory));
  look_ahead();
  // Recordings that cannot be read are told of where their trial is looked at.
  LLEM_ASSIGN(Gathered gathered, gather(plan_, directory, {}, factors, [](const Event&) {}));
  const std::int64_t decided = latest_ ? latest_->block : 0;
  spent_before_s_ = latest_ ? latest_->spent_s : 0;
  for (domain::TrialResult& result : gathered.results) {
    // What followed the last decision was not counted by it.
    if (result.identity.role == domain::TrialRole::measured && result.identity.cycle > decided) {
      spent_before_s_ += result.identity.duration_s;
    }
    results.emplace(std::pair(result.identity.trial, result.identity.attempt), std::move(result));
  }
  return {};
}

std::vector<analysis::Knowledge> BlockWatch::knowledge(std::int64_t blocks,
                                                       const ResultsByAttempt& results) const {
  std::unordered_map<std::string_view, std::vector<const domain::TrialResult*>> by_configuration;
  for (const auto& [key, result] : results) {
    if (result.identity.role == domain::TrialRole::measured && result.identity.cycle <= blocks) {
      by_configuration[result.identity.config_hash].push_back(&result);
    }
  }
  std::vector<analysis::Knowledge> all;
  for (const domain::Configuration& configuration : plan_.configurations) {
    all.push_back(analysis::knowledge_of(
        analysis::aggregate(configuration, by_configuration[configuration.hash]),
        plan_.study.precision->metric));
  }
  return all;
}

std::optional<domain::BlockDecision> BlockWatch::due_at(std::size_t position,
                                                        const ResultsByAttempt& results,
                                                        MonotonicTime now) const {
  const std::int64_t block = whole_[position];
  if (block == 0 || (latest_ && (latest_->ends() || latest_->block >= block))) {
    return std::nullopt;
  }
  const double spent_s = spent_before_s_ + Seconds(now - begin_).count();
  const auto known = knowledge(block, results);
  return domain::BlockDecision{block, study::decide(*plan_.study.precision, block, spent_s, known),
                               spent_s};
}

void BlockWatch::take(const domain::BlockDecision& decision) {
  latest_ = decision;
  look_ahead();
}

void BlockWatch::look_ahead() {
  needed_ = domain::needed_trials(plan_, latest_);
  surely_needed_ = needed_;
  if (plan_.study.precision && !(latest_ && latest_->ends())) {
    const std::int64_t soonest = soonest_end(*plan_.study.precision, latest_ ? latest_->block : 0);
    surely_needed_ = domain::needed_trials(
        plan_, domain::BlockDecision{soonest, domain::BlockVerdict::reached, 0});
  }
}

std::string BlockWatch::words(const ResultsByAttempt& results) const {
  const domain::Precision& rule = *plan_.study.precision;
  const auto known = knowledge(latest_->block, results);
  const auto short_of_it = std::ranges::count_if(
      known, [&](const analysis::Knowledge& k) { return k.n > 0 && !analysis::suffices(rule, k); });
  const auto without =
      std::ranges::count_if(known, [](const analysis::Knowledge& k) { return k.n == 0; });
  const auto widest = std::ranges::max_element(
      known, {}, [](const analysis::Knowledge& k) { return k.half_width_ratio.value_or(-1); });
  std::string text = verdict_words(rule, latest_->verdict);
  if (widest != known.end() && widest->half_width_ratio) {
    text += fmt::format("; widest interval ±{} %, ±{} % asked for",
                        base::significant(100 * *widest->half_width_ratio, 3),
                        base::shortest(100 * rule.relative_half_width));
  }
  text += fmt::format("; {} of {} configurations are short of it", short_of_it, known.size());
  return text + (without > 0 ? fmt::format(", {} have no value", without) : "");
}

}  // namespace llem::study
