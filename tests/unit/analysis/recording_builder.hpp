#pragma once

// Owns: recordings of machines whose power has a closed form, read by sensors that are modelled
// exactly.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis::test {

/// Power that is constant between steps: {from second, watts}.
struct Wave {
  std::vector<std::pair<double, double>> steps;

  double at(double t) const {
    double watts = steps.front().second;
    for (const auto& [from, value] : steps) {
      watts = t >= from ? value : watts;
    }
    return watts;
  }

  double until(double t) const {
    double joules = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const double end = i + 1 < steps.size() ? std::min(t, steps[i + 1].first) : t;
      joules += end > steps[i].first ? steps[i].second * (end - steps[i].first) : 0;
    }
    return joules;
  }

  Wave scaled(double k) const {
    Wave wave = *this;
    for (auto& step : wave.steps) {
      step.second *= k;
    }
    return wave;
  }
};

struct Poll {
  double every_s = 0.02;
  double from_s = 0;
  double to_s = 1e9;
};

// Default timetable, in seconds: baseline 0-10, load 10-15, loaded idle 15-25, warm-up 25-35, pad
// 35-37, window 37-67, pad 67-69, cool-down 69-70.
class RecordingBuilder {
 public:
  static constexpr double kWindowBegin = 37;
  static constexpr double kEnd = 70;

  /// 10 W bare, 20 W loaded, 50 W at work.
  static Wave plain_wave(double window_s = 30) {
    return {{{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}, {37, 50}, {37 + window_s, 20}}};
  }

  RecordingBuilder() { set_up(); }

  RecordingBuilder& window_s(double seconds) {
    window_s_ = seconds;
    return *this;
  }

  RecordingBuilder& shifted_ns(std::int64_t by) {
    origin_ns_ += by;
    return *this;
  }

  RecordingBuilder& pads(double before, double after) {
    pad_before_ = before;
    pad_after_ = after;
    return *this;
  }

  RecordingBuilder& batch(std::int64_t size, std::int64_t requests) {
    batch_ = size;
    requests_ = requests;
    r_.configuration.deploy.batch_size = size;
    return *this;
  }

  RecordingBuilder& lengths(std::int64_t prompt, std::int64_t output) {
    prompt_ = prompt;
    output_ = output;
    r_.configuration.workload.output_tokens.exact = output;
    return *this;
  }

  /// A counter that publishes the exact energy every `period` seconds.
  RecordingBuilder& counter(const std::string& device, domain::Scope scope, const Wave& wave,
                            double period, Poll poll = {}, std::optional<double> wraps_at = {},
                            double offset = 0) {
    auto& channel = add(device, domain::Signal::energy, domain::Behaviour::counter, "J", scope);
    channel.update_period_s = period;
    channel.wraps_at = wraps_at;
    channel.update_period_source = domain::Knowledge::table;
    channel.gain_u_ratio = 0.03;
    sample(poll, [&](double t) {
      const double published = std::floor(t / period) * period;
      const double value = wave.until(published) + offset;
      return wraps_at ? std::fmod(value, *wraps_at) : value;
    });
    return *this;
  }

  /// A gauge that publishes every `period` seconds the mean of the last `average` seconds.
  RecordingBuilder& gauge(const std::string& device, domain::Scope scope, const Wave& wave,
                          double period, double average, Poll poll = {}) {
    auto& channel =
        add(device, domain::Signal::power_instant, domain::Behaviour::gauge, "W", scope);
    channel.update_period_s = period;
    channel.averaging_window_s = average;
    channel.update_period_source = domain::Knowledge::table;
    channel.gain_u_ratio = 0.04;
    sample(poll, [&](double t) {
      const double published = std::floor(t / period) * period;
      return (wave.until(published) - wave.until(published - average)) / average;
    });
    return *this;
  }

  /// Any signal given as a function of time.
  template <class Value>
  RecordingBuilder& signal(const std::string& device, domain::Signal signal,
                           domain::Behaviour behaviour, Value&& value, Poll poll = {1}) {
    add(device, signal, behaviour, "", domain::Scope::host);
    sample(poll, value);
    return *this;
  }

