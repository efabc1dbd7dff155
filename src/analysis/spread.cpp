#include "analysis/spread.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "analysis/headline_metrics.hpp"
#include "analysis/interval_value.hpp"
#include "stats/moments.hpp"
#include "stats/robust.hpp"
#include "stats/variance.hpp"

namespace llem::analysis {

namespace {

using domain::TrialResult;
using Trials = std::vector<const TrialResult*>;

constexpr const char* kEnergy = "gross_j_per_output_token";
constexpr const char* kRate = "output_tokens_per_s";

/// Codes of something physical that happened to a trial which is used all the same.
constexpr std::array<std::string_view, 7> kPhysical{
    "throttled_power", "limit_changed", "contention", "residual_memory",
    "foreign_process", "sample_gap",    "clock_step"};

struct Metric {
  const char* name;
  std::optional<domain::Value> (*of_trial)(const TrialResult&);
  std::optional<double> (*of_window)(const domain::WindowFigures&);
  bool energy;  // comparable within one scope only
};

constexpr std::array kMetrics{Metric{kEnergy, headline_energy,
                                     [](const domain::WindowFigures& w) {
                                       return w.gross_j_per_output_token
                                                  ? std::optional(w.gross_j_per_output_token->value)
                                                  : std::nullopt;
                                     },
                                     true},
                              Metric{kRate, headline_rate,
                                     [](const domain::WindowFigures& w) {
                                       return std::optional(w.output_tokens_per_s.value);
                                     },
                                     false}};

/// The runs of each launch; launches without one are left out.
std::vector<std::vector<double>> runs_of(const Trials& used, const Metric& metric,
                                         std::string_view scope) {
  std::vector<std::vector<double>> launches;
  for (const TrialResult* trial : used) {
    std::vector<double> runs;
    for (const domain::WindowFigures& window : trial->windows) {
      const auto value = metric.of_window(window);
      if (value && (!metric.energy || window.scope == scope)) {
        runs.push_back(*value);
      }
    }
    if (!runs.empty()) {
      launches.push_back(std::move(runs));
    }
  }
  return launches;
}

domain::VarianceComponents launches_only(const std::vector<std::vector<double>>& launches) {
  stats::Moments moments;
  for (const std::vector<double>& runs : launches) {
    moments.add(runs.front());
  }
  domain::VarianceComponents v;
  v.mean = moments.mean();
  v.launch_and_run_variance = moments.variance();
  v.method = "launches_only";
  return v;
}

domain::VarianceComponents by_level(const stats::VarianceComponents& components) {
  domain::VarianceComponents v;
  v.mean = components.mean;
  v.launch_variance = components.between;
  v.run_variance = components.within;
  v.run_interval = interval_value(components.within_interval);
  if (components.between_interval) {
    v.launch_interval = interval_value(*components.between_interval);
  }
  v.method = "anova";
  return v;
}

std::vector<std::string> causes_of(const TrialResult& trial) {
  std::vector<std::string> causes;
  for (const domain::ValidityCode& code : trial.validity.codes) {
    if (std::ranges::find(kPhysical, code.code) != kPhysical.end()) {
      causes.push_back(code.code);
    }
  }
  return causes;
}

void add_outliers(const Trials& used, const Metric& metric, std::string_view scope,
                  std::vector<domain::Outlier>& outliers) {
  std::vector<double> values;
  Trials trials;
  for (const TrialResult* trial : used) {
    const auto value = metric.of_trial(*trial);
    if (value && (!metric.energy || trial->energy->headline_scope == scope)) {
      values.push_back(value->value);
      trials.push_back(trial);
    }
  }
  const stats::Screening screening = stats::screen(values);
  for (const std::size_t i : screening.outliers) {
    domain::Outlier& outlier = outliers.emplace_back();
    outlier.trial = trials[i]->identity.trial;
    outlier.cycle = trials[i]->identity.cycle;
    outlier.metric = metric.name;
    outlier.value = values[i];
    outlier.median = screening.median;
    if (screening.scale > 0) {
      outlier.deviations = std::abs(values[i] - screening.median) / screening.scale;
    }
    outlier.causes = causes_of(*trials[i]);
  }
}

}  // namespace

std::vector<domain::VarianceComponents> variance_of(const Trials& used, std::string_view scope) {
  std::vector<domain::VarianceComponents> all;
  for (const Metric& metric : kMetrics) {
    const auto launches = runs_of(used, metric, scope);
    if (launches.size() < 2) {
      continue;
    }
    const auto components = stats::variance_components(launches);
    domain::VarianceComponents& v =
        all.emplace_back(components ? by_level(*components) : launches_only(launches));
    v.metric = metric.name;
    v.n_launches = static_cast<std::int64_t>(launches.size());
    for (const std::vector<double>& runs : launches) {
      v.n_runs += static_cast<std::int64_t>(runs.size());
    }
  }
  return all;
}

std::vector<domain::Outlier> outliers_of(const Trials& used, std::string_view scope) {
  std::vector<domain::Outlier> outliers;
  for (const Metric& metric : kMetrics) {
    add_outliers(used, metric, scope, outliers);
  }
  return outliers;
}

void show_middle(domain::ConfigurationResult& configuration) {
  const auto show = [&](std::optional<domain::Aggregate>& aggregate, const char* metric) {
    const bool labelled =
        std::ranges::find(configuration.outliers, metric, &domain::Outlier::metric) !=
        configuration.outliers.end();
    if (aggregate && labelled) {
      aggregate->median = stats::median(aggregate->cycles);
      aggregate->hodges_lehmann = stats::hodges_lehmann(aggregate->cycles);
    }
  };
  show(configuration.gross_j_per_output_token, kEnergy);
  show(configuration.output_tokens_per_s, kRate);
}

}  // namespace llem::analysis
