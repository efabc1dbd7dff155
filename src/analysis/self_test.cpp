#include "analysis/self_test.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/aggregate.hpp"
#include "analysis/headline_metrics.hpp"
#include "analysis/interval_value.hpp"
#include "base/random.hpp"
#include "stats/moments.hpp"
#include "stats/paired.hpp"

namespace llem::analysis {

namespace {

constexpr std::size_t kFewestPairs = 3;

using Pick = std::optional<domain::Value> (*)(const domain::TrialResult&);

/// exp of the difference of logarithms that n pairs find, less 1.
double detectable(std::size_t n, double log_deviation) {
  return std::expm1(stats::detectable_difference(n) * log_deviation);
}

std::optional<domain::Noise> noise(const std::vector<const domain::TrialResult*>& trials, Pick pick,
                                   std::uint64_t seed) {
  std::vector<double> a;
  std::vector<double> b;
  domain::Noise noise;
  stats::Moments all;
  base::Random random(seed);
  for (std::size_t i = 0; i + 1 < trials.size(); i += 2) {
    const bool exchanged = random.below(2) != 0;
    const auto first = pick(*trials[i]);
    const auto second = pick(*trials[i + 1]);
    const auto usable = [](const domain::TrialResult& trial,
                           const std::optional<domain::Value>& reading) {
      return trial.validity.state != domain::ValidityState::invalid && reading &&
             reading->value > 0;
    };
    if (!usable(*trials[i], first) || !usable(*trials[i + 1], second)) {
      continue;
    }
    a.push_back(exchanged ? second->value : first->value);
    b.push_back(exchanged ? first->value : second->value);
    all.add(first->value);
    all.add(second->value);
    noise.source = first->source;
  }
  if (a.size() < kFewestPairs) {
    return std::nullopt;
  }
  noise.pairs = static_cast<std::int64_t>(a.size());
  noise.mean = all.mean();
  noise.variation_ratio = *all.standard_deviation() / all.mean();
  const stats::PairedRatio paired = stats::paired_ratio(a, b);
  noise.a_to_b_ratio = paired.ratio;
  noise.interval = interval_value(*paired.interval);
  noise.false_positive_ratio = stats::false_positive_rate(a, b, seed);
  noise.detectable_5_ratio = detectable(5, *paired.log_deviation);
  noise.detectable_10_ratio = detectable(10, *paired.log_deviation);
  return noise;
}

}  // namespace

std::vector<domain::Noise> noise_of(std::vector<const domain::TrialResult*> trials,
                                    std::uint64_t seed) {
  std::ranges::sort(
      trials, {}, [](const domain::TrialResult* trial) { return trial->identity.started_unix_s; });
  const auto drifts = drift_of(trials);
  std::vector<domain::Noise> told;
  const auto add = [&](const char* metric, Pick pick) {
    if (auto found = noise(trials, pick, seed)) {
      found->metric = metric;
      const auto drift = std::ranges::find(drifts, metric, &domain::Drift::metric);
      if (drift != drifts.end()) {
        found->drift = *drift;
      }
      told.push_back(*std::move(found));
    }
  };
  add("gross_j_per_output_token", headline_energy);
  add("output_tokens_per_s", headline_rate);
  return told;
}

}  // namespace llem::analysis
