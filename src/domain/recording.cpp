#include "domain/recording.hpp"

#include <algorithm>
#include <array>

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(PhaseName) {
  static constexpr std::array<std::string_view, 8> kWords{
      "baseline", "load", "loaded_idle", "warmup", "pad_before", "window", "pad_after", "cooldown"};
  return kWords;
}

std::span<const std::string_view> words(OutcomeState) {
  static constexpr std::array<std::string_view, 3> kWords{"completed", "failed", "interrupted"};
  return kWords;
}

const base::Table& Phase::table() {
  static constexpr std::array fields{
      field<&Phase::name>("name", "Which phase"),
      field<&Phase::t_begin_ns>("t_begin_ns", "Begin, on the monotonic clock", {.unit = "ns"}),
      field<&Phase::t_end_ns>("t_end_ns", "End, not included", {.unit = "ns"})};
  static constexpr base::Table table{"phase", "A named interval of a trial", fields};
  return table;
}

const base::Table& Outcome::table() {
  static constexpr std::array fields{
      field<&Outcome::state>("state", "completed, failed or interrupted"),
      field<&Outcome::code>("code", "Reason code of a failure"),
      field<&Outcome::phase>("phase", "Phase in which it happened"),
      field<&Outcome::message>("message", "What happened, in words")};
  static constexpr base::Table table{"outcome", "How the trial ended", fields};
  return table;
}

const base::Table& Anchor::table() {
  static constexpr std::array fields{
      field<&Anchor::monotonic_ns>("monotonic_ns", "CLOCK_MONOTONIC", {.unit = "ns"}),
      field<&Anchor::boottime_ns>("boottime_ns", "CLOCK_BOOTTIME", {.unit = "ns"}),
      field<&Anchor::realtime_ns>("realtime_ns", "CLOCK_REALTIME", {.unit = "ns"}),
      field<&Anchor::utc>("utc", "The same as UTC text")};
  static constexpr base::Table table{"anchor", "One moment on every clock", fields};
  return table;
}

const base::Table& ClockOffset::table() {
  static constexpr std::array fields{
      field<&ClockOffset::offset_ns>("offset_ns", "Worker clock minus host clock", {.unit = "ns"}),
      field<&ClockOffset::bound_ns>("bound_ns", "Largest possible error of that offset",
                                    {.unit = "ns"})};
  static constexpr base::Table table{"clock_offset", "Worker clock against host clock", fields};
  return table;
}

const base::Table& ModelFacts::table() {
  static constexpr std::array fields{
      field<&ModelFacts::name>("name", "The model's own name"),
      field<&ModelFacts::architecture>("architecture", "Architecture identifier"),
      field<&ModelFacts::file_type>("file_type", "Type of the weights"),
      field<&ModelFacts::parameters>("parameters", "All parameters"),
      field<&ModelFacts::bytes>("bytes", "Bytes of all weights", {.unit = "bytes"}),
      field<&ModelFacts::layers>("layers", "Transformer blocks"),
      field<&ModelFacts::width>("width", "Hidden width d"),
      field<&ModelFacts::ffn_width>("ffn_width", "Feed-forward width f (of one expert)"),
      field<&ModelFacts::heads>("heads", "Query heads h"),
      field<&ModelFacts::kv_heads>("kv_heads", "Key-value heads g"),
      field<&ModelFacts::head_width>("head_width", "Width of a head"),
      field<&ModelFacts::vocabulary>("vocabulary", "Tokens in the vocabulary"),
      field<&ModelFacts::context_length>("context_length", "Longest trained context",
                                         {.unit = "tokens"}),
      field<&ModelFacts::tied_embeddings>("tied_embeddings",
                                          "Whether input and output embeddings are one matrix"),
      field<&ModelFacts::gated_mlp>("gated_mlp", "Whether the MLP has a gate matrix"),
      field<&ModelFacts::experts>("experts", "Experts per layer"),
      field<&ModelFacts::experts_active>("experts_active", "Experts used per token"),
      field<&ModelFacts::sliding_window>("sliding_window", "Attention window", {.unit = "tokens"}),
      field<&ModelFacts::embedding_bytes>("embedding_bytes", "Bytes of the input embedding",
                                          {.unit = "bytes"}),
      field<&ModelFacts::output_bytes>("output_bytes", "Bytes of the output matrix",
                                       {.unit = "bytes"})};
  static constexpr base::Table table{"model_facts", "Shape of the model", fields};
  return table;
}

