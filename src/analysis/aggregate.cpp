#include "analysis/aggregate.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/analyse.hpp"
#include "analysis/interval_value.hpp"
#include "analysis/spread.hpp"
#include "domain/reason.hpp"
#include "stats/interval.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

using domain::Aggregate;
using domain::TrialResult;
using Trials = std::vector<const TrialResult*>;

constexpr double kHighVariance = 0.05;

/// One cycle's share of a ratio of sums.
struct Part {
  double numerator = 0;
  double denominator = 0;
  std::optional<double> systematic;  // of the numerator
  bool estimated = false;
};

using PartOf = std::function<std::optional<Part>(const TrialResult&)>;
using NumberOf = std::function<std::optional<double>(const TrialResult&)>;

std::optional<domain::IntervalValue> written(const std::optional<stats::Interval>& interval) {
  return interval ? std::optional(interval_value(*interval)) : std::nullopt;
}

std::optional<double> variation(const std::vector<double>& cycles) {
  const auto moments = stats::moments(cycles);
  const auto deviation = moments.standard_deviation();
  if (!deviation || moments.mean() == 0) {
    return std::nullopt;
  }
  return *deviation / std::abs(moments.mean());
}

/// Systematic errors do not average out over cycles: they add like what they belong to.
std::optional<double> systematic(const std::vector<Part>& parts) {
  double sum = 0;
  double denominators = 0;
  for (const Part& part : parts) {
    if (!part.systematic) {
      return std::nullopt;
    }
    sum += *part.systematic;
    denominators += part.denominator;
  }
  return sum / denominators;
}

std::optional<Aggregate> ratio_of_sums(const Trials& trials, const PartOf& part_of) {
  std::vector<Part> parts;
  std::vector<double> numerators;
  std::vector<double> denominators;
  Aggregate a;
  for (const auto* trial : trials) {
    const auto part = part_of(*trial);
    if (!part || part->denominator == 0) {
      continue;
    }
    parts.push_back(*part);
    numerators.push_back(part->numerator);
    denominators.push_back(part->denominator);
    a.cycles.push_back(part->numerator / part->denominator);
    if (part->estimated) {
      a.source = domain::Provenance::estimated;
    }
  }
  if (parts.empty()) {
    return std::nullopt;
  }
  auto ratio = stats::ratio_of_sums(numerators, denominators);
  a.value = ratio.ratio;
  a.interval = written(ratio.interval);
  a.u_systematic = systematic(parts);
  a.cv_ratio = variation(a.cycles);
  a.method = "ratio_of_sums";
  return a;
}

std::optional<Aggregate> mean_of(const Trials& trials, const NumberOf& number_of) {
  Aggregate a;
  for (const auto* trial : trials) {
    if (const auto number = number_of(*trial)) {
      a.cycles.push_back(*number);
    }
  }
  if (a.cycles.empty()) {
    return std::nullopt;
  }
  a.value = stats::moments(a.cycles).mean();
  a.interval = written(stats::mean_interval(a.cycles));
  a.cv_ratio = variation(a.cycles);
  a.method = "mean";
  return a;
}

Part energy_part(const domain::Value& energy, double denominator) {
  return {energy.value, denominator, energy.u_systematic,
          energy.source == domain::Provenance::estimated};
}

enum class Per { input_token, output_token, request, second };

std::optional<double> count(const TrialResult& r, Per per) {
  if (!r.throughput) {
    return std::nullopt;
  }
  switch (per) {
    case Per::input_token:
      return static_cast<double>(r.throughput->input_tokens);
    case Per::output_token:
      return static_cast<double>(r.throughput->output_tokens);
    case Per::request:
      return static_cast<double>(r.throughput->requests);
    case Per::second:
      return r.throughput->window_s;
  }
  return std::nullopt;
}

using EnergyField = std::optional<domain::Value> domain::Energy::*;

PartOf energy_per(EnergyField field, Per per) {
  return [=](const TrialResult& r) -> std::optional<Part> {
    const auto denominator = count(r, per);
    if (!r.energy || !((*r.energy).*field) || !denominator) {
      return std::nullopt;
    }
    return energy_part(*((*r.energy).*field), *denominator);
  };
}

using domain::Phases;
using PhaseField = std::optional<domain::Value> Phases::*;

PartOf phase_per(PhaseField field, Per per) {
  return [=](const TrialResult& r) -> std::optional<Part> {
    const auto tokens = count(r, per);
    if (!r.phases || !((*r.phases).*field) || !tokens) {
      return std::nullopt;
    }
    return energy_part(*((*r.phases).*field), *tokens);
  };
}

PartOf cost_per_million(std::optional<domain::Value> domain::Cost::* field) {
  return [=](const TrialResult& r) -> std::optional<Part> {
    const auto tokens = count(r, Per::output_token);
    if (!r.cost || !((*r.cost).*field) || !tokens) {
      return std::nullopt;
    }
    return energy_part(*((*r.cost).*field), 1e-6 * *tokens);
  };
}

