#include "analysis/precision.hpp"

#include "stats/interval.hpp"

namespace llem::analysis {

namespace {

using domain::ConfigurationResult;

const std::optional<domain::Aggregate>& number_of(const ConfigurationResult& configuration,
                                                  domain::PrecisionMetric metric) {
  switch (metric) {
    case domain::PrecisionMetric::gross_j_per_output_token:
      break;
    case domain::PrecisionMetric::net_j_per_output_token:
      return configuration.net_j_per_output_token;
    case domain::PrecisionMetric::gross_j_per_request:
      return configuration.gross_j_per_request;
    case domain::PrecisionMetric::output_tokens_per_s:
      return configuration.output_tokens_per_s;
  }
  return configuration.gross_j_per_output_token;
}

void flag(ConfigurationResult& configuration) {
  configuration.codes.emplace_back("precision_not_reached");
  if (configuration.state == domain::ValidityState::valid) {
    configuration.state = domain::ValidityState::flagged;
  }
}

}  // namespace

Knowledge knowledge_of(const ConfigurationResult& configuration, domain::PrecisionMetric metric) {
  const auto& number = number_of(configuration, metric);
  Knowledge knowledge;
  if (number) {
    knowledge.n = static_cast<std::int64_t>(number->cycles.size());
  }
  if (number && number->interval) {
    knowledge.half_width_ratio =
        stats::half_width_ratio(number->value, number->interval->low, number->interval->high);
  }
  return knowledge;
}

bool suffices(const domain::Precision& rule, const Knowledge& configuration) {
  return configuration.n >= *rule.min_cycles && configuration.half_width_ratio &&
         *configuration.half_width_ratio <= rule.relative_half_width;
}

domain::PrecisionSummary precision_of(const domain::Precision& rule,
                                      const std::optional<domain::BlockDecision>& decision,
                                      std::vector<ConfigurationResult>& configurations) {
  domain::PrecisionSummary summary;
  summary.metric = rule.metric;
  summary.target_ratio = rule.relative_half_width;
  summary.min_cycles = *rule.min_cycles;
  summary.max_cycles = *rule.max_cycles;
  summary.budget_s = rule.budget_s;
  if (decision) {
    summary.verdict = decision->verdict;
    summary.blocks = decision->block;
    summary.spent_s = decision->spent_s;
  }
  for (ConfigurationResult& configuration : configurations) {
    const Knowledge known = knowledge_of(configuration, rule.metric);
    const bool reached = suffices(rule, known);
    summary.configurations.push_back(
        {configuration.config_hash, known.n, known.half_width_ratio, reached});
    if (!reached && decision && decision->ends()) {
      flag(configuration);
    }
  }
  return summary;
}

}  // namespace llem::analysis