  RecordingBuilder& device(const std::string& id, const std::string& name, const std::string& kind,
                           bool used = true) {
    r_.devices.push_back({id, name, kind, used, base::Json::object()});
    return *this;
  }

  /// Anything the methods above do not cover.
  template <class Change>
  RecordingBuilder& but(Change&& change) {
    changes_.push_back(std::forward<Change>(change));
    return *this;
  }

  domain::Recording build() {
    domain::Recording r = r_;
    fill_phases(r);
    fill_serve(r);
    for (const auto& change : changes_) {
      change(r);
    }
    return r;
  }

 private:
  std::int64_t ns(double seconds) const { return origin_ns_ + std::llround(seconds * 1e9); }

  void set_up() {
    r_.tool_version = "0.1.0";
    r_.configuration.hash = "9f31ab02c4d1e7aa";
    r_.configuration.model.name = "tiny";
    r_.configuration.workload.output_tokens.exact = output_;
    r_.configuration.deploy.batch_size = batch_;
    r_.configuration.deploy.batching = domain::Batching::static_batches;
    r_.worker.engine = "scripted";
    r_.worker.engine_version = "1";
    r_.worker.declared = base::Json::object({{"n_batch", 512}});
    r_.worker.effective = base::Json::object({{"n_batch", 512}});
    r_.host.machine_cpus = 4;
    r_.host.logical_cpus = 4;
    for (int block = 0; block < 5; ++block) {
      r_.warmup.blocks.push_back({ns(25 + 2 * block), ns(27 + 2 * block), 40});
    }
    r_.warmup.steady = true;
    r_.warmup.cv_ratio = 0.01;
    r_.warmup.slope_ratio = 0.001;
    r_.anchor_begin = {ns(0), ns(0), ns(0), "2026-11-22T14:01:02Z"};
    r_.anchor_end = {ns(kEnd), ns(kEnd), ns(kEnd), "2026-11-22T14:02:12Z"};
    r_.sampler.duration_s = 70;
    r_.sampler.cpu_s = 0.07;
    fill_model();
  }

  // Two layers of width 64, four heads of 16, MLP of 256, vocabulary of 1000: N = 195,072 (see
  // compute_test.cpp).
  void fill_model() {
    auto& m = r_.model;
    m.name = "tiny";
    m.layers = 2;
    m.width = 64;
    m.heads = 4;
    m.kv_heads = 4;
    m.head_width = 16;
    m.ffn_width = 256;
    m.vocabulary = 1000;
    m.gated_mlp = true;
    m.tied_embeddings = true;
    m.bytes = 400000;
    m.file_type = "F16";
  }

  domain::Channel& add(const std::string& device, domain::Signal signal,
                       domain::Behaviour behaviour, const std::string& unit, domain::Scope scope) {
    domain::Channel channel;
    channel.index = static_cast<std::int64_t>(r_.channels.size());
    channel.device = device;
    channel.signal = signal;
    channel.behaviour = behaviour;
    channel.unit = unit;
    channel.scope = scope;
    channel.meter = "test";
    r_.channels.push_back(channel);
    return r_.channels.back();
  }

  template <class Value>
  void sample(const Poll& poll, Value&& value) {
    domain::Trace trace;
    // An odd phase keeps polls off the sensors' own ticks.
    for (double t = 0.0037; t < end_s(); t += poll.every_s) {
      if (t >= poll.from_s && t < poll.to_s) {
        trace.push_back({ns(t), 20000, value(t)});
      }
    }
    r_.traces.push_back(std::move(trace));
  }

  double window_end() const { return kWindowBegin + window_s_; }

  double end_s() const { return window_end() + 3; }