PartOf count_per_second(Per what) {
  return [=](const TrialResult& r) -> std::optional<Part> {
    const auto numerator = count(r, what);
    const auto denominator = count(r, Per::second);
    if (!numerator || !denominator) {
      return std::nullopt;
    }
    return Part{*numerator, *denominator, std::nullopt, false};
  };
}

using DistributionField = std::optional<domain::Distribution> domain::Latency::*;

NumberOf latency_of(DistributionField field, double domain::Distribution::* quantile) {
  return [=](const TrialResult& r) -> std::optional<double> {
    if (!r.latency || !((*r.latency).*field)) {
      return std::nullopt;
    }
    return (*((*r.latency).*field)).*quantile;
  };
}

NumberOf compute_of(std::optional<double> domain::Compute::* field) {
  return [=](const TrialResult& r) { return r.compute ? (*r.compute).*field : std::nullopt; };
}

/// Of a trial's only window: one of several would stand for a choice among them.
const domain::SteadyWindow* steady_window_of(const TrialResult& r) {
  const bool only = r.steady && r.steady->window && !r.steady->of_window;
  return only ? &*r.steady->window : nullptr;
}

/// Where every cycle tells it.
std::optional<Aggregate> steady_energy(const Trials& trials) {
  const bool everywhere = std::ranges::all_of(trials, [](const TrialResult* t) {
    const auto* w = steady_window_of(*t);
    return w != nullptr && w->gross_j;
  });
  if (!everywhere) {
    return std::nullopt;
  }
  return ratio_of_sums(trials, [](const TrialResult& r) {
    const auto* w = steady_window_of(r);
    return std::optional(energy_part(*w->gross_j, static_cast<double>(w->output_tokens)));
  });
}

std::optional<Aggregate> steady_rate(const Trials& trials) {
  const bool everywhere = std::ranges::all_of(
      trials, [](const TrialResult* t) { return steady_window_of(*t) != nullptr; });
  if (!everywhere) {
    return std::nullopt;
  }
  return ratio_of_sums(trials, [](const TrialResult& r) {
    const auto* w = steady_window_of(r);
    return std::optional(
        Part{static_cast<double>(w->output_tokens), w->duration_s, std::nullopt, false});
  });
}

/// Energies of different scopes are never averaged: only trials with the first one's scope take
/// part.
Trials of_one_scope(const Trials& used, std::string& scope) {
  Trials same;
  for (const auto* trial : used) {
    if (!trial->energy || trial->energy->headline_scope.empty()) {
      continue;
    }
    if (scope.empty()) {
      scope = trial->energy->headline_scope;
    }
    if (trial->energy->headline_scope == scope) {
      same.push_back(trial);
    }
  }
  return same;
}

/// Cycles priced by other factors, or by none, are never averaged.
void fill_cost(domain::ConfigurationResult& c, const Trials& trials) {
  const auto factors = [](const domain::Cost& cost) {
    return std::tie(cost.pue_ratio, cost.g_per_kwh, cost.price_per_kwh, cost.currency);
  };
  const bool alike = std::ranges::all_of(trials, [&](const TrialResult* trial) {
    return trial->cost && trials.front()->cost &&
           factors(*trial->cost) == factors(*trials.front()->cost);
  });
  if (trials.empty() || !alike) {
    return;
  }
  c.emissions_g_per_million_output_tokens =
      ratio_of_sums(trials, cost_per_million(&domain::Cost::emissions_g));
  c.price_per_million_output_tokens = ratio_of_sums(trials, cost_per_million(&domain::Cost::price));
  c.currency = trials.front()->cost->currency;
}

void fill_energy(domain::ConfigurationResult& c, const Trials& used) {
  const Trials trials = of_one_scope(used, c.headline_scope);
  const EnergyField gross = &domain::Energy::headline_gross_j;
  c.gross_j_per_output_token = ratio_of_sums(trials, energy_per(gross, Per::output_token));
  c.net_j_per_output_token =
      ratio_of_sums(trials, energy_per(&domain::Energy::headline_net_j, Per::output_token));
  c.gross_j_per_request = ratio_of_sums(trials, energy_per(gross, Per::request));
  const bool split = std::ranges::all_of(trials, [](const TrialResult* trial) {
    return trial->phases && trial->phases->prefill_j && trial->phases->decode_j;
  });
  if (split) {
    c.prefill_j_per_input_token =
        ratio_of_sums(trials, phase_per(&Phases::prefill_j, Per::input_token));
    c.decode_j_per_output_token =
        ratio_of_sums(trials, phase_per(&Phases::decode_j, Per::output_token));
  }
  fill_cost(c, trials);
  c.steady_gross_j_per_output_token = steady_energy(trials);
  c.mean_power_w = ratio_of_sums(trials, energy_per(gross, Per::second));
  c.idle_power_w = mean_of(trials, [](const TrialResult& r) { return r.energy->headline_idle_w; });
  if (c.idle_power_w && c.mean_power_w) {
    c.idle_power_w->source = c.mean_power_w->source;
  }
}

