#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/precision.hpp"

namespace llem::config {
namespace {

using domain::Profile;
using domain::SamplingPreset;

// More than any model reads; sums of lengths stay far from the end of 64 bits.
constexpr std::int64_t kMostTokens = 100'000'000;
constexpr std::int64_t kHighestCpu = 65'535;
constexpr std::int64_t kDefaultInputMax = 512;
constexpr std::int64_t kDefaultOutputTokens = 128;
constexpr double kDefaultSampleHz = 50;
constexpr double kTimeoutFactor = 5;
constexpr double kShortestTimeout = 600;
constexpr double kShortestWarmupTimeout = 60;
constexpr double kLongestTemperatureWait = 600;
constexpr double kLongestSilence = 300;

tl::unexpected<Error> refused(std::vector<std::string> paths, std::string message,
                              std::string hint) {
  return tl::unexpected<Error>(
      Error{ErrorKind::config, std::move(message), std::move(hint), std::move(paths), {}});
}

template <class T>
void fill(std::optional<T>& field, T value) {
  if (!field) {
    field = value;
  }
}

// --- workload ---

Expected<void> check_lengths(const domain::LengthRule& rule, const std::string& path) {
  std::vector<std::string> given;
  std::vector<std::string> paths;
  const auto note = [&](bool there, std::string_view name) {
    if (there) {
      given.emplace_back(name);
      paths.push_back(fmt::format("{}.{}", path, name));
    }
  };
  note(rule.exact.has_value(), "exact");
  note(rule.max.has_value(), "max");
  note(rule.uniform.has_value(), "uniform");
  note(rule.lognormal.has_value(), "lognormal");
  if (given.size() > 1) {
    return refused(paths,
                   fmt::format("`{}` takes one rule, got {}", path, base::join(given, " and ")),
                   "keep one of them");
  }
  if (rule.uniform) {
    const std::vector<std::int64_t>& range = *rule.uniform;
    if (range.size() != 2 || range[0] < 1 || range[0] > range[1]) {
      return refused({path + ".uniform"},
                     fmt::format("`uniform` must be [low, high] with 1 <= low <= high, got [{}]",
                                 fmt::join(range, ", ")),
                     "");
    }
  }
  if (rule.lognormal && rule.lognormal->mean < 1) {
    return refused({path + ".lognormal"}, fmt::format("`{}.lognormal` needs a mean", path),
                   "set mean and cv together where the file has neither");
  }
  std::int64_t most = std::max(rule.exact.value_or(0), rule.max.value_or(0));
  most = std::max(most, rule.uniform ? rule.uniform->back() : 0);
  most = std::max(most, rule.lognormal ? rule.lognormal->max.value_or(0) : 0);
  const double mean = rule.lognormal ? rule.lognormal->mean : 0;
  if (most > kMostTokens || mean > static_cast<double>(kMostTokens)) {
    return refused({path}, fmt::format("`{}` is beyond {} tokens", path, kMostTokens),
                   "no model holds that many");
  }
  return {};
}

bool is_open(const domain::LengthRule& rule) {
  return !rule.exact && !rule.max && !rule.uniform && !rule.lognormal;
}

/// As in the presets of other tools of this kind, so that results can be compared.
domain::Sampling preset_values(SamplingPreset preset) {
  domain::Sampling values;
  switch (preset) {
    case SamplingPreset::greedy:
      values.temperature = 0;
      break;
    case SamplingPreset::standard:
      values.temperature = 1.0;
      values.top_p = 0.95;
      break;
    case SamplingPreset::creative:
      values.temperature = 0.8;
      values.top_p = 0.9;
      values.repetition_penalty = 1.1;
      break;
    case SamplingPreset::factual:
      values.temperature = 0.3;
      break;
  }
  return values;
}

template <class T>
void prefer(std::optional<T>& field, const std::optional<T>& preset, T neutral) {
  if (!field) {
    field = preset.value_or(neutral);
  }
}

Expected<void> resolve_sampling(domain::Sampling& sampling) {
  const std::string path = "workload.sampling";
  if (!sampling.preset && !sampling.temperature) {
    const bool top_p = sampling.top_p.value_or(1) < 1;
    const bool top_k = sampling.top_k.value_or(0) > 0;
    if (top_p || top_k || sampling.min_p.value_or(0) > 0) {
      const std::string_view name = top_p ? "top_p" : top_k ? "top_k" : "min_p";
      return refused({fmt::format("{}.{}", path, name)},
                     fmt::format("`{}` has no effect: without a temperature the likeliest token is "
                                 "always taken",
                                 name),
                     "set workload.sampling.temperature or a preset");
    }
  }
  const domain::Sampling preset = preset_values(sampling.preset.value_or(SamplingPreset::greedy));
  prefer(sampling.temperature, preset.temperature, 0.0);
  prefer(sampling.top_p, preset.top_p, 1.0);
  prefer(sampling.top_k, preset.top_k, std::int64_t{0});
  prefer(sampling.min_p, preset.min_p, 0.0);
  prefer(sampling.repetition_penalty, preset.repetition_penalty, 1.0);
  prefer(sampling.presence_penalty, preset.presence_penalty, 0.0);
  prefer(sampling.frequency_penalty, preset.frequency_penalty, 0.0);
  sampling.preset.reset();
  return {};
}

Expected<void> resolve_workload(domain::Workload& workload) {
  if (workload.requests < 1) {
    return refused({"workload.requests"},
                   fmt::format("`requests` must be 1 or more, got {}", workload.requests), "");
  }
  LLEM_TRY(check_lengths(workload.input_tokens, "workload.input_tokens"));
  LLEM_TRY(check_lengths(workload.output_tokens, "workload.output_tokens"));
  if (is_open(workload.input_tokens)) {
    workload.input_tokens.max = kDefaultInputMax;
  }
  if (is_open(workload.output_tokens)) {
    workload.output_tokens.exact = kDefaultOutputTokens;
  }
  const bool drawn = workload.input_tokens.uniform || workload.input_tokens.lognormal;
  if (drawn && workload.dataset.name != "synthetic") {
    return refused({fmt::format("workload.input_tokens.{}",
                                workload.input_tokens.uniform ? "uniform" : "lognormal"),
                    "workload.dataset.name"},
                   fmt::format("lengths from a distribution need synthetic prompts, not `{}`",
                               workload.dataset.name),
                   "set workload.dataset to synthetic, or input_tokens to {max: N} or {exact: N}");
  }
  return resolve_sampling(workload.sampling);
}

// --- deploy ---

Expected<void> check_affinity(const std::string& text) {
  for (const std::string_view part : base::split(text, ',')) {
    const auto ends = base::split(base::trim(part), '-');
    const auto low = base::parse_integer(ends.front());
    const auto high = base::parse_integer(ends.back());
    if (ends.size() > 2 || !low || !high || *low < 0 || *low > *high || *high > kHighestCpu) {
      return refused({"deploy.cpu_affinity"},
                     fmt::format("`{}` is no list of CPUs: cannot read `{}`", text, part),
                     "write CPU numbers and ranges, as in 0-3,8");
    }
  }
  return {};
}

Expected<void> check_environment(const std::map<std::string, std::string>& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      return refused({"deploy.env." + name},
                     fmt::format("`{}` cannot be the name of an environment variable", name), "");
    }
  }
  return {};
}

