#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/aggregate.hpp"
#include "analysis/analyse.hpp"
#include "analysis/precision.hpp"

namespace llem::analysis {

namespace {

std::optional<std::string> failure_of(const domain::TrialResult& result) {
  for (const auto& code : result.validity.codes) {
    if (code.severity == "invalid") {
      return code.evidence.empty() ? code.code : code.code + ": " + code.evidence;
    }
  }
  return std::nullopt;
}

domain::TrialRow row_of(const domain::TrialResult& result) {
  domain::TrialRow row;
  row.trial = result.identity.trial;
  row.cycle = result.identity.cycle;
  row.attempt = result.identity.attempt;
  row.role = result.identity.role;
  row.duration_s = result.identity.duration_s;
  row.config_hash = result.identity.config_hash;
  row.state =
      domain::words(domain::ValidityState{})[static_cast<std::size_t>(result.validity.state)];
  for (const auto& code : result.validity.codes) {
    row.codes.push_back(code.code);
  }
  if (result.validity.state == domain::ValidityState::invalid) {
    row.message = failure_of(result);
  }
  return row;
}

std::map<std::string, std::string> levels_of(const domain::Plan& plan,
                                             const domain::Configuration& configuration) {
  std::map<std::string, std::string> levels;
  for (std::size_t i = 0; i < plan.factors.size() && i < configuration.levels.size(); ++i) {
    const std::int64_t level = configuration.levels[i];
    const auto& names = plan.factors[i].levels;
    if (level >= 0 && level < static_cast<std::int64_t>(names.size())) {
      levels[plan.factors[i].name] = names[static_cast<std::size_t>(level)];
    }
  }
  return levels;
}

/// Trials of the plan without a result: those that are needed, and those that are not.
void count_absent(domain::Summary& summary, const domain::Plan& plan,
                  const std::set<std::int64_t>& present,
                  const std::optional<domain::BlockDecision>& decision) {
  const std::vector<bool> needed = domain::needed_trials(plan, decision);
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (!present.contains(plan.trials[i].index)) {
      ++(needed[i] ? summary.n_missing : summary.n_unneeded);
    }
  }
}

}  // namespace

domain::Summary summarise(const domain::Plan& plan, std::span<const domain::TrialResult> trials,
                          const std::optional<domain::BlockDecision>& decision) {
  domain::Summary summary;
  summary.study_name = plan.study_name;
  summary.tool_version = plan.tool_version;
  std::map<std::string, std::vector<const domain::TrialResult*>> by_configuration;
  summary.factors = plan.factors;
  summary.skipped = plan.skipped;
  summary.n_planned = static_cast<std::int64_t>(plan.trials.size());
  std::set<std::int64_t> present;
  std::vector<const domain::TrialResult*> sentinels;
  for (const auto& trial : trials) {
    summary.trials.push_back(row_of(trial));
    present.insert(trial.identity.trial);
    if (trial.identity.role == domain::TrialRole::sentinel) {
      sentinels.push_back(&trial);
    } else {
      by_configuration[trial.identity.config_hash].push_back(&trial);
    }
  }
  count_absent(summary, plan, present, decision);
  for (const auto& configuration : plan.configurations) {
    domain::ConfigurationResult& result = summary.configurations.emplace_back(
        aggregate(configuration, by_configuration[configuration.hash]));
    result.same_as = configuration.same_as;
    result.factors = levels_of(plan, configuration);
  }
  if (plan.study.precision) {
    summary.precision = precision_of(*plan.study.precision, decision, summary.configurations);
  }
  summary.drift = drift_of(sentinels);
  return summary;
}

}  // namespace llem::analysis