const base::Table& WorkerFacts::table() {
  static constexpr std::array fields{
      field<&WorkerFacts::worker>("worker", "Worker program"),
      field<&WorkerFacts::engine>("engine", "Engine it drives"),
      field<&WorkerFacts::engine_version>("engine_version", "Version of the engine"),
      field<&WorkerFacts::protocol>("protocol", "Protocol version"),
      field<&WorkerFacts::pid>("pid", "Process id"),
      field<&WorkerFacts::capabilities>("capabilities", "What the worker can do"),
      field<&WorkerFacts::load_begin_ns>("load_begin_ns", "Loading began", {.unit = "ns"}),
      field<&WorkerFacts::load_end_ns>("load_end_ns", "Loading ended", {.unit = "ns"}),
      field<&WorkerFacts::declared>("declared", "Native parameters the engine was given"),
      field<&WorkerFacts::effective>("effective", "Native parameters as the live engine has them"),
      field<&WorkerFacts::memory_after_load_bytes>(
          "memory_after_load_bytes", "The engine's account after loading", {.unit = "bytes"}),
      field<&WorkerFacts::kv_cache_bytes>("kv_cache_bytes", "Size of the key-value cache",
                                          {.unit = "bytes"}),
      field<&WorkerFacts::compute_buffer_bytes>("compute_buffer_bytes", "Size of compute buffers",
                                                {.unit = "bytes"}),
      field<&WorkerFacts::peak_rss_bytes>(
          "peak_rss_bytes", "High-water mark of resident memory of the worker", {.unit = "bytes"})};
  static constexpr base::Table table{"worker_facts", "The worker and its engine", fields};
  return table;
}

const base::Table& WarmupBlock::table() {
  static constexpr std::array fields{
      field<&WarmupBlock::t_begin_ns>("t_begin_ns", "Begin of the block", {.unit = "ns"}),
      field<&WarmupBlock::t_end_ns>("t_end_ns", "End of the block", {.unit = "ns"}),
      field<&WarmupBlock::tokens>("tokens", "Input and output tokens of the block",
                                  {.unit = "tokens"})};
  static constexpr base::Table table{"warmup_block", "One pass of the warm-up", fields};
  return table;
}

const base::Table& WarmupRecord::table() {
  static constexpr std::array fields{
      field<&WarmupRecord::blocks>("blocks", "Passes of the warm-up"),
      field<&WarmupRecord::steady>("steady", "Whether throughput converged"),
      field<&WarmupRecord::cv_ratio>("cv_ratio", "Coefficient of variation of the last blocks"),
      field<&WarmupRecord::slope_ratio>("slope_ratio",
                                        "Relative drift of throughput over the last blocks")};
  static constexpr base::Table table{"warmup_record", "Work before the window", fields};
  return table;
}

const base::Table& ScheduleRecord::table() {
  static constexpr std::array fields{
      field<&ScheduleRecord::mode>("mode", "static or continuous"),
      field<&ScheduleRecord::batch_size>("batch_size", "Sequences together"),
      field<&ScheduleRecord::requests_per_pass>("requests_per_pass", "Requests in a pass"),
      field<&ScheduleRecord::distinct_passes>("distinct_passes",
                                              "Passes of disjoint prompts before prompts repeat"),
      field<&ScheduleRecord::seed>("seed", "Seed of the workload"),
      field<&ScheduleRecord::dataset>("dataset", "Name of the data set"),
      field<&ScheduleRecord::dataset_prompts>("dataset_prompts", "Prompts in the data set"),
      field<&ScheduleRecord::skipped_prompts>("skipped_prompts", "Prompts that could not be used"),
      field<&ScheduleRecord::prompts_repeat>("prompts_repeat",
                                             "Whether the windows used a prompt twice"),
      field<&ScheduleRecord::stop_at_eos>("stop_at_eos", "Whether outputs may end early"),
      field<&ScheduleRecord::requests_sha256>(
          "requests_sha256", "SHA-256 over the windows' prompt tokens and output limits")};
  static constexpr base::Table table{"schedule_record", "How the schedule came about", fields};
  return table;
}

const base::Table& SamplerRecord::table() {
  static constexpr std::array fields{
      field<&SamplerRecord::requested_hz>("requested_hz", "Rate asked for", {.unit = "Hz"}),
      field<&SamplerRecord::achieved_hz>("achieved_hz", "Rate achieved", {.unit = "Hz"}),
      field<&SamplerRecord::ticks>("ticks", "Readings taken"),
      field<&SamplerRecord::missed_ticks>("missed_ticks", "Periods skipped"),
      field<&SamplerRecord::lateness_p50_s>("lateness_p50_s", "Median lateness", {.unit = "s"}),
      field<&SamplerRecord::lateness_p99_s>("lateness_p99_s", "99th percentile of lateness",
                                            {.unit = "s"}),
      field<&SamplerRecord::lateness_max_s>("lateness_max_s", "Largest lateness", {.unit = "s"}),
      field<&SamplerRecord::cpu_s>("cpu_s", "CPU time of the sampler threads", {.unit = "s"}),
      field<&SamplerRecord::duration_s>("duration_s", "Time they ran", {.unit = "s"}),
      field<&SamplerRecord::failed_reads>("failed_reads", "Reads that failed"),
      field<&SamplerRecord::dropped_samples>("dropped_samples", "Samples without room")};
  static constexpr base::Table table{"sampler_record", "What the sampler did", fields};
  return table;
}

