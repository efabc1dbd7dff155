#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "analysis/scope_energy.hpp"
#include "analysis/series.hpp"

namespace llem::analysis {

namespace {

// Watts per logical CPU, idle and fully busy: the averages over server processors of the Cloud
// Carbon Footprint coefficients (cloud-carbon-footprint, "Energy Estimate (Watt-Hours) Compute",
// commit b7a049c).
constexpr double kIdleWatts = 0.74;
constexpr double kBusyWatts = 3.5;
// ±50 % at 95 % (k = 2): linear load models missed RAPL by a median of 35 % on five processors.
constexpr double kRelativeUncertainty = 0.25;

const domain::Channel* busy_channel(const domain::Recording& recording) {
  for (const auto& channel : recording.channels) {
    if (channel.signal == domain::Signal::cpu_busy) {
      return &channel;
    }
  }
  return nullptr;
}

double power_at(double cpus, double busy_s, double seconds) {
  return cpus * kIdleWatts + (kBusyWatts - kIdleWatts) * busy_s / seconds;
}

std::optional<domain::IdlePower> idle_estimate(const domain::Recording& recording,
                                               const domain::Channel& channel, double cpus,
                                               domain::PhaseName phase, const char* kind) {
  const auto span = phase_span(recording, phase);
  const auto busy = span ? increase(trace_of(recording, channel), *span) : std::nullopt;
  if (!busy) {
    return std::nullopt;
  }
  return domain::IdlePower{kind, power_at(cpus, *busy, span->seconds()), std::nullopt,
                           span->seconds()};
}

void add_idles(domain::ScopeEnergy& scope, const domain::Recording& recording,
               const domain::Channel& channel, double cpus) {
  using enum domain::PhaseName;
  const std::pair<domain::PhaseName, const char*> phases[] = {
      {loaded_idle, "loaded_idle"}, {pad_before, "pad"}, {baseline, "bare_idle"}};
  for (const auto& [phase, kind] : phases) {
    if (const auto idle = idle_estimate(recording, channel, cpus, phase, kind)) {
      scope.idles.push_back(*idle);
    }
  }
  if (!scope.idles.empty()) {
    scope.idle = scope.idles.front();
  }
}

std::optional<double> phase_estimate(const domain::Recording& recording,
                                     const domain::Channel& channel, double cpus,
                                     domain::PhaseName phase) {
  const auto idle = idle_estimate(recording, channel, cpus, phase, "");
  return idle ? std::optional(idle->power_w * *idle->duration_s) : std::nullopt;
}

}  // namespace

std::optional<domain::ScopeEnergy> host_estimate(const domain::Recording& recording,
                                                 const Window& window) {
  const auto* channel = busy_channel(recording);
  const auto cpus = static_cast<double>(
      recording.host.machine_cpus > 0 ? recording.host.machine_cpus : recording.host.logical_cpus);
  const auto busy =
      channel != nullptr ? increase(trace_of(recording, *channel), window.span) : std::nullopt;
  if (!busy || cpus <= 0) {
    return std::nullopt;
  }
  domain::ScopeEnergy scope;
  scope.scope = "host";
  scope.kind = domain::Scope::host;
  scope.method = "estimate";
  scope.source = domain::Provenance::estimated;
  const double joules = power_at(cpus, *busy, window.duration_s) * window.duration_s;
  scope.components.estimate_j = kRelativeUncertainty * joules;
  scope.gross = {joules, std::nullopt, scope.components.estimate_j,
                 fmt::format("linear in CPU load, {} W idle and {} W busy per CPU, {} CPUs",
                             kIdleWatts, kBusyWatts, cpus),
                 domain::Provenance::estimated};
  scope.mean_power_w = joules / window.duration_s;
  scope.sensor.polls =
      static_cast<std::int64_t>(within(trace_of(recording, *channel), window.span).size());
  add_idles(scope, recording, *channel, cpus);
  if (scope.idle) {
    scope.net = net_of(scope, window);
    // What a linear model misses at work and at idle differs: nothing cancels.
    scope.net->u_systematic =
        kRelativeUncertainty * std::hypot(joules, scope.idle->power_w * window.duration_s);
  }
  scope.load_j = phase_estimate(recording, *channel, cpus, domain::PhaseName::load);
  scope.warmup_j = phase_estimate(recording, *channel, cpus, domain::PhaseName::warmup);
  return scope;
}

}  // namespace llem::analysis
