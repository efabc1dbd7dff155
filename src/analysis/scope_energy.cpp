#include "analysis/scope_energy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

#include <fmt/format.h>

#include "analysis/figure.hpp"
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

std::vector<Source> sources_of(const domain::Recording& recording, const ScopeChannels& channels) {
  std::vector<Source> sources;
  for (const auto* channel : channels.counters) {
    sources.push_back({channel, make_counter(recording, *channel)});
  }
  for (const auto* channel : channels.gauges) {
    sources.push_back({channel, make_gauge(recording, *channel)});
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

std::vector<domain::IdlePower> idle_powers(const domain::Recording& recording, const Source& source,
                                           const Window& window) {
  const std::array<std::pair<const char*, std::optional<Span>>, 3> states{{
      {"bare_idle", phase_span(recording, domain::PhaseName::baseline)},
      {"loaded_idle", phase_span(recording, domain::PhaseName::loaded_idle)},
      {"pad", window.pad_before},
  }};
  std::vector<domain::IdlePower> idles;
  for (const auto& [kind, span] : states) {
    if (const auto mean = span ? source.mean(*span) : std::nullopt) {
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
  if (scope.gross.u_random || idle.u_w) {
    net.u_random =
        std::hypot(scope.gross.u_random.value_or(0), idle.u_w.value_or(0) * window.duration_s);
  }
  if (scope.gross.u_systematic && scope.gross.value != 0) {
    // The gain is common to both, so it multiplies the difference.
    net.u_systematic = *scope.gross.u_systematic * std::abs(net.value / scope.gross.value);
  }
  return net;
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