const base::Table& Device::table() {
  static constexpr std::array fields{
      field<&Device::id>("id", "Identity used in channels"),
      field<&Device::name>("name", "Product name"), field<&Device::kind>("kind", "gpu or cpu"),
      field<&Device::used>("used", "Whether the deployment uses it"),
      field<&Device::facts>("facts", "Driver, limits, clocks and modes at the start")};
  static constexpr base::Table table{"device", "A device with a sensor", fields};
  return table;
}

const base::Table& HostRecord::table() {
  static constexpr std::array fields{
      field<&HostRecord::hostname>("hostname", "Name of the machine"),
      field<&HostRecord::kernel>("kernel", "Kernel release"),
      field<&HostRecord::os>("os", "Distribution"),
      field<&HostRecord::cpu_model>("cpu_model", "Processor"),
      field<&HostRecord::logical_cpus>("logical_cpus", "CPUs this process may use"),
      field<&HostRecord::machine_cpus>("machine_cpus", "CPUs of the machine"),
      field<&HostRecord::memory_bytes>("memory_bytes", "Memory of the machine", {.unit = "bytes"}),
      field<&HostRecord::governor>("governor", "Frequency governor"),
      field<&HostRecord::hypervisor>("hypervisor", "Hypervisor of a virtual machine"),
      field<&HostRecord::container>("container", "Container runtime")};
  static constexpr base::Table table{"host_record", "The machine", fields};
  return table;
}

const base::Table& DeviceProcess::table() {
  static constexpr std::array fields{
      field<&DeviceProcess::t_ns>("t_ns", "When it was listed", {.unit = "ns"}),
      field<&DeviceProcess::device>("device", "Device identifier"),
      field<&DeviceProcess::pid>("pid", "Process number as the driver knows it"),
      field<&DeviceProcess::kind>("kind", "compute, mps or graphics"),
      field<&DeviceProcess::memory_bytes>("memory_bytes", "Device memory it holds",
                                          {.unit = "bytes"}),
      field<&DeviceProcess::own>("own", "Whether it is the worker's")};
  static constexpr base::Table table{"device_process", "A process on a GPU", fields};
  return table;
}

const base::Table& Note::table() {
  static constexpr std::array fields{field<&Note::code>("code", "Reason code"),
                                     field<&Note::text>("text", "Evidence")};
  static constexpr base::Table table{"note", "Something noticed while recording", fields};
  return table;
}

const base::Table& Recording::table() {
  static constexpr std::array<std::string_view, 1> kSchema{"recording"};
  static constexpr std::array fields{
      field<&Recording::schema>("schema", "Name of this document's schema",
                                {.required = true, .allowed = kSchema}),
      field<&Recording::schema_version>("schema_version", "Version of that schema",
                                        {.required = true}),
      field<&Recording::tool_version>("tool_version", "Version of the program that wrote it"),
      field<&Recording::trial>("trial", "Number of the trial in the plan"),
      field<&Recording::cycle>("cycle", "Which repetition, from 1"),
      field<&Recording::attempt>("attempt", "Which attempt, from 1"),
      field<&Recording::role>("role", "measured, or sentinel: the reference repeated to see drift"),
      field<&Recording::configuration>("configuration", "What was measured", {.required = true}),
      field<&Recording::outcome>("outcome", "How the trial ended", {.required = true}),
      field<&Recording::anchor_begin>("anchor_begin", "Clocks at the begin"),
      field<&Recording::anchor_end>("anchor_end", "Clocks at the end"),
      field<&Recording::clock_offset>("clock_offset", "Worker clock against host clock"),
      field<&Recording::phases>(
          "phases", "Intervals of the trial in their order, one for each window and each pad",
          {.required = true}),
      field<&Recording::channels>("channels", "Signals in traces.parquet", {.required = true}),
      field<&Recording::devices>("devices", "Devices with sensors"),
      field<&Recording::host>("host", "The machine"),
      field<&Recording::worker>("worker", "The worker and its engine"),
      field<&Recording::model>("model", "Shape of the model"),
      field<&Recording::schedule>("schedule", "How the schedule came about"),
      field<&Recording::warmup>("warmup", "Work before the window"),
      field<&Recording::sampler>("sampler", "What the sampler did"),
      field<&Recording::engine_stopped_ns>(
          "engine_stopped_ns", "When the engine was told to end; until then the model was loaded",
          {.unit = "ns"}),
      field<&Recording::device_processes>(
          "device_processes", "Processes on the GPUs just before the window's pad and after it"),
      field<&Recording::notes>("notes", "Things noticed while recording")};
  static constexpr base::Table table{"recording", "Everything raw of one trial", fields};
  return table;
}

const Phase* Recording::find_phase(PhaseName name) const {
  const auto it =
      std::find_if(phases.begin(), phases.end(), [&](const Phase& p) { return p.name == name; });
  return it == phases.end() ? nullptr : &*it;
}

std::vector<const Serve*> Recording::windows() const {
  std::vector<const Serve*> windows;
  for (const Serve& serve : serves) {
    if (is_window_label(serve.label)) {
      windows.push_back(&serve);
    }
  }
  return windows;
}

}  // namespace llem::domain
