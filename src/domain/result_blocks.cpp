#include <array>

#include "domain/result.hpp"

namespace llem::domain {

using base::field;

const base::Table& WindowFigures::table() {
  static constexpr std::array fields{
      field<&WindowFigures::window>("window", "Which window of the trial, from 1"),
      field<&WindowFigures::window_s>("window_s", "Length of the window", {.unit = "s"}),
      field<&WindowFigures::requests>("requests", "Requests that ended normally"),
      field<&WindowFigures::output_tokens>("output_tokens", "Output tokens delivered",
                                           {.unit = "tokens"}),
      field<&WindowFigures::input_tokens>("input_tokens", "Input tokens", {.unit = "tokens"}),
      field<&WindowFigures::scope>("scope", "What the energies cover"),
      field<&WindowFigures::gross_j>("gross_j", "Gross energy of the window", {.unit = "J"}),
      field<&WindowFigures::net_j>("net_j", "Gross energy less idle power times window",
                                   {.unit = "J"}),
      field<&WindowFigures::gross_j_per_output_token>(
          "gross_j_per_output_token", "Gross energy per output token", {.unit = "J/token"}),
      field<&WindowFigures::output_tokens_per_s>("output_tokens_per_s", "Output tokens per second",
                                                 {.unit = "tokens/s"}),
      field<&WindowFigures::mean_power_w>("mean_power_w", "Gross energy divided by window",
                                          {.unit = "W"}),
      field<&WindowFigures::service_ttft_median_s>(
          "service_ttft_median_s", "Median service time to first token", {.unit = "s"}),
      field<&WindowFigures::itl_median_s>("itl_median_s", "Median gap between tokens",
                                          {.unit = "s"}),
      field<&WindowFigures::e2e_median_s>("e2e_median_s", "Median time of whole requests",
                                          {.unit = "s"})};
  static constexpr base::Table table{"window_figures", "One window by itself", fields};
  return table;
}

const base::Table& MemoryFigure::table() {
  static constexpr std::array fields{
      field<&MemoryFigure::bytes>("bytes", "Bytes"),
      field<&MemoryFigure::source>("source", "measured, derived or estimated")};
  static constexpr base::Table table{"memory_figure", "A figure with its source", fields};
  return table;
}

const base::Table& Memory::table() {
  static constexpr std::array fields{
      field<&Memory::device_after_load_bytes>(
          "device_after_load_bytes", "Device memory in use after loading", {.unit = "bytes"}),
      field<&Memory::device_peak_bytes>("device_peak_bytes", "Peak of device memory in the window",
                                        {.unit = "bytes"}),
      field<&Memory::engine_after_load_bytes>(
          "engine_after_load_bytes", "The engine's own account after loading", {.unit = "bytes"}),
      field<&Memory::kv_cache_bytes>("kv_cache_bytes", "Key-value cache", {.unit = "bytes"}),
      field<&Memory::compute_buffer_bytes>("compute_buffer_bytes", "Compute buffers",
                                           {.unit = "bytes"}),
      field<&Memory::weights_bytes>("weights_bytes", "Weights", {.unit = "bytes"}),
      field<&Memory::host_rss_peak_bytes>(
          "host_rss_peak_bytes", "Peak resident memory of the worker sampled in the window",
          {.unit = "bytes"}),
      field<&Memory::host_rss_hwm_bytes>("host_rss_hwm_bytes",
                                         "The worker's high-water mark of resident memory",
                                         {.unit = "bytes"})};
  static constexpr base::Table table{"memory", "Memory", fields};
  return table;
}

const base::Table& DeviceThermal::table() {
  static constexpr std::array fields{
      field<&DeviceThermal::device>("device", "Device"),
      field<&DeviceThermal::temperature_start_celsius>(
          "temperature_start_celsius", "Temperature at the begin of the window", {.unit = "degC"}),
      field<&DeviceThermal::temperature_mean_celsius>("temperature_mean_celsius",
                                                      "Mean temperature", {.unit = "degC"}),
      field<&DeviceThermal::temperature_max_celsius>("temperature_max_celsius",
                                                     "Highest temperature", {.unit = "degC"}),
      field<&DeviceThermal::clock_sm_mean_hz>("clock_sm_mean_hz", "Mean SM clock", {.unit = "Hz"}),
      field<&DeviceThermal::clock_sm_min_hz>("clock_sm_min_hz", "Lowest SM clock", {.unit = "Hz"}),
      field<&DeviceThermal::power_limit_w>("power_limit_w", "Enforced power limit", {.unit = "W"}),
      field<&DeviceThermal::throttle>("throttle", "Shares of time throttled")};
  static constexpr base::Table table{"device_thermal", "One device", fields};
  return table;
}

const base::Table& Thermal::table() {
  static constexpr std::array fields{field<&Thermal::devices>("devices", "By device")};
  static constexpr base::Table table{"thermal", "Temperatures, clocks and throttling", fields};
  return table;
}

const base::Table& WarmupSummary::table() {
  static constexpr std::array fields{
      field<&WarmupSummary::blocks>("blocks", "Passes of the warm-up"),
      field<&WarmupSummary::seconds>("seconds", "Length of the warm-up in seconds"),
      field<&WarmupSummary::tokens_discarded>("tokens_discarded", "Tokens that do not count"),
      field<&WarmupSummary::steady>("steady", "Whether throughput converged"),
      field<&WarmupSummary::cv_ratio>("cv_ratio", "Coefficient of variation", {.unit = "1"}),
      field<&WarmupSummary::slope_ratio>("slope_ratio", "Relative drift of the last blocks",
                                         {.unit = "1"})};
  static constexpr base::Table table{"warmup_summary", "Work before the window", fields};
  return table;
}

const base::Table& HostLoad::table() {
  static constexpr std::array fields{
      field<&HostLoad::cpu_busy_ratio>("cpu_busy_ratio", "Busy share of all CPUs in the window",
                                       {.unit = "1"}),
      field<&HostLoad::cpu_steal_ratio>("cpu_steal_ratio",
                                        "Share of CPU time the hypervisor withheld", {.unit = "1"}),
      field<&HostLoad::worker_cpu_s>("worker_cpu_s", "CPU time of the worker in the window",
                                     {.unit = "s"}),
      field<&HostLoad::worker_share_ratio>(
          "worker_share_ratio", "The worker's share of all busy CPU time", {.unit = "1"}),
      field<&HostLoad::involuntary_switches_per_s>(
          "involuntary_switches_per_s", "The worker's involuntary context switches per second",
          {.unit = "1/s"})};
  static constexpr base::Table table{"host_load", "What the machine did during the window", fields};
  return table;
}

const base::Table& ConfigDifference::table() {
  static constexpr std::array fields{
      field<&ConfigDifference::name>("name", "Name"),
      field<&ConfigDifference::declared>("declared", "As asked for"),
      field<&ConfigDifference::effective>("effective", "As the live engine has it")};
  static constexpr base::Table table{"config_difference", "One difference", fields};
  return table;
}

const base::Table& ConfigAccount::table() {
  static constexpr std::array fields{
      field<&ConfigAccount::declared>("declared", "As asked for"),
      field<&ConfigAccount::effective>("effective", "As the live engine has it"),
      field<&ConfigAccount::differences>("differences", "Where the two differ")};
  static constexpr base::Table table{"config_account", "Declared and effective configuration",
                                     fields};
  return table;
}

const base::Table& Overhead::table() {
  static constexpr std::array fields{
      field<&Overhead::requested_hz>("requested_hz", "Sampling rate asked for", {.unit = "Hz"}),
      field<&Overhead::achieved_hz>("achieved_hz", "Sampling rate achieved", {.unit = "Hz"}),
      field<&Overhead::missed_ticks>("missed_ticks", "Periods skipped"),
      field<&Overhead::lateness_p99_s>("lateness_p99_s", "99th percentile of lateness",
                                       {.unit = "s"}),
      field<&Overhead::cpu_s>("cpu_s", "CPU time of the sampler", {.unit = "s"}),
      field<&Overhead::core_share_ratio>(
          "core_share_ratio", "CPU time of the sampler over elapsed time", {.unit = "1"})};
  static constexpr base::Table table{"overhead", "What sampling cost", fields};
  return table;
}

const base::Table& TrialResult::table() {
  static constexpr std::array<std::string_view, 1> kSchema{"result"};
  static constexpr std::array fields{
      field<&TrialResult::schema>("schema", "Name of this document's schema",
                                  {.required = true, .allowed = kSchema}),
      field<&TrialResult::schema_version>("schema_version", "Version of that schema",
                                          {.required = true}),
      field<&TrialResult::identity>("identity", "Which trial this is", {.required = true}),
      field<&TrialResult::validity>("validity", "Whether the numbers may be used",
                                    {.required = true}),
      field<&TrialResult::energy>("energy", "Energy by scope"),
      field<&TrialResult::efficiency>("efficiency", "Energy per unit of work"),
      field<&TrialResult::latency>("latency", "Latencies"),
      field<&TrialResult::throughput>("throughput", "Rates"),
      field<&TrialResult::lengths>("lengths", "Lengths that really ran"),
      field<&TrialResult::windows>("windows",
                                   "Each window by itself; every other block is over all of them"),
      field<&TrialResult::phases>("phases", "Prefill and decode"),
      field<&TrialResult::request_energy>("request_energy",
                                          "Energy of single requests, by definition"),
      field<&TrialResult::compute>("compute", "Operations and bytes"),
      field<&TrialResult::memory>("memory", "Memory, each figure with its source"),
      field<&TrialResult::thermal>("thermal", "Temperatures, clocks and throttling"),
      field<&TrialResult::warmup>("warmup", "Work before the window"),
      field<&TrialResult::steady>("steady", "Whether the work stood still while it was measured"),
      field<&TrialResult::host_load>("host_load", "What else the machine did"),
      field<&TrialResult::cost>("cost", "Emissions and price, where the user gave factors"),
      field<&TrialResult::configuration>("configuration", "Declared and effective configuration"),
      field<&TrialResult::overhead>("overhead", "What measuring cost")};
  static constexpr base::Table table{"result", "What one trial says", fields};
  return table;
}

}  // namespace llem::domain
