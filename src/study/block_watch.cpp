#include "study/block_watch.hpp"

#include <algorithm>
#include <string_view>
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

std::string verdict_words(const domain::Precision& rule, const domain::BlockDecision& decision) {
  switch (decision.verdict) {
    case domain::BlockVerdict::go_on:
      return decision.block < *rule.min_cycles
                 ? fmt::format("goes on, at least to cycle {}", *rule.min_cycles)
                 : "goes on";
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
                                   const domain::UserFactors& factors, ResultsByAttempt& results) {
  if (!plan_.study.precision) {
    return {};
  }
  LLEM_ASSIGN(latest_, decision_in(plan_, directory));
  look_ahead();
  // Recordings that cannot be read are told of where their trial is looked at.
  LLEM_ASSIGN(Gathered gathered, gather(plan_, directory, {}, factors, [](const Event&) {}));
  const std::set<std::int64_t> later = trials_after_decision();
  spent_before_s_ = latest_ ? latest_->spent_s : 0;
  for (domain::TrialResult& result : gathered.results) {
    // What followed the last decision was not counted by it.
    if (later.contains(result.identity.trial)) {
      spent_before_s_ += result.identity.duration_s;
    }
    results.emplace(std::pair(result.identity.trial, result.identity.attempt), std::move(result));
  }
  return {};
}

std::set<std::int64_t> BlockWatch::trials_after_decision() const {
  std::set<std::int64_t> later;
  for (std::size_t i = plan_.trials.size(); i > 0; --i) {
    if (latest_ && whole_[i - 1] == latest_->block) {
      break;
    }
    later.insert(plan_.trials[i - 1].index);
  }
  return later;
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
  const double spent = spent_s(now);
  const auto known = knowledge(block, results);
  return domain::BlockDecision{block, study::decide(*plan_.study.precision, block, spent, known),
                               spent};
}

config::TimeRange BlockWatch::left(const Forecast& forecast, MonotonicTime now) const {
  const config::TimeRange trials = forecast.remaining();
  // How much of the current block is over is not looked at: nothing of it is certain.
  return plan_.study.precision && !(latest_ && latest_->ends())
             ? within_budget(*plan_.study.precision, spent_s(now), trials,
                             {0, forecast.cycle().high_s})
             : trials;
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
  std::string text = verdict_words(rule, *latest_);
  const auto add_count = [&](auto which, std::string_view what) {
    if (const auto n = std::ranges::count_if(known, which); n > 0) {
      text += fmt::format("; {} of {} {}", n, known.size(), what);
    }
  };
  const auto widest = std::ranges::max_element(known, {}, &analysis::Knowledge::half_width_ratio);
  if (widest->half_width_ratio) {
    text += fmt::format("; ±{} %, ±{} % asked for",
                        base::significant(100 * *widest->half_width_ratio, 3),
                        base::shortest(100 * rule.relative_half_width));
  }
  add_count(
      [](const analysis::Knowledge& k) { return k.n == 0; },
      fmt::format("without {}", domain::words(rule.metric)[static_cast<std::size_t>(rule.metric)]));
  if (latest_->block >= *rule.min_cycles) {
    add_count([&](const analysis::Knowledge& k) { return k.n > 0 && !analysis::suffices(rule, k); },
              "short of it");
  }
  return text;
}

std::string BlockWatch::verdict() const {
  return std::string(domain::words(latest_->verdict)[static_cast<std::size_t>(latest_->verdict)]);
}

}  // namespace llem::study
