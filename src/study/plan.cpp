#include "study/plan.hpp"

#include "config/config.hpp"
#include "workload/bounds.hpp"

namespace llem::study {

domain::Plan make_plan(const domain::StudyConfig& config, const assets::ResolvedModel& model,
                       const assets::PromptSet& dataset, std::string_view tool_version) {
  domain::Plan plan;
  plan.tool_version = std::string(tool_version);
  plan.study_name = config.name;
  plan.timeout_s = *config.study.timeout_s;
  domain::Configuration configuration;
  configuration.model = config.model;
  configuration.model_sha256 = model.sha256;
  configuration.model_path = model.path.string();
  configuration.dataset_sha256 = dataset.sha256;
  configuration.dataset_path = dataset.path.string();
  configuration.workload = config.workload;
  configuration.deploy = config.deploy;
  configuration.measure = config.measure;
  configuration.hash = config::content_hash(configuration);
  plan.configurations.push_back(std::move(configuration));
  for (std::int64_t cycle = 1; cycle <= config.study.cycles; ++cycle) {
    plan.trials.push_back({static_cast<std::int64_t>(plan.trials.size()), 0, cycle});
  }
  return plan;
}

PointPrediction predict_point(const domain::Configuration& configuration,
                              const domain::ModelFacts& facts, double available_bytes) {
  const domain::Measure& measure = configuration.measure;
  PointPrediction prediction;
  const double fixed = *measure.baseline.bare_s + *measure.baseline.loaded_s +
                       2 * *measure.window.pad_s + *measure.window.min_s + *measure.cooldown_s;
  prediction.shortest_s = fixed + *measure.warmup.min_s;
  prediction.longest_s = fixed + *measure.warmup.max_s;
  prediction.memory = predict::memory_fit(facts, configuration.deploy,
                                          configuration.deploy.context_length.value_or(
                                              workload::longest_request(configuration.workload)),
                                          available_bytes);
  return prediction;
}

}  // namespace llem::study