void fill_rates(domain::ConfigurationResult& c, const Trials& used) {
  using domain::Compute;
  using domain::Distribution;
  using domain::Latency;
  c.output_tokens_per_s = ratio_of_sums(used, count_per_second(Per::output_token));
  c.requests_per_s = ratio_of_sums(used, count_per_second(Per::request));
  c.steady_output_tokens_per_s = steady_rate(used);
  c.service_ttft_median_s =
      mean_of(used, latency_of(&Latency::service_ttft_s, &Distribution::median));
  c.service_ttft_p95_s = mean_of(used, latency_of(&Latency::service_ttft_s, &Distribution::p95));
  c.itl_median_s = mean_of(used, latency_of(&Latency::itl_s, &Distribution::median));
  c.itl_p95_s = mean_of(used, latency_of(&Latency::itl_s, &Distribution::p95));
  c.e2e_median_s = mean_of(used, latency_of(&Latency::e2e_s, &Distribution::median));
  c.flops_per_s = ratio_of_sums(used, [](const TrialResult& r) -> std::optional<Part> {
    const auto seconds = count(r, Per::second);
    if (!r.compute || !seconds) {
      return std::nullopt;
    }
    return Part{r.compute->flops, *seconds, std::nullopt, false};
  });
  c.mfu_ratio = mean_of(used, compute_of(&Compute::mfu_ratio));
  c.mbu_ratio = mean_of(used, compute_of(&Compute::mbu_ratio));
}

void add_code(std::vector<std::string>& codes, std::string_view code) {
  if (std::find(codes.begin(), codes.end(), code) == codes.end()) {
    codes.emplace_back(code);
  }
}

bool varies(const std::optional<Aggregate>& a) {
  return a && a->cycles.size() >= 3 && a->cv_ratio.value_or(0) > kHighVariance;
}

/// Whether something else than the cycle differs between trials that are pooled.
bool mixed(const Trials& used) {
  return std::ranges::any_of(used, [&](const domain::TrialResult* trial) {
    const domain::TrialResult& first = *used.front();
    const auto scope = [](const domain::TrialResult& t) {
      return t.energy ? t.energy->headline_scope : std::string();
    };
    return trial->identity.engine_version != first.identity.engine_version ||
           trial->identity.hardware != first.identity.hardware || scope(*trial) != scope(first);
  });
}

void judge_cycles(domain::ConfigurationResult& c) {
  if (varies(c.gross_j_per_output_token) || varies(c.output_tokens_per_s)) {
    add_code(c.codes, "high_variance");
  }
  const bool warned = std::any_of(c.codes.begin(), c.codes.end(), [](const std::string& code) {
    const auto* reason = domain::find_reason(code);
    return reason == nullptr || reason->severity != domain::Severity::info;
  });
  c.state = c.n_used == 0              ? domain::ValidityState::invalid
            : warned || c.n_failed > 0 ? domain::ValidityState::flagged
                                       : domain::ValidityState::valid;
}

void describe(domain::ConfigurationResult& c, const domain::Configuration& configuration,
              const Trials& trials) {
  c.config_hash = configuration.hash;
  c.label = configuration.label;
  c.model = configuration.model.name;
  c.engine =
      domain::words(domain::EngineKind{})[static_cast<std::size_t>(configuration.deploy.engine)];
  c.batch_size = configuration.deploy.batch_size;
  c.requests_per_pass = configuration.workload.requests;
  c.file_type = file_type(configuration, trials);
  for (const auto* trial : trials) {
    c.engine = trial->identity.engine.empty() ? c.engine : trial->identity.engine;
    if (c.engine_version.empty()) {
      c.engine_version = trial->identity.engine_version;
    }
  }
}

}  // namespace

domain::ConfigurationResult aggregate(const domain::Configuration& configuration, Trials trials) {
  std::stable_sort(trials.begin(), trials.end(), [](const auto* a, const auto* b) {
    return a->identity.cycle < b->identity.cycle;
  });
  domain::ConfigurationResult c;
  describe(c, configuration, trials);
  Trials used;
  for (const auto* trial : trials) {
    for (const auto& code : trial->validity.codes) {
      add_code(c.codes, code.code);
    }
    if (trial->validity.state != domain::ValidityState::invalid) {
      used.push_back(trial);
    }
  }
  c.n_attempted = static_cast<std::int64_t>(trials.size());
  c.n_used = static_cast<std::int64_t>(used.size());
  c.n_failed = c.n_attempted - c.n_used;
  fill_energy(c, used);
  fill_rates(c, used);
  c.variance = variance_of(used, c.headline_scope);
  c.outliers = outliers_of(used, c.headline_scope);
  show_middle(c);
  if (mixed(used)) {
    add_code(c.codes, "mixed_environment");
  }
  judge_cycles(c);
  return c;
}

domain::ConfigurationResult aggregate(const domain::Configuration& configuration,
                                      std::span<const domain::TrialResult> trials) {
  Trials pointers;
  for (const auto& trial : trials) {
    pointers.push_back(&trial);
  }
  return aggregate(configuration, std::move(pointers));
}

}  // namespace llem::analysis
