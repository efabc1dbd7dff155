#pragma once

// Owns: what a user may write in a study file, as values. Optionals that stay empty are filled by
// config::resolve.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"

namespace llem::domain {

enum class EngineKind { llamacpp, scripted };
std::span<const std::string_view> words(EngineKind);

enum class Batching { static_batches, continuous };  // "static", "continuous"
std::span<const std::string_view> words(Batching);

enum class Attention { automatic, flash, standard };  // "auto", "flash", "standard"
std::span<const std::string_view> words(Attention);

enum class PromptOrder { file, shuffled, length };
std::span<const std::string_view> words(PromptOrder);

enum class Switch { automatic, on, off };  // "auto", "on", "off"
std::span<const std::string_view> words(Switch);

enum class SamplingPreset { greedy, standard, creative, factual };
std::span<const std::string_view> words(SamplingPreset);

enum class Profile { full, quick };
std::span<const std::string_view> words(Profile);

/// What becomes of a trial whose GPU somebody else holds memory of: measured and flagged, put off,
/// or refused.
enum class Foreign { warn, wait, fail };
std::span<const std::string_view> words(Foreign);

/// `name` is a catalogue alias, a path to a GGUF file, or a hub repository (then `file` names the
/// file in it).
struct Model {
  std::string name;
  std::optional<std::string> file;
  std::optional<std::string> revision;
  std::optional<std::string> sha256;
  static const base::Table& table();
};

struct LogNormal {
  double mean = 0;  // tokens
  double cv = 0;
  std::optional<std::int64_t> max;
  static const base::Table& table();
};

/// Exactly one of these is set after config::resolve. For inputs `max` truncates, `exact` truncates
/// and skips shorter prompts; for outputs `exact` ignores end of sequence, `max` stops at it.
struct LengthRule {
  std::optional<std::int64_t> exact;
  std::optional<std::int64_t> max;
  std::optional<std::vector<std::int64_t>> uniform;  // [low, high], both included
  std::optional<LogNormal> lognormal;
  static const base::Table& table();
};

/// `name` is an alias (`aienergyscore`, `synthetic`, `bundled`) or a path to a .jsonl or .txt file.
struct Dataset {
  std::string name = "aienergyscore";
  std::optional<std::string> field;  // which key of a .jsonl object holds the prompt
  bool repeat = false;               // a data set smaller than one pass may be repeated
  static const base::Table& table();
};

struct Sampling {
  std::optional<SamplingPreset> preset;  // expanded and emptied by config::resolve
  std::optional<double> temperature;     // 0 = greedy
  std::optional<double> top_p;
  std::optional<std::int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  static const base::Table& table();
};

struct Workload {
  Dataset dataset;
  std::int64_t requests = 100;  // prompts in one pass
  PromptOrder order = PromptOrder::file;
  std::int64_t seed = 42;
  LengthRule input_tokens;   // resolved default: max 512
  LengthRule output_tokens;  // resolved default: exact 128
  Switch chat_template = Switch::automatic;
  Sampling sampling;
  static const base::Table& table();
};

/// Locked clocks of the deployment's GPUs while a trial runs; put back after it.
struct Clocks {
  std::optional<std::int64_t> sm_mhz;
  std::optional<std::int64_t> memory_mhz;
  static const base::Table& table();
};

struct KvCache {
  std::string dtype = "auto";  // auto, f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl
  static const base::Table& table();
};

struct Deploy {
  EngineKind engine = EngineKind::llamacpp;
  Batching batching = Batching::continuous;
  std::int64_t batch_size = 1;                     // sequences decoded together
  std::optional<std::int64_t> max_batched_tokens;  // n_batch
  std::optional<std::int64_t> micro_batch_tokens;  // n_ubatch
  std::optional<std::int64_t>
      context_length;  // tokens one sequence may hold; resolved from the workload when empty
  Attention attention = Attention::automatic;
  KvCache kv_cache;
  std::optional<std::int64_t> threads;      // resolved: CPUs this process may use
  std::optional<std::string> cpu_affinity;  // "0-3,8"
  std::string numa = "disabled";            // disabled, distribute, isolate, numactl
  std::vector<std::string> devices;     // GPUs by UUID, PCI address or index; empty = all visible
  std::optional<double> power_limit_w;  // of each GPU used; put back after the trial
  Clocks clocks;
  std::map<std::string, std::string> env;
  std::map<std::string, base::Json>
      llamacpp;  // native arguments, checked against the engine's own list
  std::map<std::string, base::Json> scripted;  // timeline and faults of the test engine
  static const base::Table& table();
};

struct Baseline {
  std::optional<double> bare_s;    // full 10, quick 2
  std::optional<double> loaded_s;  // full 10, quick 2
  static const base::Table& table();
};

struct Warmup {
  std::optional<double> min_s;  // full 30, quick 2
  std::optional<double> max_s;  // full 300, quick 10
  static const base::Table& table();
};

struct Window {
  std::optional<double> min_s;  // full 30, quick 5
  std::optional<std::int64_t> min_requests;
  std::optional<double> pad_s;  // idle on both sides: full 2, quick 0.5
  static const base::Table& table();
};

struct Measure {
  Profile profile = Profile::full;
  std::vector<std::string> meters;  // nvml, rapl, host; empty = every one that works
  std::optional<double> sample_hz;  // resolved: 50
  Baseline baseline;
  Warmup warmup;
  Window window;
  std::int64_t windows_per_trial = 1;  // one after another with the same engine process
  std::optional<double> cooldown_s;    // full 5, quick 0.5
  Foreign foreign = Foreign::warn;
  bool strict = false;  // a flagged trial counts as failed
  static const base::Table& table();
};

/// Order of the trials. `blocks`: every configuration once a cycle, in a new random order each
/// time; `sequential`: all cycles of one configuration, then the next; `interleaved`: every cycle
/// in the order of the file; `shuffled`: all trials at random; `latin_square`: Williams square.
enum class TrialOrder { blocks, sequential, interleaved, shuffled, latin_square };
std::span<const std::string_view> words(TrialOrder);

/// Rest between trials: a fixed time, or until the devices are as warm as when the study began.
struct Gap {
  std::optional<double> seconds;
  std::optional<double> temperature_within_c;  // above the temperature at the start of the study
  std::optional<double> max_s;                 // longest wait for the temperature; resolved: 600
  static const base::Table& table();
};

/// Longest time of each phase, for trials that hang.
struct Timeouts {
  std::optional<double> load_s;    // resolved: the trial's whole time
  std::optional<double> warmup_s;  // resolved: five times the longest warm-up, at least 60
  std::optional<double> window_s;  // resolved: the trial's whole time
  std::optional<double>
      silence_s;  // resolved: 300; while the model is loaded and prompts are tokenised
  static const base::Table& table();
};

/// A reference configuration (the first of the plan) repeated among the trials, to see drift.
struct Sentinel {
  std::int64_t every = 0;  // trials between two of them
  static const base::Table& table();
};

struct Notify {
  std::string url;  // receives the summary as JSON when the study ends
  static const base::Table& table();
};

/// Numbers over the cycles of a configuration whose interval a study can aim at.
enum class PrecisionMetric {
  gross_j_per_output_token,
  net_j_per_output_token,
  gross_j_per_request,
  output_tokens_per_s
};
std::span<const std::string_view> words(PrecisionMetric);

/// The study ends after the first whole block in which every configuration is known well enough.
struct Precision {
  PrecisionMetric metric = PrecisionMetric::gross_j_per_output_token;
  double relative_half_width = 0;          // of the 95 % interval over cycles
  std::optional<std::int64_t> min_cycles;  // full 10, quick 5
  std::optional<std::int64_t> max_cycles;  // resolved: 40, or min_cycles where that is more
  std::optional<double> budget_s;          // the study ends after the block that uses it up
  static const base::Table& table();
};

struct Study {
  std::int64_t cycles = 5;             // with `precision` its max_cycles
  std::optional<Precision> precision;  // in place of a fixed number of cycles
  TrialOrder order = TrialOrder::blocks;
  std::optional<std::int64_t> seed;  // of the order; resolved: from the configurations
  Gap gap;
  Gap cycle_gap;                    // in place of `gap` where a new cycle begins
  std::optional<double> timeout_s;  // of one trial; resolved: phases × 5, at least 600
  Timeouts timeouts;
  std::int64_t retries = 0;  // further attempts at a trial that failed
  std::int64_t max_consecutive_failures = 10;
  std::optional<Sentinel> sentinel;
  bool stop_on_failure = false;
  std::optional<Notify> notify;
  static const base::Table& table();
};

/// A whole study file. The members from `base` to `experiments` span the deployment space;
/// config::expand turns them into points, each a StudyConfig without them.
struct StudyConfig {
  std::string name;
  std::optional<std::string> base;             // file whose content lies beneath this one
  std::map<std::string, base::Json> sweep;     // dotted path -> levels
  std::vector<base::Json> zip;                 // axes that advance together
  std::map<std::string, base::Json> variants;  // factor -> name -> {dotted path: value}
  std::vector<base::Json> exclude;             // partial points to leave out
  std::vector<base::Json> include;             // further points
  std::vector<base::Json> experiments;         // points written out
  Model model;
  Workload workload;
  Deploy deploy;
  Measure measure;
  Study study;
  static const base::Table& table();
};

}  // namespace llem::domain
