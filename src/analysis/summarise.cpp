#include <map>
#include <string>
#include <vector>

#include "analysis/aggregate.hpp"
#include "analysis/analyse.hpp"

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

}  // namespace

domain::Summary summarise(const domain::Plan& plan, std::span<const domain::TrialResult> trials) {
  domain::Summary summary;
  summary.study_name = plan.study_name;
  summary.tool_version = plan.tool_version;
  std::map<std::string, std::vector<const domain::TrialResult*>> by_configuration;
  for (const auto& trial : trials) {
    summary.trials.push_back(row_of(trial));
    by_configuration[trial.identity.config_hash].push_back(&trial);
  }
  for (const auto& configuration : plan.configurations) {
    summary.configurations.push_back(
        aggregate(configuration, by_configuration[configuration.hash]));
  }
  return summary;
}

}  // namespace llem::analysis
