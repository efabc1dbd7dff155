#include <algorithm>
#include <cmath>

#include "analysis/aggregate.hpp"
#include "analysis/headline_metrics.hpp"
#include "stats/interval.hpp"
#include "stats/regression.hpp"

namespace llem::analysis {

namespace {

constexpr double kHour = 3600;
constexpr double kLevel = 0.95;

using Pick = std::optional<domain::Value> (*)(const domain::TrialResult&);

std::optional<domain::Drift> follow(const std::vector<const domain::TrialResult*>& sentinels,
                                    const char* metric, Pick pick) {
  std::vector<double> hours;
  std::vector<double> values;
  for (const domain::TrialResult* trial : sentinels) {
    const auto value = pick(*trial);
    if (trial->validity.state != domain::ValidityState::invalid && value) {
      hours.push_back(
          (trial->identity.started_unix_s - sentinels.front()->identity.started_unix_s) / kHour);
      values.push_back(value->value);
    }
  }
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  const auto n = static_cast<double>(values.size());
  if (values.size() < 2 || sum <= 0 || std::ranges::min(hours) == std::ranges::max(hours)) {
    return std::nullopt;
  }
  const double mean = sum / n;
  const stats::Line line = stats::fit_line(hours, values);
  domain::Drift drift;
  drift.config_hash = sentinels.front()->identity.config_hash;
  drift.n = static_cast<std::int64_t>(values.size());
  drift.metric = metric;
  drift.relative_slope_per_hour = line.slope / mean;
  drift.range_ratio = (std::ranges::max(values) - std::ranges::min(values)) / mean;
  if (values.size() >= 3) {
    const double half =
        stats::student_quantile(0.5 + kLevel / 2, n - 2) * line.slope_standard_error / mean;
    drift.interval = domain::IntervalValue{.low = drift.relative_slope_per_hour - half,
                                           .high = drift.relative_slope_per_hour + half,
                                           .level = kLevel,
                                           .method = "least squares, t(n-2)",
                                           .n = drift.n};
  }
  return drift;
}

}  // namespace

std::vector<domain::Drift> drift_of(const std::vector<const domain::TrialResult*>& sentinels) {
  std::vector<domain::Drift> drifts;
  if (sentinels.empty()) {
    return drifts;
  }
  if (auto energy = follow(sentinels, "gross_j_per_output_token", headline_energy)) {
    drifts.push_back(*std::move(energy));
  }
  if (auto rate = follow(sentinels, "output_tokens_per_s", headline_rate)) {
    drifts.push_back(*std::move(rate));
  }
  return drifts;
}

}  // namespace llem::analysis
