#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "analysis/parts.hpp"
#include "analysis/series.hpp"
#include "stats/regression.hpp"

namespace llem::analysis {

namespace {

// Each threshold has its line in docs/methodology/validity.md.
constexpr double kShortestWindow = 30;   // s
constexpr double kLeastUpdates = 20;     // of the headline's sensor in the window
constexpr double kUnderfilled = 0.9;     // of batch_size
constexpr double kThermalShare = 0.001;  // of the window
constexpr double kPowerShare = 0.01;
constexpr double kForeignLoad = 0.10;  // of the machine's CPUs
constexpr double kSteal = 0.02;
constexpr double kResidualBytes = 0x1p30;  // old drivers count their reserve of half as much
constexpr double kClockBound = 1e-3;       // s
constexpr double kAnchorJitter = 0.05;     // s between three clock readings of one anchor
constexpr double kSlewRate = 500e-6;       // the fastest the kernel slews the wall clock
constexpr std::size_t kJudgedBlocks = stats::SteadyCriteria{}.blocks;  // of the warm-up

double seconds(std::int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

void judge_outcome(const domain::Recording& r, Findings& f) {
  const auto& outcome = r.outcome;
  if (outcome.state != domain::OutcomeState::completed) {
    const bool interrupted = outcome.state == domain::OutcomeState::interrupted;
    const std::string code = outcome.code.value_or(interrupted ? "interrupted" : "engine_died");
    std::string evidence = outcome.message.value_or("");
    if (outcome.phase) {
      evidence += fmt::format("{}(in {})", evidence.empty() ? "" : " ", *outcome.phase);
    }
    f.add(code, evidence);
  }
  for (const auto& note : r.notes) {
    f.add(note.code, note.text);
  }
}

void judge_clocks(const domain::Recording& r, Findings& f) {
  const auto& a = r.anchor_begin;
  const auto& b = r.anchor_end;
  if (a.monotonic_ns > 0 && b.monotonic_ns > a.monotonic_ns) {
    const double elapsed = seconds(b.monotonic_ns - a.monotonic_ns);
    const double asleep = seconds(b.boottime_ns - a.boottime_ns) - elapsed;
    if (asleep > kAnchorJitter) {
      f.add("suspended", fmt::format("{:.1f} s asleep", asleep));
    }
    const double stepped = seconds(b.realtime_ns - a.realtime_ns) - elapsed - std::max(0.0, asleep);
    if (std::abs(stepped) > kAnchorJitter + kSlewRate * elapsed) {
      f.add("clock_step", fmt::format("wall clock moved by {:.3f} s", stepped));
    }
  }
  const double bound = seconds(r.clock_offset.bound_ns);
  // A recorder that gave up for this reason has said so with its own numbers.
  if (bound > kClockBound && !f.has("clock_offset_large")) {
    f.add("clock_offset_large", fmt::format("offset {:.3f} ms known to {:.3f} ms",
                                            seconds(r.clock_offset.offset_ns) * 1e3, bound * 1e3));
  }
}

void judge_procedure(const domain::Recording& r, const Window* w, Findings& f) {
  const auto& measure = r.configuration.measure;
  const bool quick = measure.profile == domain::Profile::quick;
  if (quick) {
    f.add("quick_profile", "measure.profile is quick");
  }
  if (w == nullptr) {
    return;
  }
  // The quick profile has said that its window is short; it must only keep its own promise.
  const double least = quick ? measure.window.min_s.value_or(0) : kShortestWindow;
  if (w->duration_s < least) {
    f.add("window_short", fmt::format("{:.2f} s < {:g} s", w->duration_s, least));
  }
  const std::size_t blocks = r.warmup.blocks.size();
  if (blocks > 0 && !r.warmup.steady && blocks < kJudgedBlocks) {
    f.add("not_steady",
          fmt::format("{} block{} too few to judge", blocks, blocks == 1 ? " is" : "s are"));
  } else if (blocks > 0 && !r.warmup.steady) {
    f.add("not_steady",
          fmt::format("after {} blocks: CV {:.1f} %, slope {:.1f} %", blocks,
                      100 * r.warmup.cv_ratio.value_or(0), 100 * r.warmup.slope_ratio.value_or(0)));
  }
}

void judge_outputs(const domain::Recording& r, const Window& w, Findings& f) {
  if (w.output_tokens == 0) {
    f.add("zero_tokens", fmt::format("{} requests, no token", w.serve->requests.size()));
  }
  if (w.failed > 0) {
    f.add("request_errors", fmt::format("{} of {} requests", w.failed, w.serve->requests.size()));
  }
  const auto demanded = r.configuration.workload.output_tokens.exact;
  if (!demanded) {
    return;
  }
  const auto& requests = w.serve->requests;
  const auto few = std::count_if(requests.begin(), requests.end(), [&](const auto& q) {
    return served(q) && q.output_tokens < *demanded;
  });
  if (few > 0) {
    f.add("short_output",
          fmt::format("{} of {} requests below {} tokens", few, requests.size(), *demanded));
  }
}

void judge_serving(const domain::Recording& r, const Window& w, const domain::TrialResult& result,
                   Findings& f) {
  if (w.cached_tokens > 0) {
    f.add("cache_reuse",
          fmt::format("{} of {} prompt tokens cached", w.cached_tokens, w.input_tokens));
  }
  if (r.schedule.dataset == "bundled" && r.configuration.workload.dataset.name != "bundled") {
    f.add("dataset_substituted",
          fmt::format("bundled prompts instead of {}", r.configuration.workload.dataset.name));
  }
  if (w.serve->token_time != domain::TokenTime::measured) {
    const auto word =
        domain::words(w.serve->token_time)[static_cast<std::size_t>(w.serve->token_time)];
    f.add("token_times_estimated", fmt::format("token times are {}", word));
  }
  const auto cap = static_cast<double>(r.configuration.deploy.batch_size);
  if (result.throughput && result.throughput->mean_batch &&
      *result.throughput->mean_batch < kUnderfilled * cap) {
    f.add("batch_underfilled",
          fmt::format("mean {:.2f} of {:g}", *result.throughput->mean_batch, cap));
  }
}

bool is_used(const domain::Recording& r, std::string_view device) {
  const auto it = std::find_if(r.devices.begin(), r.devices.end(),
                               [&](const auto& d) { return d.id == device; });
  return it == r.devices.end() || it->used;
}

void judge_throttling(const domain::Recording& r, const domain::TrialResult& result, Findings& f) {
  if (!result.thermal) {
    return;
  }
  for (const auto& device : result.thermal->devices) {
    if (!device.throttle || !is_used(r, device.device)) {
      continue;
    }
    const auto& t = *device.throttle;
    const double thermal = std::max({t.sw_thermal_ratio.value_or(0), t.hw_thermal_ratio.value_or(0),
                                     t.brake_ratio.value_or(0)});
    if (thermal > kThermalShare) {
      f.add("throttled_thermal",
            fmt::format("{}: {:.2f} % of the window", device.device, 100 * thermal));
    }
    if (t.power_ratio.value_or(0) > kPowerShare) {
      f.add("throttled_power",
            fmt::format("{}: {:.1f} % of the window", device.device, 100 * *t.power_ratio));
    }
  }
}

void judge_limits(const domain::Recording& r, const Window& w, Findings& f) {
  for (const auto& device : r.devices) {
    const auto limits = device.used ? power_limits(r, device.id, w.span) : std::nullopt;
    if (limits && limits->low_w != limits->high_w) {
      f.add("limit_changed", fmt::format("{}: power limit between {:g} and {:g} W", device.id,
                                         limits->low_w, limits->high_w));
    }
  }
}

/// What something else holds before the worker starts.
void judge_exclusivity(const domain::Recording& r, Findings& f) {
  const auto load = phase_span(r, domain::PhaseName::load);
  for (const auto& device : r.devices) {
    if (device.kind != "gpu" || !device.used) {
      continue;
    }
    for (const auto& channel : r.channels) {
      if (!load || channel.device != device.id || channel.signal != domain::Signal::memory_used) {
        continue;
      }
      const auto points = within(trace_of(r, channel), {INT64_MIN, load->begin_ns});
      if (!points.empty() && points.back().value > kResidualBytes) {
        f.add("residual_memory", fmt::format("{}: {:.1f} GiB before the engine started", device.id,
                                             points.back().value / 0x1p30));
      }
    }
  }
}

void judge_load(const domain::TrialResult& result, Findings& f) {
  if (!result.host_load) {
    return;
  }
  const auto& load = *result.host_load;
  if (load.cpu_busy_ratio && load.worker_share_ratio) {
    const double foreign = *load.cpu_busy_ratio * (1 - *load.worker_share_ratio);
    if (foreign > kForeignLoad) {
      f.add("contention",
            fmt::format("other processes took {:.0f} % of the machine's CPUs", 100 * foreign));
    }
  }
  if (load.cpu_steal_ratio.value_or(0) > kSteal) {
    f.add("contention", fmt::format("the hypervisor took {:.1f} %", 100 * *load.cpu_steal_ratio));
  }
}

bool sliced(const base::Json& facts) {
  return facts.bool_or("mig", false) || facts.bool_or("mig_enabled", false) ||
         facts.integer_or("mig_mode", 0) == 1;
}

void judge_sensors(const domain::Recording& r, const domain::TrialResult& result, const Window& w,
                   Findings& f) {
  for (const auto& device : r.devices) {
    if (device.kind == "gpu" && device.used && device.facts.is_object() && sliced(device.facts)) {
      f.add("mig_parent_energy", device.id);
    }
  }
  if (!result.energy || !result.energy->headline_gross_j) {
    return;
  }
  for (const auto& scope : result.energy->scopes) {
    const double updates =
        scope.sensor.update_period_s ? w.duration_s / *scope.sensor.update_period_s : kLeastUpdates;
    const bool shown = scope.kind == domain::Scope::gpu || scope.kind == domain::Scope::module ||
                       scope.kind == domain::Scope::package;
    if (shown && is_used(r, scope.scope) && updates < kLeastUpdates) {
      f.add("window_short",
            fmt::format("{}: {:.0f} sensor updates < {:g}", scope.scope, updates, kLeastUpdates));
    }
  }
}

void judge_configuration(const domain::TrialResult& result, Findings& f) {
  for (const auto& d : result.configuration.differences) {
    const std::string live = d.effective.is_null() ? "unreported" : base::write_json(d.effective);
    f.add("effective_config_differs",
          fmt::format("{}: declared {}, effective {}", d.name, base::write_json(d.declared), live));
  }
}

}  // namespace

void judge(const domain::Recording& recording, const Window* window,
           const domain::TrialResult& result, Findings& findings) {
  judge_outcome(recording, findings);
  judge_clocks(recording, findings);
  judge_procedure(recording, window, findings);
  judge_configuration(result, findings);
  if (window == nullptr) {
    return;
  }
  judge_outputs(recording, *window, findings);
  judge_serving(recording, *window, result, findings);
  judge_throttling(recording, result, findings);
  judge_limits(recording, *window, findings);
  judge_exclusivity(recording, findings);
  judge_load(result, findings);
  judge_sensors(recording, result, *window, findings);
}

}  // namespace llem::analysis
