#pragma once

// Owns: what the modelled sensors showed, as the recording of a trial, and what the analysis makes
// of it.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyse.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"
#include "fidelity/sensor.hpp"

namespace llem::fidelity {

/// Idle, then the window, then idle. Seconds.
struct Timetable {
  double window_s = 10;
  double idle_s = 3;      // before the pad
  double pad_s = 2;       // 0: the window is not said to lie in idle time
  double tail_s = 1;      // after the pad
  double unmarked_s = 2;  // in place of a pad

  double around_s() const { return pad_s > 0 ? pad_s : unmarked_s; }

  double begin_s() const { return idle_s + around_s(); }

  double end_s() const { return begin_s() + window_s; }

  double length_s() const { return end_s() + around_s() + tail_s; }
};

/// The polls that place the updates at the window's edges to a millisecond: from an update before
/// it until three after it, when the first one two updates after it has come.
inline Polling dense_at_edges(const Timetable& table, double every_s, double period_s) {
  constexpr double kLongest = 1.1;  // periods, jitter included
  return {every_s,
          {{table.begin_s() - kLongest * period_s, table.begin_s()},
           {table.end_s() + 1.9 * period_s, table.end_s() + (2 + kLongest) * period_s}}};
}

struct SensorFacts {
  std::optional<double> period_s = 0.1;  // as a table gives it
  std::optional<double> averaging_s;
  std::optional<double> lag_s;
  std::optional<double> wraps_at;
  double gain_u_ratio = 0.04;
  double quantum = 1e-3;
};

class Scene {
 public:
  explicit Scene(const Timetable& table, std::int64_t origin_ns = 1'000'000'000'000)
      : table_(table), origin_ns_(origin_ns) {
    using enum domain::PhaseName;
    phase(loaded_idle, 0, table.idle_s);
    if (table.pad_s > 0) {
      phase(pad_before, table.idle_s, table.begin_s());
      phase(pad_after, table.end_s(), table.end_s() + table.pad_s);
    }
    phase(window, table.begin_s(), table.end_s());
    phase(cooldown, table.end_s() + table.around_s(), table.length_s());
    serve(table.begin_s(), table.end_s());
  }

  /// The worker's marks of the window, when they are not exactly where it begins and ends.
  Scene& marks(double begin_s, double end_s) {
    recording_.serves[0].t_begin_ns = ns(begin_s);
    recording_.serves[0].t_end_ns = ns(end_s);
    return *this;
  }

  Scene& counter(const Readings& seen, const SensorFacts& facts) {
    return channel(domain::Signal::energy, domain::Behaviour::counter, seen, facts);
  }

  Scene& gauge(const Readings& seen, const SensorFacts& facts) {
    return channel(domain::Signal::power_instant, domain::Behaviour::gauge, seen, facts);
  }

  Scene& power_limit(double watts) {
    Readings seen;
    for (double t = 0.5; t < table_.length_s(); t += 1) {
      seen.push_back({t, watts});
    }
    return channel(domain::Signal::power_limit, domain::Behaviour::gauge, seen, {});
  }

  /// Decode steps that follow each other from the window's begin to its end.
  Scene& steps(const std::vector<double>& begins_s) {
    auto& log = recording_.serves[0].steps;
    for (std::size_t i = 1; i < begins_s.size(); ++i) {
      log.push_back({ns(begins_s[i - 1]), ns(begins_s[i]), 0, 1, 1, 1});
    }
    return *this;
  }

  domain::TrialResult analyse() const { return analysis::analyse(recording_); }

  domain::Recording& recording() { return recording_; }

 private:
  std::int64_t ns(double seconds) const { return origin_ns_ + std::llround(seconds * 1e9); }

  void phase(domain::PhaseName name, double begin_s, double end_s) {
    recording_.phases.push_back({name, ns(begin_s), ns(end_s)});
  }

  void serve(double begin_s, double end_s) {
    domain::Serve serve;
    serve.label = "window";
    serve.t_begin_ns = ns(begin_s);
    serve.t_end_ns = ns(end_s);
    serve.passes = 1;
    domain::RequestRecord request;
    request.id = "p0r0";
    request.submitted_ns = request.started_ns = serve.t_begin_ns;
    request.first_token_ns = request.end_ns = serve.t_end_ns;
    request.prompt_tokens = request.output_tokens = 1;
    serve.token_ns = {serve.t_end_ns};
    serve.requests = {request};
    recording_.serves = {serve};
  }

  Scene& channel(domain::Signal signal, domain::Behaviour behaviour, const Readings& seen,
                 const SensorFacts& facts) {
    domain::Channel channel;
    channel.index = static_cast<std::int64_t>(recording_.channels.size());
    channel.device = "gpu:a";
    channel.signal = signal;
    channel.behaviour = behaviour;
    channel.scope = domain::Scope::gpu;
    channel.meter = "model";
    channel.update_period_s = facts.period_s;
    channel.averaging_window_s = facts.averaging_s;
    channel.lag_s = facts.lag_s;
    channel.wraps_at = facts.wraps_at;
    channel.update_period_source = channel.averaging_window_source = domain::Knowledge::table;
    channel.gain_u_ratio = facts.gain_u_ratio;
    channel.resolution = facts.quantum > 0 ? std::optional(facts.quantum) : std::nullopt;
    recording_.channels.push_back(channel);
    domain::Trace trace;
    for (const Published& reading : seen) {
      trace.push_back({ns(reading.t_s), 20'000, reading.value});
    }
    recording_.traces.push_back(trace);
    return *this;
  }

  Timetable table_;
  std::int64_t origin_ns_;
  domain::Recording recording_;
};

/// The only scope of a scene; absent when no energy was found.
inline std::optional<domain::ScopeEnergy> scope_of(const domain::TrialResult& result) {
  return result.energy && !result.energy->scopes.empty()
             ? std::optional(result.energy->scopes.front())
             : std::nullopt;
}

inline bool has_code(const domain::TrialResult& result, std::string_view code) {
  for (const auto& entry : result.validity.codes) {
    if (entry.code == code) {
      return true;
    }
  }
  return false;
}

}  // namespace llem::fidelity
