#include <algorithm>
#include <numeric>
#include <vector>

#include "analysis/parts.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

/// The requests' parts of some energy; only those that were served are told of.
domain::RequestEnergyDefinition over_requests(std::string definition, const domain::Serve& serve,
                                              const std::vector<double>& joules, double gross_j) {
  std::vector<double> told;
  for (std::size_t i = 0; i < joules.size(); ++i) {
    if (served(serve.requests[i])) {
      told.push_back(joules[i]);
    }
  }
  std::sort(told.begin(), told.end());
  domain::RequestEnergyDefinition r;
  r.definition = std::move(definition);
  r.n = static_cast<std::int64_t>(told.size());
  r.sum_j = std::accumulate(told.begin(), told.end(), 0.0);
  r.mean_j = r.sum_j / static_cast<double>(told.size());
  r.median_j = stats::quantile_sorted(told, 0.5);
  r.p95_j = stats::quantile_sorted(told, 0.95);
  r.unattributed_j = gross_j - r.sum_j;
  return r;
}

/// E/N·n: each output token of the token set costs the same.
std::vector<double> by_output_tokens(const Window& window, double gross_j) {
  const double per_token = gross_j / static_cast<double>(window.output_tokens);
  std::vector<double> joules;
  for (const auto& request : window.serve->requests) {
    joules.push_back(per_token * static_cast<double>(request.output_tokens));
  }
  return joules;
}

/// Seconds of the steps in which a request decodes, each over the sequences that do. Its first
/// token comes of the prefill.
double decode_share_s(const domain::Serve& serve, const domain::RequestRecord& request) {
  double share = 0;
  for (std::int64_t k = 1; k < request.output_tokens; ++k) {
    const std::int64_t t = serve.token_ns[static_cast<std::size_t>(request.token_offset + k)];
    const auto step = std::lower_bound(
        serve.steps.begin(), serve.steps.end(), t,
        [](const domain::StepRecord& s, std::int64_t at) { return s.end_ns < at; });
    if (step != serve.steps.end() && step->decode_tokens > 0) {
      share +=
          seconds_between(step->begin_ns, step->end_ns) / static_cast<double>(step->decode_tokens);
    }
  }
  return share;
}

/// Scales `weights` to a sum of `joules` and adds them.
bool divide(double joules, const std::vector<double>& weights, std::vector<double>& shares) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; all > 0 && i < weights.size(); ++i) {
    shares[i] += joules * weights[i] / all;
  }
  return all > 0;
}

/// Empty where the marks do not tell who decoded when.
std::vector<double> by_token_time(const Window& window, const domain::Phases& phases) {
  const domain::Serve& serve = *window.serve;
  std::vector<double> prompts;
  std::vector<double> decodes;
  for (const auto& request : serve.requests) {
    if (request.token_offset < 0 || request.token_offset + request.output_tokens >
                                        static_cast<std::int64_t>(serve.token_ns.size())) {
      return {};
    }
    prompts.push_back(static_cast<double>(request.prompt_tokens - request.cached_tokens));
    decodes.push_back(decode_share_s(serve, request));
  }
  std::vector<double> joules(serve.requests.size(), 0);
  const bool all = divide(phases.prefill_j->value, prompts, joules) &&
                   divide(phases.decode_j->value, decodes, joules);
  return all ? joules : std::vector<double>{};
}

}  // namespace

std::optional<domain::RequestEnergy> request_energy(const Window& window,
                                                    const std::optional<domain::Energy>& energy,
                                                    const std::optional<domain::Phases>& phases) {
  if (!energy || !energy->headline_gross_j || window.requests == 0 || window.output_tokens == 0) {
    return std::nullopt;
  }
  const double gross_j = energy->headline_gross_j->value;
  domain::RequestEnergy all;
  all.scope = energy->headline_scope;
  all.definitions.push_back(
      over_requests("window_average", *window.serve, by_output_tokens(window, gross_j), gross_j));
  if (!phases || !phases->prefill_j || !phases->decode_j) {
    all.token_time_share_refused =
        phases && phases->energy_refused ? *phases->energy_refused : "the engine logs no steps";
    return all;
  }
  const bool measured = window.serve->token_time == domain::TokenTime::measured;
  const auto joules = measured ? by_token_time(window, *phases) : std::vector<double>{};
  if (joules.empty()) {
    all.token_time_share_refused = "token times are not measured for every token";
    return all;
  }
  all.definitions.push_back(over_requests("token_time_share", *window.serve, joules, gross_j));
  return all;
}

}  // namespace llem::analysis
