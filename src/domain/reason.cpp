#include "domain/reason.hpp"

#include <algorithm>
#include <array>

namespace llem::domain {

std::span<const std::string_view> words(Severity) {
  static constexpr std::array<std::string_view, 3> kWords{"info", "warning", "invalid"};
  return kWords;
}

std::span<const Reason> reasons() {
  using enum Severity;
  static constexpr std::array kReasons{
      Reason{"quick_profile", warning, "measured under the quick profile: short phases",
             "use measure.profile: full for numbers to publish"},
      Reason{"estimated_energy", warning,
             "no energy sensor: the energy is an estimate from CPU load",
             "run where RAPL or NVML can be read; `llem doctor` says what is missing"},
      Reason{"dataset_substituted", warning,
             "the bundled prompts stood in for the data set asked for",
             "let the data set be fetched once, or name a file"},
      Reason{"cache_reuse", warning, "prompt tokens were answered from a prefix cache",
             "empty the cache between passes or enlarge the data set"},
      Reason{"batch_underfilled", warning, "the realised batch stayed below 90 % of batch_size",
             "raise workload.requests"},
      Reason{"window_short", warning, "the window is shorter than 30 s",
             "raise measure.window.min_s"},
      Reason{"not_steady", warning, "throughput had not converged when the warm-up ended",
             "raise measure.warmup.max_s, or free the machine of other load"},
      Reason{"contention", warning, "other work or the hypervisor took CPU time during the window",
             "free the machine of other load"},
      Reason{"effective_config_differs", warning,
             "the live engine does not use the configuration it was given",
             "declare what the engine can do, or accept the effective value"},
      Reason{"throttled_power", warning, "the power cap limited clocks",
             "none needed when the cap is part of the deployment"},
      Reason{"limit_changed", warning, "a GPU's power limit was changed during the window",
             "let nothing else set limits while a study runs"},
      Reason{"throttled_thermal", invalid, "thermal slowdown or power brake during the window",
             "improve cooling or wait longer between trials"},
      Reason{"crosscheck_failed", warning, "two methods disagree on the energy",
             "look at traces.parquet; distrust the sensor"},
      Reason{"sample_gap", warning, "readings are missing for more than three sensor periods",
             "lower measure.sample_hz or free the machine of other load"},
      Reason{"total_incomplete", warning,
             "the measured total leaves out a device whose energy could not be read",
             "see the other codes for the reason; compare scopes, not totals"},
      Reason{"mig_parent_energy", warning,
             "the energy is that of the whole GPU, not of the MIG slice",
             "disable MIG for energy measurements"},
      Reason{"high_variance", warning, "cycles differ by more than 5 % (coefficient of variation)",
             "more cycles, a longer warm-up, or a quieter machine"},
      Reason{"mixed_environment", warning,
             "cycles differ in engine version, driver, devices or what their energy covers",
             "measure all cycles of a configuration on one unchanged machine"},
      Reason{"token_times_estimated", warning, "token times are not measured for every token",
             "use an engine that streams tokens"},
      Reason{"clock_step", warning, "the wall clock was stepped during the trial",
             "no durations depend on it; check time synchronisation"},
      Reason{"short_output", invalid, "requests delivered fewer tokens than the schedule demands",
             "look at worker.log"},
      Reason{"request_errors", invalid, "requests failed", "look at worker.log"},
      Reason{"zero_tokens", invalid, "no output token was delivered", "look at worker.log"},
      Reason{"sensor_lost", invalid, "a sensor disappeared during the trial",
             "look at the system log for device errors"},
      Reason{"counter_reset", invalid, "an energy counter ran backwards",
             "keep the driver loaded (persistence mode) during a study"},
      Reason{"counter_frozen", warning, "an energy counter stood still under load and was not used",
             "report it to the vendor"},
      Reason{"no_energy", invalid, "neither a sensor nor an estimate covers the window",
             "let `host` be among measure.meters; `llem doctor` says what is missing"},
      Reason{"suspended", invalid, "the machine was suspended during the trial", "disable suspend"},
      Reason{"clock_offset_large", invalid, "host and worker clocks agree to no better than 1 ms",
             "run the worker on this machine"},
      Reason{"interrupted", invalid, "the trial was interrupted", "run it again"},
      Reason{"engine_died", invalid, "the worker process ended before its time",
             "look at worker.log"},
      Reason{"worker_silent", invalid, "the worker did not answer within its deadline",
             "look at worker.log; raise study.timeout_s when the machine is slow"},
      Reason{"worker_not_found", invalid, "the worker program could not be started",
             "reinstall llem; `llem doctor` shows where workers are sought"},
      Reason{"protocol_error", invalid, "the worker broke the protocol",
             "use a worker of the same version as llem"},
      Reason{"timeout_load", invalid, "loading the model took too long",
             "raise study.timeouts.load_s"},
      Reason{"timeout_warmup", invalid, "the warm-up took too long",
             "raise study.timeouts.warmup_s"},
      Reason{"timeout_window", invalid, "the window took too long",
             "raise study.timeouts.window_s"},
      Reason{"timeline_incomplete", invalid, "the timeline does not cover the schedule",
             "report this as a defect of the worker"},
      Reason{"model_missing", invalid, "the model file is not there", "check model.name"},
      Reason{"bad_model", invalid, "the model file cannot be read by the engine",
             "fetch it again; check that it is a complete GGUF file"},
      Reason{"bad_argument", invalid, "the engine refused an argument", "correct deploy"},
      Reason{"out_of_memory", invalid, "memory did not suffice",
             "lower batch_size, context_length or the KV cache type"},
      Reason{"prompt_too_long", invalid, "a prompt does not fit the context",
             "lower workload.input_tokens or raise deploy.context_length"},
      Reason{"load_failed", invalid, "the engine could not load the model", "look at worker.log"},
      Reason{"decode_failed", invalid, "the engine failed while generating", "look at worker.log"},
      Reason{"schedule_failed", invalid, "no schedule could be made from the prompts",
             "see the message"},
      Reason{"no_disk_space", invalid, "the disk is full", "free space and run again"},
      Reason{"output_unwritable", invalid, "results could not be written", "check the directory"},
      Reason{"kv_cache_full", warning,
             "the KV cache was full: sequences were sent away and served later",
             "raise deploy.context_length, or lower deploy.batch_size"},
      Reason{"chat_template_unknown", warning,
             "the engine does not know the model's chat template: prompts went in as they are",
             "set workload.chat_template: off"},
      Reason{"worker_survived", warning,
             "a process of the worker outlived SIGKILL and may still hold memory and devices",
             "look at the system log for a stuck driver; distrust the trials after this one"},
      Reason{"limits_refused", invalid, "power limit or clocks of the GPUs could not be set",
             "run llem as root, or leave deploy.power_limit_w and deploy.clocks out"},
      Reason{"limits_not_restored", warning,
             "power limit or clocks of the GPUs are not back as they were before the trial",
             "put them back by hand: `nvidia-smi -pl`, `-rgc`, `-rmc`"},
      Reason{"guard_lost", info,
             "the process that would have put the GPUs back after a death of llem was gone",
             "let nothing kill llem-device-guard"},
      Reason{"engine_warning", info, "the engine warned", "look at worker.log"},
      Reason{"internal", invalid, "a defect of llem or of the worker", "report it with worker.log"},
  };
  return kReasons;
}

const Reason* find_reason(std::string_view code) {
  const auto all = reasons();
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Reason& r) { return r.code == code; });
  return it == all.end() ? nullptr : &*it;
}

}  // namespace llem::domain
