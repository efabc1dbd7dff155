#include "domain/summary.hpp"

#include <array>

namespace llem::domain {

using base::field;

const base::Table& Aggregate::table() {
  static constexpr std::array fields{
      field<&Aggregate::value>("value", "The value"),
      field<&Aggregate::interval>("interval", "Random interval over cycles; absent below three"),
      field<&Aggregate::u_systematic>(
          "u_systematic",
          "Standard uncertainty from systematic effects (k = 1), apart from the random one"),
      field<&Aggregate::cv_ratio>("cv_ratio", "Coefficient of variation", {.unit = "1"}),
      field<&Aggregate::cycles>("cycles", "Each cycle's own value"),
      field<&Aggregate::method>("method", "How it was obtained"),
      field<&Aggregate::median>("median", "Median of the cycles, where one is an outlier"),
      field<&Aggregate::hodges_lehmann>(
          "hodges_lehmann", "Median of the means of all pairs of cycles, where one is an outlier"),
      field<&Aggregate::source>("source", "measured, derived or estimated")};
  static constexpr base::Table table{"aggregate", "One number over the cycles of a configuration",
                                     fields};
  return table;
}

const base::Table& VarianceComponents::table() {
  static constexpr std::array fields{
      field<&VarianceComponents::metric>("metric", "gross_j_per_output_token, output_tokens_per_s"),
      field<&VarianceComponents::n_launches>("n_launches", "Launches of the engine: trials"),
      field<&VarianceComponents::n_runs>("n_runs", "Runs of all launches: windows"),
      field<&VarianceComponents::mean>("mean", "Mean of the means of the launches"),
      field<&VarianceComponents::launch_variance>(
          "launch_variance",
          "Between launches alone, in the square of the metric's unit; negative where "
          "the runs differ more than the launches"),
      field<&VarianceComponents::launch_interval>(
          "launch_interval", "Of launch_variance; absent below three launches"),
      field<&VarianceComponents::run_variance>(
          "run_variance", "Between runs of one launch, in the square of the metric's unit"),
      field<&VarianceComponents::run_interval>("run_interval", "Of run_variance"),
      field<&VarianceComponents::launch_and_run_variance>(
          "launch_and_run_variance",
          "Between launches of one run each: the two levels cannot be told apart"),
      field<&VarianceComponents::method>("method", "anova, or launches_only")};
  static constexpr base::Table table{"variance_components",
                                     "Spread of one number by level of repetition", fields};
  return table;
}

const base::Table& Outlier::table() {
  static constexpr std::array fields{
      field<&Outlier::trial>("trial", "Number of the trial in the plan"),
      field<&Outlier::cycle>("cycle", "Cycle of the trial"),
      field<&Outlier::metric>("metric", "gross_j_per_output_token, output_tokens_per_s"),
      field<&Outlier::value>("value", "What the trial says"),
      field<&Outlier::median>("median", "What the middle trial says"),
      field<&Outlier::deviations>(
          "deviations",
          "Distance in 1.4826 times the median absolute deviation; absent where that is 0"),
      field<&Outlier::causes>("causes",
                              "Reason codes of the trial that may explain it; empty: no cause "
                              "recorded")};
  static constexpr base::Table table{
      "outlier", "A trial far from the others of its configuration; it stays in every number",
      fields};
  return table;
}

const base::Table& ConfigurationResult::table() {
  static constexpr std::array fields{
      field<&ConfigurationResult::config_hash>("config_hash", "Content hash of the configuration"),
      field<&ConfigurationResult::label>("label", "Factor levels in words"),
      field<&ConfigurationResult::same_as>("same_as",
                                           "Labels of further points with the same content"),
      field<&ConfigurationResult::factors>("factors",
                                           "Factor to level, where the factor has an effect"),
      field<&ConfigurationResult::model>("model", "Model as given"),
      field<&ConfigurationResult::engine>("engine", "Engine"),
      field<&ConfigurationResult::engine_version>("engine_version", "Version of the engine"),
      field<&ConfigurationResult::file_type>("file_type", "Type of the weights"),
      field<&ConfigurationResult::batch_size>("batch_size", "Sequences decoded together"),
      field<&ConfigurationResult::requests_per_pass>("requests_per_pass", "Requests in one pass"),
      field<&ConfigurationResult::state>("state", "valid, flagged or invalid"),
      field<&ConfigurationResult::codes>("codes", "Reason codes"),
      field<&ConfigurationResult::n_attempted>("n_attempted", "Trials tried"),
      field<&ConfigurationResult::n_used>("n_used", "Trials in the means"),
      field<&ConfigurationResult::n_failed>("n_failed", "Trials that are invalid"),
      field<&ConfigurationResult::headline_scope>("headline_scope", "Scope of the headline"),
      field<&ConfigurationResult::gross_j_per_output_token>(
          "gross_j_per_output_token", "Gross energy per output token delivered in the window",
          {.unit = "J/token"}),
      field<&ConfigurationResult::net_j_per_output_token>(
          "net_j_per_output_token", "Net energy per output token delivered in the window",
          {.unit = "J/token"}),
      field<&ConfigurationResult::gross_j_per_request>("gross_j_per_request",
                                                       "Gross energy per request", {.unit = "J"}),
      field<&ConfigurationResult::prefill_j_per_input_token>(
          "prefill_j_per_input_token",
          "Gross energy of the prefill per input token, where every cycle tells it",
          {.unit = "J/token"}),
      field<&ConfigurationResult::decode_j_per_output_token>(
          "decode_j_per_output_token",
          "Gross energy of the decode per output token, where every cycle tells it",
          {.unit = "J/token"}),
      field<&ConfigurationResult::emissions_g_per_million_output_tokens>(
          "emissions_g_per_million_output_tokens",
          "CO2 equivalent of the gross energy of a million output tokens", {.unit = "g"}),
      field<&ConfigurationResult::price_per_million_output_tokens>(
          "price_per_million_output_tokens",
          "Price of the gross energy of a million output tokens"),
      field<&ConfigurationResult::currency>("currency", "Of the price"),
      field<&ConfigurationResult::mean_power_w>("mean_power_w", "Gross energy divided by window",
                                                {.unit = "W"}),
      field<&ConfigurationResult::idle_power_w>("idle_power_w", "Idle power subtracted",
                                                {.unit = "W"}),
      field<&ConfigurationResult::output_tokens_per_s>(
          "output_tokens_per_s", "Output tokens per second", {.unit = "tokens/s"}),
      field<&ConfigurationResult::requests_per_s>("requests_per_s", "Requests per second",
                                                  {.unit = "1/s"}),
      field<&ConfigurationResult::steady_gross_j_per_output_token>(
          "steady_gross_j_per_output_token",
          "Gross energy per output token while a continuous batch is full, where every cycle tells "
          "it; absent where trials have several windows",
          {.unit = "J/token"}),
      field<&ConfigurationResult::steady_output_tokens_per_s>(
          "steady_output_tokens_per_s",
          "Output tokens per second while a continuous batch is full, where every cycle tells it; "
          "absent where trials have several windows",
          {.unit = "tokens/s"}),
      field<&ConfigurationResult::service_ttft_median_s>(
          "service_ttft_median_s", "Median service time to first token", {.unit = "s"}),
      field<&ConfigurationResult::service_ttft_p95_s>(
          "service_ttft_p95_s", "95th percentile of service time to first token", {.unit = "s"}),
      field<&ConfigurationResult::itl_median_s>("itl_median_s", "Median gap between tokens",
                                                {.unit = "s"}),
      field<&ConfigurationResult::itl_p95_s>("itl_p95_s", "95th percentile of gaps between tokens",
                                             {.unit = "s"}),
      field<&ConfigurationResult::e2e_median_s>(
          "e2e_median_s", "Median time from submission to last token", {.unit = "s"}),
      field<&ConfigurationResult::flops_per_s>("flops_per_s", "Operations per second",
                                               {.unit = "FLOP/s"}),
      field<&ConfigurationResult::mfu_ratio>(
          "mfu_ratio", "Operations per second over the dense peak", {.unit = "1"}),
      field<&ConfigurationResult::mbu_ratio>(
          "mbu_ratio", "Bytes per second over the peak bandwidth", {.unit = "1"}),
      field<&ConfigurationResult::variance>(
          "variance", "Spread by level of repetition, of two launches or more"),
      field<&ConfigurationResult::outliers>("outliers", "Trials far from the others")};
  static constexpr base::Table table{"configuration_result", "What a configuration says", fields};
  return table;
}

const base::Table& TrialRow::table() {
  static constexpr std::array fields{
      field<&TrialRow::trial>("trial", "Number of the trial in the plan"),
      field<&TrialRow::cycle>("cycle", "Which repetition, from 1"),
      field<&TrialRow::attempt>("attempt", "Which attempt, from 1"),
      field<&TrialRow::role>("role", "measured, or sentinel: the reference repeated to see drift"),
      field<&TrialRow::config_hash>("config_hash", "Content hash of the configuration"),
      field<&TrialRow::state>("state", "valid, flagged or invalid"),
      field<&TrialRow::codes>("codes", "Reason codes"),
      field<&TrialRow::message>("message", "What went wrong"),
      field<&TrialRow::duration_s>("duration_s", "From the first phase to the last",
                                   {.unit = "s"})};
  static constexpr base::Table table{"trial_row", "One trial in a summary", fields};
  return table;
}

const base::Table& Drift::table() {
  static constexpr std::array fields{
      field<&Drift::config_hash>("config_hash", "The reference configuration"),
      field<&Drift::n>("n", "Sentinel trials used"),
      field<&Drift::metric>("metric", "What was followed"),
      field<&Drift::relative_slope_per_hour>("relative_slope_per_hour",
                                             "Least-squares slope over time, per hour, divided by "
                                             "the mean"),
      field<&Drift::interval>("interval", "Of the slope"),
      field<&Drift::range_ratio>("range_ratio", "(greatest - least) / mean", {.unit = "1"})};
  static constexpr base::Table table{"drift", "What the repeated reference says", fields};
  return table;
}

const base::Table& ConfigurationPrecision::table() {
  using C = ConfigurationPrecision;
  static constexpr std::array fields{
      field<&C::config_hash>("config_hash", "Content hash of the configuration"),
      field<&C::n>("n", "Cycles that have the number"),
      field<&C::half_width_ratio>("half_width_ratio",
                                  "From the value to the farther limit of its 95 % interval, "
                                  "divided by the value; absent without an interval",
                                  {.unit = "1"}),
      field<&C::reached>("reached", "Whether that is what was asked for")};
  static constexpr base::Table table{"configuration_precision", "How well one is known", fields};
  return table;
}

const base::Table& PrecisionSummary::table() {
  using P = PrecisionSummary;
  static constexpr std::array fields{
      field<&P::metric>("metric", "The number whose interval is meant"),
      field<&P::target_ratio>("target_ratio", "Half-width asked for, as a share of the value",
                              {.unit = "1"}),
      field<&P::min_cycles>("min_cycles", "Fewest cycles of each configuration"),
      field<&P::max_cycles>("max_cycles", "Most cycles of each configuration"),
      field<&P::budget_s>("budget_s", "Time the study was given", {.unit = "s"}),
      field<&P::verdict>("verdict",
                         "reached, budget_used, maximum_used; go_on while it is not decided"),
      field<&P::blocks>("blocks", "Whole blocks when that was decided"),
      field<&P::spent_s>("spent_s", "Time used until then", {.unit = "s"}),
      field<&P::configurations>("configurations", "How well each configuration is known")};
  static constexpr base::Table table{"precision_summary",
                                     "How a study that aims at a precision ended", fields};
  return table;
}

const base::Table& Summary::table() {
  static constexpr std::array<std::string_view, 1> kSchema{"summary"};
  static constexpr std::array fields{
      field<&Summary::schema>("schema", "Name of this document's schema",
                              {.required = true, .allowed = kSchema}),
      field<&Summary::schema_version>("schema_version", "Version of that schema",
                                      {.required = true}),
      field<&Summary::study_name>("study_name", "Name of the study"),
      field<&Summary::tool_version>("tool_version", "Version of the program"),
      field<&Summary::n_planned>("n_planned", "Trials of the plan"),
      field<&Summary::n_missing>("n_missing", "Trials without a result that are needed"),
      field<&Summary::n_unneeded>("n_unneeded",
                                  "Trials of the plan left out because study.precision ended it"),
      field<&Summary::stopped>("stopped", "Why the study ended before its plan"),
      field<&Summary::precision>("precision", "How well the configurations are known"),
      field<&Summary::factors>("factors", "What varies"),
      field<&Summary::skipped>("skipped", "Points that were not measured"),
      field<&Summary::drift>("drift", "What the repeated reference says"),
      field<&Summary::configurations>("configurations", "A row a configuration",
                                      {.required = true}),
      field<&Summary::trials>("trials", "A row a trial", {.required = true})};
  static constexpr base::Table table{"summary", "What a study says", fields};
  return table;
}

}  // namespace llem::domain
