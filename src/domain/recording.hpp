#pragma once

// Owns: everything raw of one trial: enough to recompute every result, with no clock and no device.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/channel.hpp"
#include "domain/plan.hpp"
#include "domain/timeline.hpp"

namespace llem::domain {

enum class PhaseName {
  baseline,
  load,
  loaded_idle,
  warmup,
  pad_before,
  window,
  pad_after,
  cooldown
};
std::span<const std::string_view> words(PhaseName);

struct Phase {  // half-open [begin, end)
  PhaseName name = PhaseName::baseline;
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  static const base::Table& table();
};

enum class OutcomeState { completed, failed, interrupted };
std::span<const std::string_view> words(OutcomeState);

struct Outcome {
  OutcomeState state = OutcomeState::completed;
  std::optional<std::string> code;   // reason code: engine_died, timeout_load, out_of_memory …
  std::optional<std::string> phase;  // where it happened
  std::optional<std::string> message;
  static const base::Table& table();
};

/// (monotonic, boottime, UTC) at one moment; two of them show a suspend or a stepped wall clock.
struct Anchor {
  std::int64_t monotonic_ns = 0;
  std::int64_t boottime_ns = 0;
  std::int64_t realtime_ns = 0;
  std::string utc;
  static const base::Table& table();
};

struct ClockOffset {  // worker clock − host clock
  std::int64_t offset_ns = 0;
  std::int64_t bound_ns = 0;
  static const base::Table& table();
};

/// Shape of the transformer, as far as FLOPs, bytes and memory need it. Absent = the model file
/// does not say.
struct ModelFacts {
  std::optional<std::string> name;
  std::optional<std::string> architecture;
  std::optional<std::string> file_type;  // "Q4_1"
  std::optional<std::int64_t> parameters;
  std::optional<std::int64_t> bytes;  // of all weights
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> width;       // d
  std::optional<std::int64_t> ffn_width;   // f
  std::optional<std::int64_t> heads;       // h
  std::optional<std::int64_t> kv_heads;    // g
  std::optional<std::int64_t> head_width;  // dh
  std::optional<std::int64_t> vocabulary;
  std::optional<std::int64_t> context_length;  // trained
  std::optional<bool> tied_embeddings;
  std::optional<bool> gated_mlp;
  std::optional<std::int64_t> experts;  // per layer; absent or 0 = dense
  std::optional<std::int64_t> experts_active;
  std::optional<std::int64_t> sliding_window;
  std::optional<std::int64_t> embedding_bytes;  // of the input embedding tensor
  std::optional<std::int64_t> output_bytes;     // of the output matrix, when not tied
  static const base::Table& table();
};

struct WorkerFacts {
  std::string worker;  // program
  std::string engine;
  std::string engine_version;
  std::string protocol;
  std::int64_t pid = 0;
  std::vector<std::string> capabilities;
  std::int64_t load_begin_ns = 0;
  std::int64_t load_end_ns = 0;
  base::Json declared;   // native parameters the engine was given
  base::Json effective;  // the same names as the live engine reports them
  std::optional<std::int64_t> memory_after_load_bytes;  // the engine's own account
  std::optional<std::int64_t> kv_cache_bytes;
  std::optional<std::int64_t> compute_buffer_bytes;
  std::optional<std::int64_t> peak_rss_bytes;  // of the worker process, at the end
  static const base::Table& table();
};

struct WarmupBlock {
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  std::int64_t tokens = 0;  // input + output
  static const base::Table& table();
};

struct WarmupRecord {
  std::vector<WarmupBlock> blocks;
  bool steady = false;
  std::optional<double> cv_ratio;  // of the last blocks; absent while they are too few to judge
  std::optional<double> slope_ratio;
  static const base::Table& table();
};

/// How the schedule came about, so that it can be made again.
struct ScheduleRecord {
  std::string mode;  // static, continuous
  std::int64_t batch_size = 1;
  std::int64_t requests_per_pass = 0;
  std::int64_t distinct_passes = 0;  // passes of disjoint prompts before prompts repeat
  std::int64_t seed = 0;
  std::string dataset;
  std::int64_t dataset_prompts = 0;
  std::int64_t skipped_prompts = 0;  // too short for an exact length, or empty
  bool prompts_repeat = false;  // the windows used a prompt twice (the cache was emptied between)
  bool stop_at_eos = false;
  std::string requests_sha256;  // over the window's prompts (token ids) and output limits
  static const base::Table& table();
};

struct SamplerRecord {
  double requested_hz = 0;
  std::optional<double> achieved_hz;  // absent below two ticks: no meter is read so often
  std::int64_t ticks = 0;
  std::int64_t missed_ticks = 0;  // whole periods skipped
  double lateness_p50_s = 0;
  double lateness_p99_s = 0;
  double lateness_max_s = 0;
  double cpu_s = 0;  // of the sampler threads, over the window's sampling time
  double duration_s = 0;
  std::int64_t failed_reads = 0;
  std::int64_t dropped_samples = 0;
  static const base::Table& table();
};

struct Device {
  std::string id;  // "gpu:<uuid>", "package-0"
  std::string name;
  std::string kind;  // gpu, cpu
  bool used = true;  // by the deployment
  base::Json facts;  // driver, limits, clocks, ECC, MIG … as read at the start

  bool used_gpu() const { return used && kind == "gpu"; }

  static const base::Table& table();
};

struct HostRecord {
  std::string hostname;
  std::string kernel;
  std::string os;
  std::string cpu_model;
  std::int64_t logical_cpus = 0;  // this process may use
  std::int64_t machine_cpus = 0;
  std::int64_t memory_bytes = 0;
  std::optional<std::string> governor;
  std::optional<std::string> hypervisor;
  std::optional<std::string> container;
  static const base::Table& table();
};

/// On a GPU, as its driver lists it.
struct DeviceProcess {
  std::int64_t t_ns = 0;
  std::string device;
  std::int64_t pid = 0;                      // in the driver's own name space
  std::string kind;                          // compute, mps, graphics
  std::optional<std::int64_t> memory_bytes;  // absent where the driver does not tell
  bool own = false;                          // the worker or a process it started
  static const base::Table& table();
};

/// Something noticed while recording that the analysis turns into a reason code.
struct Note {
  std::string code;
  std::string text;
  static const base::Table& table();
};

struct Recording {
  std::string schema = "recording";
  std::string schema_version = "1.0.0";
  std::string tool_version;
  std::int64_t trial = 0;
  std::int64_t cycle = 1;
  std::int64_t attempt = 1;
  TrialRole role = TrialRole::measured;
  Configuration configuration;
  Outcome outcome;
  Anchor anchor_begin;
  Anchor anchor_end;
  ClockOffset clock_offset;
  std::vector<Phase> phases;
  std::vector<Channel> channels;
  std::vector<Device> devices;
  HostRecord host;
  WorkerFacts worker;
  ModelFacts model;
  ScheduleRecord schedule;
  WarmupRecord warmup;
  SamplerRecord sampler;
  /// When the engine was told to end: until then the model was loaded.
  std::optional<std::int64_t> engine_stopped_ns;
  std::vector<DeviceProcess> device_processes;  // just before the window's pad, and after it
  std::vector<Note> notes;
  static const base::Table& table();

  // In Parquet, not in recording.json:
  std::vector<Trace> traces;  // by channel index
  std::vector<Serve> serves;

  const Phase* find_phase(PhaseName name) const;
  /// In the order in which they were served.
  std::vector<const Serve*> windows() const;
};

}  // namespace llem::domain
