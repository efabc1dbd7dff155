#include "domain/plan.hpp"

#include <array>

#include "base/hash.hpp"

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(TrialRole) {
  static constexpr std::array<std::string_view, 2> kWords{"measured", "sentinel"};
  return kWords;
}

std::span<const std::string_view> words(BlockVerdict) {
  static constexpr std::array<std::string_view, 4> kWords{"go_on", "reached", "budget_used",
                                                          "maximum_used"};
  return kWords;
}

const base::Table& Factor::table() {
  static constexpr std::array fields{
      field<&Factor::name>("name", "Dotted path, or the name of a variant", {.required = true}),
      field<&Factor::levels>("levels", "Its levels in the order of the file", {.required = true})};
  static constexpr base::Table table{"factor", "Something that varies over the study", fields};
  return table;
}

const base::Table& SkippedPoint::table() {
  static constexpr std::array fields{
      field<&SkippedPoint::label>("label", "Factor levels in words", {.required = true}),
      field<&SkippedPoint::reason>("reason", "Why it is not measured", {.required = true})};
  static constexpr base::Table table{"skipped_point", "A point that is not measured", fields};
  return table;
}

const base::Table& Configuration::table() {
  static constexpr std::array fields{
      field<&Configuration::hash>("hash", "First 16 hex digits of the content hash",
                                  {.hashed = false}),
      field<&Configuration::label>("label", "Factor levels in words", {.hashed = false}),
      field<&Configuration::same_as>("same_as", "Labels of further points with the same content",
                                     {.hashed = false}),
      field<&Configuration::levels>("levels",
                                    "One a factor: index of its level, -1 where it has no effect",
                                    {.hashed = false}),
      field<&Configuration::model>("model", "As given", {.hashed = false}),
      field<&Configuration::model_sha256>("model_sha256", "SHA-256 of the model file"),
      field<&Configuration::model_path>("model_path", "Model file on this machine",
                                        {.hashed = false}),
      field<&Configuration::dataset_sha256>("dataset_sha256",
                                            "SHA-256 of the data set; empty for synthetic prompts"),
      field<&Configuration::dataset_path>("dataset_path", "Data set on this machine",
                                          {.hashed = false}),
      field<&Configuration::workload>("workload", "What is asked of the model"),
      field<&Configuration::deploy>("deploy", "How the model is deployed"),
      field<&Configuration::measure>("measure", "How it is measured")};
  static constexpr base::Table table{"configuration", "One point of the deployment space", fields};
  return table;
}

const base::Table& Trial::table() {
  static constexpr std::array fields{
      field<&Trial::index>("index", "Number of the trial in the plan", {.min = 0}),
      field<&Trial::configuration>("configuration", "Which configuration", {.min = 0}),
      field<&Trial::cycle>("cycle", "Which repetition, from 1", {.min = 1}),
      field<&Trial::role>("role", "measured, or sentinel: the reference repeated to see drift")};
  static constexpr base::Table table{"trial", "One execution of one configuration", fields};
  return table;
}

const base::Table& Plan::table() {
  static constexpr std::array<std::string_view, 1> kSchema{"plan"};
  static constexpr std::array fields{
      field<&Plan::schema>("schema", "Name of this document's schema",
                           {.required = true, .allowed = kSchema}),
      field<&Plan::schema_version>("schema_version", "Version of that schema", {.required = true}),
      field<&Plan::tool_version>("tool_version", "Version of the program that wrote it"),
      field<&Plan::study_name>("study_name", "Name of the study"),
      field<&Plan::study>("study", "Order, gaps and limits, every default written out"),
      field<&Plan::factors>("factors", "What varies"),
      field<&Plan::skipped>("skipped", "Points that are not measured"),
      field<&Plan::configurations>("configurations", "Every configuration once",
                                   {.required = true}),
      field<&Plan::trials>("trials", "Trials in the order they run", {.required = true})};
  static constexpr base::Table table{"plan", "What a study will do", fields};
  return table;
}

std::vector<bool> needed_trials(const Plan& plan, const std::optional<BlockDecision>& decision) {
  std::vector<bool> needed(plan.trials.size(), true);
  if (!decision || !decision->ends()) {
    return needed;
  }
  std::size_t end = 0;  // behind the last trial of the blocks that count
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    const Trial& trial = plan.trials[i];
    if (trial.role == TrialRole::measured && trial.cycle <= decision->block) {
      end = i + 1;
    }
  }
  for (std::size_t i = end; i < needed.size(); ++i) {
    needed[i] = i + 1 == needed.size() && plan.trials[i].role == TrialRole::sentinel;
  }
  return needed;
}

std::string plan_hash(const Plan& plan) {
  base::Sha256 hash;
  for (const Configuration& configuration : plan.configurations) {
    hash.update(configuration.hash.data(), configuration.hash.size());
    hash.update("\n", 1);
  }
  const std::string trials = std::to_string(plan.trials.size());
  hash.update(trials.data(), trials.size());
  return hash.hex_digest();
}

}  // namespace llem::domain
