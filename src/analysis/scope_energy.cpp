#include "analysis/scope_energy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

#include <fmt/format.h>

#include "analysis/figure.hpp"
#include "analysis/idle_after.hpp"
#include "analysis/parts.hpp"
#include "analysis/series.hpp"

namespace llem::analysis {

namespace {

constexpr double kAgree = 0.02;
constexpr double kDisagree = 0.05;

bool counts(domain::Scope kind) {
  using enum domain::Scope;
  return kind == gpu || kind == module || kind == package || kind == dram || kind == node;
}

/// Lower is better: the reading that averages least, then the one whose averaging is known to be
/// long.
int gauge_rank(domain::Signal signal) {
  using enum domain::Signal;
  return signal == power_instant ? 0 : signal == power ? 1 : 2;
}

bool is_power(domain::Signal signal) {
  using enum domain::Signal;
  return signal == power_instant || signal == power_average || signal == power;
}

/// One channel with its series; the same one gives gross, idle, loading and warm-up.
struct Source {
  const domain::Channel* channel;
  std::variant<CounterSeries, GaugeSeries> series;

  std::optional<PowerMean> mean(const Span& span) const {
    return std::visit([&](const auto& s) { return mean_power(s, span); }, series);
  }

  std::optional<double> rough(const Span& span) const {
    return std::visit([&](const auto& s) { return rough_energy(s, span); }, series);
  }