Expected<void> check_engine_block(const domain::Deploy& deploy, domain::EngineKind owner,
                                  bool given) {
  if (!given || deploy.engine == owner) {
    return {};
  }
  const auto name = [](domain::EngineKind kind) {
    return words(kind)[static_cast<std::size_t>(kind)];
  };
  return refused(
      {fmt::format("deploy.{}", name(owner)), "deploy.engine"},
      fmt::format("`deploy.{}` has no effect: the engine is {}", name(owner), name(deploy.engine)),
      fmt::format("remove it, or set deploy.engine to {}", name(owner)));
}

Expected<void> resolve_deploy(domain::Deploy& deploy, const DefaultInputs& inputs) {
  LLEM_TRY(check_engine_block(deploy, domain::EngineKind::llamacpp, !deploy.llamacpp.empty()));
  LLEM_TRY(check_engine_block(deploy, domain::EngineKind::scripted, !deploy.scripted.empty()));
  if (deploy.cpu_affinity) {
    LLEM_TRY(check_affinity(*deploy.cpu_affinity));
  }
  LLEM_TRY(check_environment(deploy.env));
  const auto native = deploy.llamacpp.find("n_threads");
  if (native != deploy.llamacpp.end() && native->second.is_integer()) {
    fill(deploy.threads, native->second.integer());
  }
  fill(deploy.threads, std::max<std::int64_t>(1, inputs.usable_cpus));
  return {};
}

// --- measure and study ---

