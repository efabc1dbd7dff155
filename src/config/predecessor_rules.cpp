#include "config/predecessor_rules.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/field_path.hpp"

namespace llem::config::predecessor {
namespace {

constexpr std::array kEngines{Word{"pytorch", "transformers"}, Word{"transformers", "transformers"},
                              Word{"vllm", "vllm"}, Word{"tensorrt", "tensorrt_llm"}};

/// Other names of the same place, the longer before the shorter.
constexpr std::array kAliases{Word{"task.model", "model"},
                              Word{"task.dataset", "dataset"},
                              Word{"task.max_input_tokens", "max_input_tokens"},
                              Word{"task.max_output_tokens", "max_output_tokens"},
                              Word{"task.random_seed", "random_seed"},
                              Word{"dataset.source", "dataset"},
                              Word{"dataset.n_prompts", "n"},
                              Word{"dataset.order", "dataset_order"},
                              Word{"engine", "backend"},
                              Word{"dtype", "precision"},
                              Word{"sampling_params", "decoder"},
                              Word{"sampling_preset", "decoder.preset"},
                              Word{"offline.warmup", "warmup"},
                              Word{"warmup.n_prompts", "warmup.n_warmup"},
                              Word{"measurement.baseline", "baseline"},
                              Word{"measurement.energy_sampler", "energy.backend"},
                              Word{"study_execution", "execution"},
                              Word{"execution.experiment_order", "execution.cycle_order"},
                              Word{"study_name", "name"},
                              Word{"pytorch", "transformers"},
                              Word{"transformers.engine_params", "transformers"},
                              Word{"transformers.sampling_params", "transformers"},
                              Word{"transformers.llem_execution", "transformers"},
                              Word{"vllm.engine_params", "vllm"},
                              Word{"vllm.sampling_params", "vllm"},
                              Word{"vllm.engine", "vllm"},
                              Word{"vllm.sampling", "vllm"},
                              Word{"tensorrt.engine_params", "tensorrt"},
                              Word{"tensorrt.sampling_params", "tensorrt"}};

constexpr std::array kPromptOrders{Word{"interleaved", "file"}, Word{"shuffled", "shuffled"}};
constexpr std::array kPresets{Word{"deterministic", "greedy"}, Word{"standard", "standard"},
                              Word{"creative", "creative"}, Word{"factual", "factual"}};
constexpr std::array kTrialOrders{
    Word{"sequential", "sequential"},  Word{"interleaved", "interleaved"},
    Word{"interleave", "interleaved"}, Word{"shuffled", "blocks"},
    Word{"shuffle", "blocks"},         Word{"latin_square", "latin_square"}};
constexpr std::array kMeters{Word{"auto", ""}, Word{"nvml", "nvml"}, Word{"zeus", "nvml"},
                             Word{"codecarbon", ""}};
constexpr std::array kAttention{Word{"sdpa", "auto"}, Word{"eager", "standard"},
                                Word{"flash_attention_2", "flash"},
                                Word{"flash_attention_3", "flash"}};
constexpr std::array kCacheTypes{Word{"auto", "auto"}, Word{"float16", "f16"},
                                 Word{"bfloat16", "bf16"}};
constexpr std::array kNoWarmup{Word{"min_s", "0"}, Word{"max_s", "0"}};
constexpr std::array kIdles{Word{"bare_s", "0"}, Word{"loaded_s", "0"}};
constexpr std::array kOffline{Word{"offline", ""}};
constexpr std::array kOne{Word{"1", ""}};
constexpr std::array kNone{Word{"0", ""}, Word{"false", ""}};

constexpr std::string_view kByTime = "the warm-up here goes by time, and on until it is steady";
constexpr std::string_view kEveryTrial = "idle power is measured anew in every trial";
constexpr std::string_view kWindow =
    "the measured window begins after the warm-up and holds whole passes";
constexpr std::string_view kNoServer =
    "this version serves offline, all requests at once, and has no arrival of requests";
constexpr std::string_view kBeamsOnly = "it counts in beam search alone";
constexpr std::string_view kBeams = "this version has no beam search";
constexpr std::string_view kBookkeeping = "the predecessor's own bookkeeping";
constexpr std::string_view kShortest = "the length of an output has no lower bound here";
constexpr std::string_view kNewBlocks = "a new random order in every cycle is called blocks here";

constexpr std::array kRules{
    // the task
    Rule{"model", "model.name", Turning::rename}, Rule{"n", "workload.requests", Turning::rename},
    Rule{"dataset", "workload.dataset.name", Turning::rename},
    Rule{"dataset.n", "workload.requests", Turning::synthetic},
    Rule{"dataset.input_len", "workload.input_tokens", Turning::rename, "exactly so many"},
    Rule{"dataset.output_len", "workload.output_tokens", Turning::output_limit},
    Rule{"dataset.seed", "workload.seed", Turning::rename},
    Rule{"dataset_order", "workload.order", Turning::word, "", kPromptOrders},
    Rule{"random_seed", "workload.seed", Turning::rename},
    Rule{"max_input_tokens", "workload.input_tokens", Turning::input_limit},
    Rule{"max_output_tokens", "workload.output_tokens", Turning::output_limit},
    Rule{"decoder.temperature", "workload.sampling.temperature", Turning::rename},
    Rule{"decoder.do_sample", "workload.sampling.temperature", Turning::do_sample},
    Rule{"decoder.top_k", "workload.sampling.top_k", Turning::rename},
    Rule{"decoder.top_p", "workload.sampling.top_p", Turning::rename},
    Rule{"decoder.min_p", "workload.sampling.min_p", Turning::rename},
    Rule{"decoder.repetition_penalty", "workload.sampling.repetition_penalty", Turning::rename},
    Rule{"decoder.min_new_tokens", "", Turning::refuse, kShortest, kNone},
    Rule{"decoder.preset", "workload.sampling.preset", Turning::preset, "", kPresets},
    Rule{"lora", "", Turning::refuse, "this version has no adapters: merge it into the model"},
    // the deployment
    Rule{"backend", "deploy.engine", Turning::engine}, Rule{"precision", "", Turning::precision},
    Rule{"passthrough_kwargs", "", Turning::to_engine},
    Rule{"serving_mode", "", Turning::refuse, kNoServer, kOffline},
    Rule{"server", "", Turning::refuse, kNoServer},
    Rule{"transformers.batch_size", "deploy.batch_size", Turning::rename},
    Rule{"transformers.attn_implementation", "deploy.attention", Turning::word, "", kAttention},
    Rule{"transformers.dtype", "", Turning::precision},
    Rule{"transformers.torch_compile", "", Turning::to_engine},
    Rule{"transformers.torch_compile_mode", "", Turning::to_engine},
    Rule{"transformers.torch_compile_backend", "", Turning::to_engine},
    Rule{"transformers.load_in_4bit", "", Turning::to_engine},
    Rule{"transformers.load_in_8bit", "", Turning::to_engine},
    Rule{"transformers.bnb_4bit_compute_dtype", "", Turning::to_engine},
    Rule{"transformers.bnb_4bit_quant_type", "", Turning::to_engine},
    Rule{"transformers.bnb_4bit_use_double_quant", "", Turning::to_engine},
    Rule{"transformers.use_cache", "", Turning::to_engine},
    Rule{"transformers.cache_implementation", "", Turning::to_engine},
    Rule{"transformers.prompt_lookup_num_tokens", "", Turning::to_engine},
    Rule{"transformers.device_map", "", Turning::to_engine},
    Rule{"transformers.max_memory", "", Turning::to_engine},
    Rule{"transformers.low_cpu_mem_usage", "", Turning::to_engine},
    Rule{"transformers.tp_plan", "", Turning::to_engine},
    Rule{"transformers.tp_size", "", Turning::to_engine},
    Rule{"transformers.allow_tf32", "", Turning::to_engine},
    Rule{"transformers.autocast_dtype", "", Turning::to_engine},
    Rule{"transformers.autocast_enabled", "", Turning::to_engine},
    Rule{"transformers.revision", "model.revision", Turning::rename},
    Rule{"transformers.trust_remote_code", "", Turning::leave_out, "a GGUF file holds no code"},
    Rule{"transformers.num_processes", "", Turning::leave_out, "it never had an effect"},
    Rule{"transformers.num_beams", "", Turning::refuse, kBeams, kOne},
    Rule{"transformers.early_stopping", "", Turning::leave_out, kBeamsOnly},
    Rule{"transformers.length_penalty", "", Turning::leave_out, kBeamsOnly},
    Rule{"transformers.no_repeat_ngram_size", "", Turning::refuse,
         "sampling here has no rule against repeated sequences", kNone},
    Rule{"transformers.min_new_tokens", "", Turning::refuse, kShortest, kNone},
    Rule{"transformers.temperature", "workload.sampling.temperature", Turning::rename},
    Rule{"transformers.do_sample", "workload.sampling.temperature", Turning::do_sample},
    Rule{"transformers.top_k", "workload.sampling.top_k", Turning::rename},
    Rule{"transformers.top_p", "workload.sampling.top_p", Turning::rename},
    Rule{"transformers.min_p", "workload.sampling.min_p", Turning::rename},
    Rule{"transformers.repetition_penalty", "workload.sampling.repetition_penalty",
         Turning::rename},
    Rule{"vllm.max_num_seqs", "deploy.batch_size", Turning::rename},
    Rule{"vllm.max_num_batched_tokens", "deploy.max_batched_tokens", Turning::rename},
    Rule{"vllm.max_model_len", "deploy.context_length", Turning::rename},
    Rule{"vllm.kv_cache_dtype", "deploy.kv_cache.dtype", Turning::word, "", kCacheTypes},
    Rule{"vllm.dtype", "", Turning::precision}, Rule{"vllm.quantization", "", Turning::to_engine},
    Rule{"vllm.gpu_memory_utilization", "", Turning::to_engine},
    Rule{"vllm.swap_space", "", Turning::to_engine},
    Rule{"vllm.cpu_offload_gb", "", Turning::to_engine},
    Rule{"vllm.block_size", "", Turning::to_engine},
    Rule{"vllm.enforce_eager", "", Turning::to_engine},
    Rule{"vllm.enable_chunked_prefill", "", Turning::to_engine},
    Rule{"vllm.enable_prefix_caching", "", Turning::to_engine},
    Rule{"vllm.tensor_parallel_size", "", Turning::to_engine},
    Rule{"vllm.pipeline_parallel_size", "", Turning::to_engine},
    Rule{"vllm.distributed_executor_backend", "", Turning::to_engine},
    Rule{"vllm.disable_custom_all_reduce", "", Turning::to_engine},
    Rule{"vllm.speculative_model", "", Turning::to_engine},
    Rule{"vllm.num_speculative_tokens", "", Turning::to_engine},
    Rule{"vllm.speculative_config", "", Turning::to_engine},
    Rule{"vllm.kv_cache_memory_bytes", "", Turning::to_engine},
    Rule{"vllm.offload_group_size", "", Turning::to_engine},
    Rule{"vllm.offload_num_in_group", "", Turning::to_engine},
    Rule{"vllm.offload_prefetch_step", "", Turning::to_engine},
    Rule{"vllm.offload_params", "", Turning::to_engine},
    Rule{"vllm.compilation_config", "", Turning::to_engine},
    Rule{"vllm.attention", "", Turning::to_engine},
    Rule{"vllm.beam_search", "", Turning::refuse, kBeams},
    Rule{"vllm.max_tokens", "workload.output_tokens", Turning::output_limit},
    Rule{"vllm.min_tokens", "", Turning::refuse, kShortest, kNone},
    Rule{"vllm.ignore_eos", "workload.output_tokens", Turning::ignore_end},
    Rule{"vllm.n", "", Turning::refuse, "a request has one answer here", kOne},
    Rule{"vllm.temperature", "workload.sampling.temperature", Turning::rename},
    Rule{"vllm.top_k", "workload.sampling.top_k", Turning::rename},
    Rule{"vllm.top_p", "workload.sampling.top_p", Turning::rename},
    Rule{"vllm.min_p", "workload.sampling.min_p", Turning::rename},
    Rule{"vllm.repetition_penalty", "workload.sampling.repetition_penalty", Turning::rename},
    Rule{"vllm.presence_penalty", "workload.sampling.presence_penalty", Turning::rename},
    Rule{"vllm.frequency_penalty", "workload.sampling.frequency_penalty", Turning::rename},
    Rule{"tensorrt.max_batch_size", "deploy.batch_size", Turning::rename},
    Rule{"tensorrt.max_num_tokens", "deploy.max_batched_tokens", Turning::rename},
    Rule{"tensorrt.max_seq_len", "deploy.context_length", Turning::rename},
    Rule{"tensorrt.max_input_len", "", Turning::to_engine},
    Rule{"tensorrt.dtype", "", Turning::precision},
    Rule{"tensorrt.quantization", "", Turning::to_engine},
    Rule{"tensorrt.quant_config", "", Turning::to_engine},
    Rule{"tensorrt.kv_cache_config", "", Turning::to_engine},
    Rule{"tensorrt.scheduler_config", "", Turning::to_engine},
    Rule{"tensorrt.tp_size", "", Turning::to_engine},
    Rule{"tensorrt.tensor_parallel_size", "", Turning::to_engine},
    Rule{"tensorrt.pipeline_parallel_size", "", Turning::to_engine},
    Rule{"tensorrt.engine_path", "", Turning::to_engine},
    Rule{"tensorrt.backend", "", Turning::to_engine},
    Rule{"tensorrt.fast_build", "", Turning::to_engine},
    Rule{"tensorrt.min_tokens", "", Turning::refuse, kShortest, kNone},
    Rule{"tensorrt.ignore_eos", "workload.output_tokens", Turning::ignore_end},
    Rule{"tensorrt.n", "", Turning::refuse, "a request has one answer here", kOne},
    Rule{"tensorrt.temperature", "workload.sampling.temperature", Turning::rename},
    Rule{"tensorrt.top_k", "workload.sampling.top_k", Turning::rename},
    Rule{"tensorrt.top_p", "workload.sampling.top_p", Turning::rename},
    Rule{"tensorrt.min_p", "workload.sampling.min_p", Turning::rename},
    Rule{"tensorrt.repetition_penalty", "workload.sampling.repetition_penalty", Turning::rename},
    // the measurement
    Rule{"warmup.enabled", "measure.warmup", Turning::enabled, "", kNoWarmup},
    Rule{"warmup.thermal_floor_seconds", "measure.warmup.min_s", Turning::rename},
    Rule{"warmup.n_warmup", "", Turning::leave_out, kByTime},
    Rule{"warmup.convergence_detection", "", Turning::leave_out, kByTime},
    Rule{"warmup.cv_threshold", "", Turning::leave_out, kByTime},
    Rule{"warmup.max_prompts", "", Turning::leave_out, kByTime},
    Rule{"warmup.min_prompts", "", Turning::leave_out, kByTime},
    Rule{"warmup.window_size", "", Turning::leave_out, kByTime},
    Rule{"baseline.enabled", "measure.baseline", Turning::enabled, "", kIdles},
    Rule{"baseline.duration_seconds", "measure.baseline", Turning::each,
         "idle power is measured twice, without the model and with it", kIdles},
    Rule{"baseline.strategy", "", Turning::leave_out, kEveryTrial},
    Rule{"baseline.cache_ttl_seconds", "", Turning::leave_out, kEveryTrial},
    Rule{"baseline.validation_interval", "", Turning::leave_out, kEveryTrial},
    Rule{"baseline.drift_threshold", "", Turning::leave_out, kEveryTrial},
    Rule{"energy.backend", "measure.meters", Turning::meters, "", kMeters},
    Rule{"measurement.measurement_methodology", "", Turning::leave_out, kWindow},
    Rule{"measurement.measurement_window", "", Turning::leave_out, kWindow},
    Rule{"measurement.warmup_discard_fraction", "", Turning::leave_out, kWindow},
    Rule{"measurement.warmup_discard_seconds", "", Turning::leave_out, kWindow},
    Rule{"measurement.steady_state_auto_detect", "", Turning::leave_out, kWindow},
    Rule{"measurement.latency_profiling", "", Turning::leave_out,
         "the time of every token is always recorded"},
    // the study
    Rule{"name", "name", Turning::rename},
    Rule{"execution.n_cycles", "study.cycles", Turning::rename},
    Rule{"execution.cycle_order", "study.order", Turning::word, kNewBlocks, kTrialOrders},
    Rule{"execution.experiment_gap_seconds", "study.gap.seconds", Turning::rename},
    Rule{"execution.cycle_gap_seconds", "study.cycle_gap.seconds", Turning::rename},
    Rule{"execution.shuffle_seed", "study.seed", Turning::rename},
    Rule{"execution.max_consecutive_failures", "study.max_consecutive_failures", Turning::failures},
    Rule{"execution.experiment_timeout_seconds", "study.timeout_s", Turning::rename},
    Rule{"execution.stdout_silence_timeout_seconds", "study.timeouts.silence_s", Turning::rename},
    Rule{"execution.gpu_indices", "deploy.devices", Turning::rename},
    Rule{"execution.skip_preflight", "", Turning::leave_out,
         "what a trial needs is always looked at before it starts"},
    Rule{"execution.circuit_breaker_cooldown_seconds", "", Turning::leave_out,
         "the study stops after too many failures, and can be resumed"},
    Rule{"execution.wall_clock_timeout_hours", "", Turning::leave_out,
         "a study has no limit of time, and can be interrupted and resumed"},
    Rule{"execution.deduplicate_equivalent", "", Turning::leave_out,
         "points of equal content are always measured as one"},
    Rule{"output_dir", "", Turning::leave_out, "say it with --output"},
    Rule{"output.results_dir", "", Turning::leave_out, "say it with --output"},
    Rule{"output.save_timeseries", "", Turning::leave_out, "everything raw is always kept"},
    Rule{"runners", "", Turning::leave_out, "workers run on this machine, without containers"},
    Rule{"images", "", Turning::leave_out, "workers run on this machine, without containers"},
    Rule{"version", "", Turning::leave_out, "files have no version here"},
    Rule{"declared_resolved_config_hashes", "", Turning::leave_out, kBookkeeping},
    Rule{"dedup_mode", "", Turning::leave_out, kBookkeeping},
    Rule{"dormant_observations", "", Turning::leave_out, kBookkeeping},
    Rule{"pre_run_equivalence_groups", "", Turning::leave_out, kBookkeeping},
    Rule{"skipped_configs", "", Turning::leave_out, kBookkeeping},
    Rule{"study_design_hash", "", Turning::leave_out, kBookkeeping}};

/// What lies under `section.`, up to the next dot; empty for what lies elsewhere.
std::string_view name_under(std::string_view path, std::string_view section) {
  if (!section.empty()) {
    if (path.size() <= section.size() || !path.starts_with(section) ||
        path[section.size()] != '.') {
      return {};
    }
    path.remove_prefix(section.size() + 1);
  }
  return path.substr(0, path.find('.'));
}

}  // namespace

std::string table_path(std::string_view written) {
  std::string path(written);
  for (std::size_t i = 0; i < kAliases.size(); ++i) {
    if (base::is_within(path, kAliases[i].theirs)) {
      path.replace(0, kAliases[i].theirs.size(), kAliases[i].ours);
    }
  }
  return path;
}

const Rule* find_rule(std::string_view table_path) {
  const auto* const found = std::find_if(kRules.begin(), kRules.end(),
                                         [&](const Rule& rule) { return rule.path == table_path; });
  return found == kRules.end() ? nullptr : &*found;
}

bool is_section(std::string_view written) {
  return !names_within(written).empty();
}

std::vector<std::string_view> names_within(std::string_view written) {
  std::vector<std::string_view> names;
  const auto note = [&](std::string_view name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  for (const Word& alias : kAliases) {
    note(name_under(alias.theirs, written));
  }
  const std::string section = table_path(written);
  for (const Rule& rule : kRules) {
    note(name_under(rule.path, section));
  }
  return names;
}

bool is_open(std::string_view table_path) {
  return table_path == "transformers" || table_path == "vllm" || table_path == "tensorrt";
}

std::string_view engine_of(std::string_view table_path) {
  const std::string_view section = name_under(table_path, "");
  const auto* const found = std::find_if(kEngines.begin(), kEngines.end(), [&](const Word& engine) {
    return engine.theirs == section;
  });
  return found == kEngines.end() ? std::string_view() : found->ours;
}

std::span<const Word> engine_words() {
  return kEngines;
}

}  // namespace llem::config::predecessor