  void fill_phases(domain::Recording& r) const {
    using enum domain::PhaseName;
    const auto phase = [&](domain::PhaseName name, double begin, double end) {
      if (end > begin) {
        r.phases.push_back({name, ns(begin), ns(end)});
      }
    };
    phase(baseline, 0, 10);
    phase(load, 10, 15);
    phase(loaded_idle, 15, 25);
    phase(warmup, 25, 35);
    phase(pad_before, kWindowBegin - pad_before_, kWindowBegin);
    phase(window, kWindowBegin, window_end());
    phase(pad_after, window_end(), window_end() + pad_after_);
    phase(cooldown, window_end() + 2, end_s());
  }

  /// Whole batches one after another: a quarter of a batch's time to its first tokens, the rest
  /// evenly.
  void fill_serve(domain::Recording& r) const {
    domain::Serve serve;
    serve.label = "window";
    serve.t_begin_ns = ns(kWindowBegin);
    serve.t_end_ns = ns(window_end());
    serve.passes = 1;
    const std::int64_t batches = requests_ / batch_;
    const double batch_s = window_s_ / static_cast<double>(batches);
    for (std::int64_t b = 0; b < batches; ++b) {
      const double begin = kWindowBegin + static_cast<double>(b) * batch_s;
      add_steps(serve, begin, batch_s);
      for (std::int64_t i = 0; i < batch_; ++i) {
        add_request(serve, b * batch_ + i, begin, batch_s);
      }
    }
    r.serves.push_back(std::move(serve));
  }

  double token_at(double begin, double batch_s, std::int64_t k) const {
    const double gaps = static_cast<double>(std::max<std::int64_t>(output_ - 1, 1));
    return begin + batch_s / 4 + 0.75 * batch_s * static_cast<double>(k) / gaps;
  }

  void add_steps(domain::Serve& serve, double begin, double batch_s) const {
    serve.steps.push_back({ns(begin), ns(token_at(begin, batch_s, 0)), batch_ * prompt_, 0,
                           batch_ * prompt_, batch_});
    for (std::int64_t k = 1; k < output_; ++k) {
      serve.steps.push_back({ns(token_at(begin, batch_s, k - 1)), ns(token_at(begin, batch_s, k)),
                             0, batch_, batch_ * (prompt_ + k), batch_});
    }
  }

  void add_request(domain::Serve& serve, std::int64_t index, double begin, double batch_s) const {
    domain::RequestRecord q;
    q.id = "p0r" + std::to_string(index);
    q.submitted_ns = serve.t_begin_ns;
    q.started_ns = ns(begin);
    q.prompt_tokens = prompt_;
    q.output_tokens = output_;
    q.output_bytes = 4 * output_;
    q.token_offset = static_cast<std::int64_t>(serve.token_ns.size());
    for (std::int64_t k = 0; k < output_; ++k) {
      serve.token_ns.push_back(ns(token_at(begin, batch_s, k)));
    }
    q.first_token_ns = output_ > 0 ? ns(token_at(begin, batch_s, 0)) : 0;
    q.end_ns = output_ > 0 ? serve.token_ns.back() : ns(begin + batch_s);
    serve.requests.push_back(std::move(q));
  }

  domain::Recording r_;
  std::vector<std::function<void(domain::Recording&)>> changes_;
  std::int64_t origin_ns_ = 1'000'000'000'000;
  double window_s_ = 30;
  double pad_before_ = 2;
  double pad_after_ = 2;
  std::int64_t batch_ = 2;
  std::int64_t requests_ = 20;
  std::int64_t prompt_ = 8;
  std::int64_t output_ = 16;
};

inline RecordingBuilder a_recording() {
  return {};
}

inline const domain::ScopeEnergy* find_scope(const domain::TrialResult& result,
                                             std::string_view name) {
  if (result.energy) {
    for (const auto& scope : result.energy->scopes) {
      if (scope.scope == name) {
        return &scope;
      }
    }
  }
  return nullptr;
}

inline bool has_code(const domain::TrialResult& result, std::string_view code) {
  for (const auto& entry : result.validity.codes) {
    if (entry.code == code) {
      return true;
    }
  }
  return false;
}

}  // namespace llem::analysis::test