struct ProfileTimes {
  double bare_s;
  double loaded_s;
  double warmup_min_s;
  double warmup_max_s;
  double window_s;
  double pad_s;
  double cooldown_s;
};

constexpr ProfileTimes kFull{10, 10, 30, 300, 30, 2, 5};
constexpr ProfileTimes kQuick{2, 2, 2, 10, 5, 0.5, 0.5};

Expected<void> resolve_measure(domain::Measure& measure) {
  const ProfileTimes& times = measure.profile == Profile::quick ? kQuick : kFull;
  domain::Warmup& warmup = measure.warmup;
  if (warmup.min_s && warmup.max_s && *warmup.min_s > *warmup.max_s) {
    return refused({"measure.warmup.min_s", "measure.warmup.max_s"},
                   fmt::format("the shortest warm-up, {} s, is longer than the longest, {} s",
                               base::shortest(*warmup.min_s), base::shortest(*warmup.max_s)),
                   "");
  }
  // One bound alone moves the other's default out of its way.
  const double min_s = warmup.min_s.value_or(
      std::min(times.warmup_min_s, warmup.max_s.value_or(times.warmup_min_s)));
  fill(warmup.max_s, std::max(times.warmup_max_s, min_s));
  fill(warmup.min_s, min_s);
  fill(measure.baseline.bare_s, times.bare_s);
  fill(measure.baseline.loaded_s, times.loaded_s);
  fill(measure.window.min_s, times.window_s);
  fill(measure.window.pad_s, times.pad_s);
  fill(measure.cooldown_s, times.cooldown_s);
  fill(measure.sample_hz, kDefaultSampleHz);
  return {};
}

Expected<void> resolve_gap(domain::Gap& gap, const std::string& path) {
  if (gap.seconds && gap.temperature_within_c) {
    return refused({path + ".seconds", path + ".temperature_within_c"},
                   fmt::format("`{}` is a time or a temperature, not both", path),
                   "keep one of them; max_s bounds the wait for a temperature");
  }
  if (gap.max_s && !gap.temperature_within_c) {
    return refused({path + ".max_s"},
                   fmt::format("`{}.max_s` has no effect without temperature_within_c", path),
                   "a fixed rest is `seconds`");
  }
  if (gap.temperature_within_c) {
    fill(gap.max_s, kLongestTemperatureWait);
  }
  return {};
}

bool is_open(const domain::Gap& gap) {
  return !gap.seconds && !gap.temperature_within_c;
}

Expected<void> resolve_study(domain::Study& study, const domain::Measure& measure) {
  LLEM_TRY(resolve_gap(study.gap, "study.gap"));
  LLEM_TRY(resolve_gap(study.cycle_gap, "study.cycle_gap"));
  LLEM_TRY(resolve_precision(study, measure.profile));
  if (is_open(study.gap)) {
    study.gap.seconds = 0;
  }
  if (is_open(study.cycle_gap)) {
    study.cycle_gap = study.gap;
  }
  const auto longest = [](const domain::Measure& m) {
    return std::max(kShortestTimeout, kTimeoutFactor * declared_time(m).high_s);
  };
  domain::Measure one_window = measure;
  one_window.windows_per_trial = 1;
  fill(study.timeout_s, longest(measure));
  fill(study.timeouts.load_s, *study.timeout_s);
  fill(study.timeouts.warmup_s,
       std::max(kShortestWarmupTimeout, kTimeoutFactor * *measure.warmup.max_s));
  fill(study.timeouts.window_s, longest(one_window));
  fill(study.timeouts.silence_s, kLongestSilence);
  return {};
}

}  // namespace

TimeRange declared_time(const domain::Measure& measure) {
  const auto windows = static_cast<double>(measure.windows_per_trial);
  // A pad before each window and one after the last.
  const double fixed = *measure.baseline.bare_s + *measure.baseline.loaded_s +
                       (windows + 1) * *measure.window.pad_s + windows * *measure.window.min_s +
                       *measure.cooldown_s;
  return {fixed + *measure.warmup.min_s, fixed + *measure.warmup.max_s};
}

Expected<domain::StudyConfig> resolve(domain::StudyConfig config, const DefaultInputs& inputs) {
  LLEM_TRY(resolve_workload(config.workload));
  LLEM_TRY(resolve_deploy(config.deploy, inputs));
  LLEM_TRY(resolve_measure(config.measure));
  LLEM_TRY(resolve_study(config.study, config.measure));
  return config;
}

}  // namespace llem::config