  const Updates& updates() const {
    return std::visit([](const auto& s) -> const Updates& { return s; }, series);
  }
};

Source source_of(const domain::Recording& recording, const domain::Channel& channel) {
  if (channel.behaviour == domain::Behaviour::counter) {
    return {&channel, make_counter(recording, channel)};
  }
  return {&channel, make_gauge(recording, channel)};
}

std::vector<Source> sources_of(const domain::Recording& recording, const ScopeChannels& channels) {
  std::vector<Source> sources;
  for (const auto* channel : channels.counters) {
    sources.push_back(source_of(recording, *channel));
  }
  for (const auto* channel : channels.gauges) {
    sources.push_back(source_of(recording, *channel));
  }
  return sources;
}

Reading read(const domain::Recording& recording, const Source& source, const Window& window,
             std::optional<double> idle_w) {
  if (const auto* counter = std::get_if<CounterSeries>(&source.series)) {
    return counter_figure(recording, *source.channel, *counter, window, idle_w);
  }
  return gauge_figure(recording, *source.channel, std::get<GaugeSeries>(source.series), window,
                      idle_w);
}

/// How long after the work a channel's readings still hold some of it.
double reach_of(const Source& source) {
  const domain::Channel& channel = *source.channel;
  // A first-order response is within 1 % of its end after five time constants.
  return 2 * source.updates().period_s + channel.averaging_window_s.value_or(0) +
         5 * channel.lag_s.value_or(0);
}

std::optional<domain::IdlePower> idle_after(const domain::Recording& recording,
                                            const Source& source, const Window& window) {
  const auto rest = rest_after(recording, window, reach_of(source));
  if (!rest) {
    return std::nullopt;
  }
  const auto mean = settled_power(*rest, [&](const Span& part) { return source.mean(part); });
  return mean ? std::optional(domain::IdlePower{"loaded_idle_after", mean->watts, mean->u_watts,
                                                mean->seconds})
              : std::nullopt;
}

/// Loading has a tail, too; where it does not settle, all of the phase counts.
std::optional<PowerMean> loaded_idle(const domain::Recording& recording, const Source& source) {
  const auto span = phase_span(recording, domain::PhaseName::loaded_idle);
  if (!span) {
    return std::nullopt;
  }
  const Span rest{span->begin_ns + to_nanoseconds(reach_of(source)), span->end_ns};
  const auto mean = [&](const Span& part) { return source.mean(part); };
  const auto settled =
      rest.begin_ns < rest.end_ns ? settled_power({rest, span->begin_ns}, mean) : std::nullopt;
  return settled ? settled : source.mean(*span);
}

std::vector<domain::IdlePower> idle_powers(const domain::Recording& recording, const Source& source,
                                           const Window& window) {
  const auto bare = phase_span(recording, domain::PhaseName::baseline);
  const std::array<std::pair<const char*, std::optional<PowerMean>>, 3> states{{
      {"bare_idle", bare ? source.mean(*bare) : std::nullopt},
      {"loaded_idle", loaded_idle(recording, source)},
      {"pad", window.pad_before ? source.mean(*window.pad_before) : std::nullopt},
  }};
  std::vector<domain::IdlePower> idles;
  for (const auto& [kind, mean] : states) {
    if (mean) {
      idles.push_back({kind, mean->watts, mean->u_watts, mean->seconds});
    }
  }
  return idles;
}

/// Loaded idle makes net the marginal energy of the work; the others stand in for it, in this
/// order.
std::optional<domain::IdlePower> subtracted(const std::vector<domain::IdlePower>& idles) {
  for (const std::string_view kind : {"loaded_idle", "pad", "bare_idle"}) {
    for (const auto& idle : idles) {
      if (idle.kind == kind) {
        return idle;
      }
    }
  }
  return std::nullopt;
}

/// Idle after the window beside idle before it, of the same state. Where the two differ, neither
/// is what the work ran on top of.
void weigh_drift(const domain::Recording& recording, const Source& source, const Window& window,
                 domain::ScopeEnergy& scope, Findings& findings) {
  const auto after = idle_after(recording, source, window);
  if (!after) {
    return;
  }
  scope.idles.push_back(*after);
  if (!scope.idle || scope.idle->kind == "bare_idle") {
    return;
  }
  const domain::IdlePower before = *scope.idle;
  scope.idle_drift_w = drift_of(before, *after);
  if (source.channel->gain_u_ratio) {
    scope.idle_drift_w->u_systematic =
        *source.channel->gain_u_ratio * std::abs(scope.idle_drift_w->value);
  }
  if (!drifted(before, *scope.idle_drift_w)) {
    return;
  }
  scope.idle = mean_idle(before, *after);
  if (counts(scope.kind)) {
    findings.add("idle_drift",
                 fmt::format("{}: {:.1f} W before, {:.1f} W after the window ({:+.1f} ± {:.1f} W)",
                             scope.scope, before.power_w, after->power_w, scope.idle_drift_w->value,
                             2 * *scope.idle_drift_w->u_random));
  }
}

domain::CrossCheck cross_check(const Figure& chosen, const Figure& other) {
  domain::CrossCheck check;
  check.method = other.method;
  check.energy_j = other.joules;
  check.ratio = chosen.joules / other.joules;
  const double off = std::abs(check.ratio - 1);
  const double u =
      std::hypot(random_uncertainty(chosen.components), random_uncertainty(other.components)) /
      std::abs(other.joules);
  check.status = off <= kAgree ? "ok" : off > kDisagree && off > 3 * u ? "fail" : "warn";
  return check;
}

struct Chosen {
  std::size_t source = 0;
  Figure figure;
  std::optional<Figure> other;
};

/// The first source that covers the window is used, the next one checks it.
std::optional<Chosen> choose(const domain::Recording& recording, const std::vector<Source>& sources,
                             const Window& window, bool tell, Findings& findings) {
  std::optional<Chosen> chosen;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto idle = subtracted(idle_powers(recording, sources[i], window));
    const auto idle_w = idle ? std::optional(idle->power_w) : std::nullopt;
    Reading reading = read(recording, sources[i], window, idle_w);
    for (const Problem& problem : reading.problems) {
      if (tell && (!chosen || problem.code == "counter_reset")) {
        findings.add(problem.code, problem.evidence);
      }
    }
    if (!reading.figure) {
      continue;
    }
    if (chosen) {
      chosen->other = std::move(reading.figure);
      break;
    }
    chosen = Chosen{i, std::move(*reading.figure), std::nullopt};
  }
  return chosen;
}

void fill_gross(domain::ScopeEnergy& scope, const Chosen& chosen, const Source& source,
                const Window& window) {
  const Figure& figure = chosen.figure;
  scope.method = figure.method;
  scope.components = figure.components;
  if (source.channel->gain_u_ratio) {
    scope.components.gain_j = *source.channel->gain_u_ratio * std::abs(figure.joules);
  }
  scope.gross = {figure.joules, random_uncertainty(figure.components), scope.components.gain_j,
                 std::string(figure.method), domain::Provenance::measured};
  scope.mean_power_w = figure.joules / window.duration_s;
  if (figure.peak_w) {
    // The window itself is a stretch: its mean may lie above every single one where they leave out
    // an edge.
    scope.peak_power_w = std::max(*figure.peak_w, *scope.mean_power_w);
  }
  const Updates& updates = source.updates();
  if (updates.period_s > 0) {
    scope.sensor.update_period_s = updates.period_s;
    scope.sensor.update_period_u_s = updates.period_u_s;
    scope.sensor.update_period_source = updates.period_source;
  }
  scope.sensor.averaging_window_s = source.channel->averaging_window_s;
  scope.sensor.averaging_window_source = source.channel->averaging_window_source;
  scope.sensor.lag_s = source.channel->lag_s;
  scope.sensor.polls = figure.polls;
  scope.sensor.distinct_readings = figure.distinct;
}

std::optional<double> phase_energy(const domain::Recording& recording, const Source& source,
                                   domain::PhaseName name) {
  const auto span = phase_span(recording, name);
  return span ? source.rough(*span) : std::nullopt;
}

}  // namespace

