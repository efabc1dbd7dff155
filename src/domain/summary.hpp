#pragma once

// Owns: what all results of a study say together, a row a configuration.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "domain/plan.hpp"
#include "domain/result.hpp"

namespace llem::domain {

/// One number of a configuration over its cycles.
struct Aggregate {
  double value = 0;
  std::optional<IntervalValue> interval;  // random, over cycles; absent below three
  std::optional<double> u_systematic;
  std::optional<double> cv_ratio;  // over cycles
  std::vector<double> cycles;      // each cycle's own value, in cycle order
  std::string method;              // ratio_of_sums, mean
  std::optional<double> median;    // of the cycles; where one of them is labelled an outlier
  std::optional<double> hodges_lehmann;
  Provenance source = Provenance::derived;
  static const base::Table& table();
};

/// How far one number varies from launch to launch of the engine (a trial each), and from run to
/// run of one launch (a window each). Requests of a run share its power and are no level of their
/// own.
struct VarianceComponents {
  std::string metric;  // gross_j_per_output_token, output_tokens_per_s
  std::int64_t n_launches = 0;
  std::int64_t n_runs = 0;                // of all launches
  double mean = 0;                        // of the launches' means
  std::optional<double> launch_variance;  // alone; an estimate, so it may be negative
  std::optional<IntervalValue> launch_interval;
  std::optional<double> run_variance;
  std::optional<IntervalValue> run_interval;
  std::optional<double> launch_and_run_variance;  // where each launch has one run only
  std::string method;                             // anova, launches_only
  static const base::Table& table();
};

/// A trial far from the others of its configuration. It stays in every number.
struct Outlier {
  std::int64_t trial = 0;
  std::int64_t cycle = 1;
  std::string metric;
  double value = 0;
  double median = 0;                 // of the trials
  std::optional<double> deviations;  // from it, in 1.4826 times the median absolute deviation
  std::vector<std::string> causes;   // reason codes of the trial that may explain it
  static const base::Table& table();
};

struct ConfigurationResult {
  std::string config_hash;
  std::string label;
  std::vector<std::string> same_as;            // labels of further points with the same content
  std::map<std::string, std::string> factors;  // name to level, where it has an effect
  std::string model;
  std::string engine;
  std::string engine_version;
  std::string file_type;  // of the weights
  std::int64_t batch_size = 0;
  std::int64_t requests_per_pass = 0;
  ValidityState state = ValidityState::invalid;
  std::vector<std::string> codes;  // of all its trials, each once
  std::int64_t n_attempted = 0;
  std::int64_t n_used = 0;  // valid or flagged
  std::int64_t n_failed = 0;
  std::string headline_scope;
  std::optional<Aggregate> gross_j_per_output_token;
  std::optional<Aggregate> net_j_per_output_token;
  std::optional<Aggregate> gross_j_per_request;
  std::optional<Aggregate> prefill_j_per_input_token;  // where every cycle tells it
  std::optional<Aggregate> decode_j_per_output_token;
  std::optional<Aggregate> emissions_g_per_million_output_tokens;
  std::optional<Aggregate> price_per_million_output_tokens;
  std::optional<std::string> currency;
  std::optional<Aggregate> mean_power_w;
  std::optional<Aggregate> idle_power_w;
  std::optional<Aggregate> output_tokens_per_s;
  std::optional<Aggregate> requests_per_s;
  // While a continuous batch is full, where every cycle tells it.
  std::optional<Aggregate> steady_gross_j_per_output_token;
  std::optional<Aggregate> steady_output_tokens_per_s;
  std::optional<Aggregate> service_ttft_median_s;
  std::optional<Aggregate> service_ttft_p95_s;
  std::optional<Aggregate> itl_median_s;
  std::optional<Aggregate> itl_p95_s;
  std::optional<Aggregate> e2e_median_s;
  std::optional<Aggregate> flops_per_s;
  std::optional<Aggregate> mfu_ratio;
  std::optional<Aggregate> mbu_ratio;
  std::vector<VarianceComponents> variance;
  std::vector<Outlier> outliers;
  static const base::Table& table();
};

struct TrialRow {
  std::int64_t trial = 0;
  std::int64_t cycle = 1;
  std::int64_t attempt = 1;
  TrialRole role = TrialRole::measured;
  std::string config_hash;
  std::string state;  // valid, flagged, invalid
  std::vector<std::string> codes;
  std::optional<std::string> message;  // of a failure
  double duration_s = 0;
  static const base::Table& table();
};

/// What the reference configuration, repeated among the trials, says about drift.
struct Drift {
  std::string config_hash;
  std::int64_t n = 0;                     // sentinel trials used
  std::string metric;                     // "gross_j_per_output_token", "output_tokens_per_s"
  double relative_slope_per_hour = 0;     // least squares over the time of day, by the mean
  std::optional<IntervalValue> interval;  // of the slope; absent below three trials
  double range_ratio = 0;                 // (greatest - least) / mean
  static const base::Table& table();
};

/// How well a configuration is known.
struct ConfigurationPrecision {
  std::string config_hash;
  std::int64_t n = 0;                      // cycles that have the number
  std::optional<double> half_width_ratio;  // farther limit of the interval to the value, by it
  bool reached = false;
  static const base::Table& table();
};

/// How a study with `study.precision` ended.
struct PrecisionSummary {
  PrecisionMetric metric = PrecisionMetric::gross_j_per_output_token;
  double target_ratio = 0;
  std::int64_t min_cycles = 0;
  std::int64_t max_cycles = 0;
  std::optional<double> budget_s;
  BlockVerdict verdict = BlockVerdict::go_on;
  std::int64_t blocks = 0;  // whole ones, after which the verdict was given
  double spent_s = 0;
  std::vector<ConfigurationPrecision> configurations;
  static const base::Table& table();
};

struct Summary {
  std::string schema = "summary";
  std::string schema_version = "1.0.0";
  std::string study_name;
  std::string tool_version;
  std::int64_t n_planned = 0;          // trials of the plan
  std::int64_t n_missing = 0;          // trials without a result that are needed
  std::int64_t n_unneeded = 0;         // trials that the precision reached, or its limits, left out
  std::optional<std::string> stopped;  // why the study ended before its plan
  std::optional<PrecisionSummary> precision;
  std::vector<Factor> factors;
  std::vector<SkippedPoint> skipped;
  std::vector<Drift> drift;
  std::vector<ConfigurationResult> configurations;
  std::vector<TrialRow> trials;
  static const base::Table& table();
};

}  // namespace llem::domain