std::vector<ScopeChannels> scopes_of(const domain::Recording& recording) {
  std::vector<ScopeChannels> scopes;
  for (const auto& channel : recording.channels) {
    const bool counter = channel.signal == domain::Signal::energy;
    if (!counter && !is_power(channel.signal)) {
      continue;
    }
    auto it = std::find_if(scopes.begin(), scopes.end(), [&](const ScopeChannels& s) {
      return s.device == channel.device && s.kind == channel.scope;
    });
    if (it == scopes.end()) {
      it = scopes.insert(scopes.end(), ScopeChannels{channel.device, channel.scope, {}, {}});
    }
    (counter ? it->counters : it->gauges).push_back(&channel);
  }
  for (auto& scope : scopes) {
    std::stable_sort(scope.gauges.begin(), scope.gauges.end(), [](const auto* a, const auto* b) {
      return gauge_rank(a->signal) < gauge_rank(b->signal);
    });
  }
  return scopes;
}

const domain::Channel* channel_of(const domain::Recording& recording,
                                  const domain::ScopeEnergy& scope) {
  for (const ScopeChannels& channels : scopes_of(recording)) {
    if (channels.device != scope.scope || channels.kind != scope.kind) {
      continue;
    }
    const bool counted = scope.method.starts_with("counter");
    const auto& candidates = counted ? channels.counters : channels.gauges;
    return candidates.empty() || scope.source == domain::Provenance::estimated ? nullptr
                                                                               : candidates.front();
  }
  return nullptr;
}

domain::Value net_of(const domain::ScopeEnergy& scope, const Window& window) {
  const domain::IdlePower& idle = *scope.idle;
  domain::Value net = scope.gross;
  net.value = scope.gross.value - idle.power_w * window.duration_s;
  const bool between = idle.kind == "loaded_idle_mean" && scope.idle_drift_w;
  const double drift_w = between ? drift_uncertainty(*scope.idle_drift_w) : 0;
  if (scope.gross.u_random || idle.u_w) {
    const double noise_w =
        std::sqrt(std::max(0.0, std::pow(idle.u_w.value_or(0), 2) - drift_w * drift_w));
    net.u_random = std::hypot(scope.gross.u_random.value_or(0), noise_w * window.duration_s);
  }
  if (scope.gross.u_systematic && scope.gross.value != 0) {
    // The gain is common to both, so it multiplies the difference.
    net.u_systematic = *scope.gross.u_systematic * std::abs(net.value / scope.gross.value);
  }
  if (between) {
    net.u_systematic = std::hypot(net.u_systematic.value_or(0), drift_w * window.duration_s);
  }
  return net;
}

std::optional<domain::Value> gross_of_parts(const domain::Recording& recording,
                                            const domain::ScopeEnergy& scope,
                                            std::span<const Window> parts) {
  const domain::Channel* channel = channel_of(recording, scope);
  if (channel == nullptr) {
    return std::nullopt;
  }
  const Source source = source_of(recording, *channel);
  const auto idle_w = scope.idle ? std::optional(scope.idle->power_w) : std::nullopt;
  domain::Value sum;
  sum.u_random = 0;
  for (const Window& part : parts) {
    const Reading reading = read(recording, source, part, idle_w);
    if (!reading.figure) {
      return std::nullopt;
    }
    sum.value += reading.figure->joules;
    *sum.u_random += random_uncertainty(reading.figure->components);
    sum.method = reading.figure->method;
  }
  if (channel->gain_u_ratio) {
    sum.u_systematic = *channel->gain_u_ratio * std::abs(sum.value);
  }
  sum.source = domain::Provenance::measured;
  return sum;
}

std::optional<domain::ScopeEnergy> scope_energy(const domain::Recording& recording,
                                                const ScopeChannels& channels, const Window& window,
                                                Findings& findings) {
  const auto sources = sources_of(recording, channels);
  const auto chosen = choose(recording, sources, window, counts(channels.kind), findings);
  if (!chosen) {
    return std::nullopt;
  }
  const Source& source = sources[chosen->source];
  domain::ScopeEnergy scope;
  scope.scope = channels.device;
  scope.kind = channels.kind;
  fill_gross(scope, *chosen, source, window);
  scope.idles = idle_powers(recording, source, window);
  scope.idle = subtracted(scope.idles);
  weigh_drift(recording, source, window, scope, findings);
  if (scope.idle) {
    scope.net = net_of(scope, window);
  }
  if (chosen->other && chosen->other->joules > 0) {
    scope.crosscheck = cross_check(chosen->figure, *chosen->other);
    if (scope.crosscheck->status == "fail" && counts(channels.kind)) {
      findings.add(
          "crosscheck_failed",
          fmt::format("{}: {} {:.1f} J against {} {:.1f} J", channels.device, scope.method,
                      scope.gross.value, scope.crosscheck->method, scope.crosscheck->energy_j));
    }
  }
  scope.throttle = throttle_shares(recording, channels.device, window.span);
  scope.load_j = phase_energy(recording, source, domain::PhaseName::load);
  scope.warmup_j = phase_energy(recording, source, domain::PhaseName::warmup);
  return scope;
}

}  // namespace llem::analysis
