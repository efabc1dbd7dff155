#pragma once

// Owns: what analyse(recording) says, a block a question. Absent is an empty optional, never 0.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"
#include "domain/recording.hpp"
#include "domain/request_energy.hpp"
#include "domain/steady.hpp"
#include "domain/value.hpp"

namespace llem::domain {

struct Identity {
  std::int64_t trial = 0;
  std::int64_t cycle = 1;
  std::int64_t attempt = 1;
  TrialRole role = TrialRole::measured;
  std::string config_hash;
  std::string engine;
  std::string engine_version;
  std::vector<std::string> hardware;  // "AMD EPYC 9654, 2 of 192 CPUs", "NVIDIA H200, driver 570"
  std::string model;
  std::string model_sha256;
  std::string started_utc;
  double started_unix_s = 0;
  double duration_s = 0;  // of the whole trial, from its first phase to its last
  std::string tool;
  static const base::Table& table();
};

enum class ValidityState { valid, flagged, invalid };
std::span<const std::string_view> words(ValidityState);

struct ValidityCode {
  std::string code;
  std::string severity;
  std::string evidence;
  std::string remedy;
  static const base::Table& table();
};

struct Validity {
  ValidityState state = ValidityState::valid;
  std::vector<ValidityCode> codes;
  static const base::Table& table();
};

struct IdlePower {
  std::string kind;  // bare_idle, loaded_idle, pad, loaded_idle_after, loaded_idle_mean
  double power_w = 0;
  std::optional<double> u_w;
  std::optional<double> duration_s;
  static const base::Table& table();
};

struct SensorFacts {
  std::optional<double> update_period_s;
  std::optional<double> update_period_u_s;
  std::optional<Knowledge> update_period_source;
  std::optional<double> averaging_window_s;
  std::optional<Knowledge> averaging_window_source;
  std::optional<double> lag_s;
  std::int64_t polls = 0;
  std::int64_t distinct_readings = 0;
  static const base::Table& table();
};

/// Standard uncertainties in joules by cause; absent causes do not apply.
struct UncertaintyComponents {
  std::optional<double> edge_j;
  std::optional<double> alias_j;
  std::optional<double> gap_j;
  std::optional<double> time_j;
  std::optional<double> quantum_j;
  std::optional<double> gain_j;
  std::optional<double> offset_j;
  std::optional<double> estimate_j;
  static const base::Table& table();
};

struct CrossCheck {
  std::string method;
  double energy_j = 0;
  double ratio = 0;    // chosen / other
  std::string status;  // ok, warn, fail
  static const base::Table& table();
};

struct ThrottleShares {
  std::optional<double> power_ratio;
  std::optional<double> sw_thermal_ratio;
  std::optional<double> hw_thermal_ratio;
  std::optional<double> brake_ratio;
  static const base::Table& table();
};

struct ScopeEnergy {
  std::string scope;  // "gpu:<uuid>", "package-0", "dram-0", "module", "node", "host"
  Scope kind = Scope::host;
  std::string method;  // counter_padded, counter_interpolated, counter, power_integral, estimate
  Provenance source = Provenance::measured;
  Value gross;
  std::optional<Value> net;           // gross − idle power × window
  std::optional<IdlePower> idle;      // the one subtracted
  std::vector<IdlePower> idles;       // every idle state measured
  std::optional<Value> idle_drift_w;  // idle after the window less that before it, engine loaded
  std::optional<double> mean_power_w;
  std::optional<double> peak_power_w;
  SensorFacts sensor;
  UncertaintyComponents components;
  std::optional<CrossCheck> crosscheck;
  std::optional<ThrottleShares> throttle;
  std::optional<double> load_j;  // energy of loading the model
  std::optional<double> warmup_j;
  static const base::Table& table();
};

struct Energy {
  std::vector<ScopeEnergy> scopes;
  std::string headline_scope;  // "gpu", "cpu_package+dram", "cpu_package", "host_estimate"
  std::optional<Value> headline_gross_j;  // sum over the headline's scopes
  std::optional<Value> headline_net_j;
  std::optional<double> headline_idle_w;
  std::optional<Value> measured_total_j;  // over disjoint measured scopes
  std::optional<Value> estimated_total_j;
  static const base::Table& table();
};

struct Efficiency {
  std::optional<Value> gross_j_per_output_token;
  std::optional<Value> net_j_per_output_token;
  std::optional<Value> gross_j_per_request;
  std::optional<Value> gross_j_per_output_byte;
  std::optional<Value> gross_j_per_total_token;
  std::optional<double> output_tokens_per_j;
  std::optional<double> wh_per_1000_requests;
  std::optional<double> energy_delay_product_js;  // of the window: gross × duration
  std::optional<double> mean_power_w;
  std::optional<std::string> scope;  // of every number here
  static const base::Table& table();
};

/// Of one set of latencies. A percentile whose 95 % upper limit does not exist at this n stands
/// without interval.
struct Distribution {
  std::int64_t n = 0;
  double mean = 0;
  std::optional<double> sd;
  double min = 0;
  double max = 0;
  double median = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
  std::optional<IntervalValue> median_interval;
  std::optional<IntervalValue> p90_interval;
  std::optional<IntervalValue> p95_interval;
  std::optional<IntervalValue> p99_interval;
  static const base::Table& table();
};

struct Latency {
  TokenTime token_time = TokenTime::measured;
  std::optional<Distribution> service_ttft_s;  // first token − start of its own work
  std::optional<Distribution> ttft_s;          // first token − submission
  std::optional<Distribution> queue_s;         // start − submission
  std::optional<Distribution> itl_s;           // gaps between tokens, pooled over requests
  std::optional<Distribution> tpot_s;          // per request with two tokens or more
  std::optional<Distribution> e2e_s;
  static const base::Table& table();
};

struct Throughput {
  double window_s = 0;
  std::int64_t passes = 0;
  std::int64_t requests = 0;
  std::int64_t failed_requests = 0;
  std::int64_t output_tokens = 0;
  std::int64_t input_tokens = 0;
  double output_tokens_per_s = 0;
  double total_tokens_per_s = 0;
  double requests_per_s = 0;
  std::optional<double> mean_batch;  // sequences per step, time-weighted
  std::optional<double> median_batch;
  static const base::Table& table();
};

struct LengthSummary {
  std::int64_t n = 0;
  double mean = 0;
  std::optional<double> sd;
  double min = 0;
  double p5 = 0;
  double median = 0;
  double p95 = 0;
  double max = 0;
  double histogram_low = 0;
  double histogram_width = 0;
  std::vector<std::int64_t> histogram_counts;
  static const base::Table& table();
};

struct Lengths {
  LengthSummary input_tokens;
  LengthSummary output_tokens;
  std::int64_t cached_tokens = 0;
  static const base::Table& table();
};

/// Time of the phases is measured; their energy is identified from readings that blur it, or absent
/// with the reason.
struct Phases {
  double prefill_s = 0;  // steps that only prefill
  double decode_s = 0;   // steps that only decode
  double mixed_s = 0;
  double between_steps_s = 0;
  std::optional<std::string> method;  // counter_lsq
  std::optional<std::string> model;   // phase_power, step_cost
  std::optional<Value> prefill_j;
  std::optional<Value> decode_j;
  std::optional<double> unattributed_j;  // gross less both
  std::optional<double> shared_j;        // of decode_j: what mixed steps cost in any case
  std::optional<Value> prefill_j_per_input_token;
  std::optional<Value> decode_j_per_output_token;
  std::optional<double> condition_number;
  std::optional<double> held_out_ratio;
  std::optional<std::string> energy_refused;  // why there is no energy per phase
  static const base::Table& table();
};

/// Emissions and price of the gross energy of the headline, in the window and per million output
/// tokens; absent without the user's factors.
struct Cost {
  std::string scope;
  double energy_kwh = 0;  // of the machine, before the facility's overhead
  double pue_ratio = 1;
  std::optional<double> g_per_kwh;
  std::optional<std::string> g_per_kwh_source;
  std::optional<Value> emissions_g;
  std::optional<Value> emissions_g_per_million_output_tokens;
  std::optional<double> price_per_kwh;
  std::optional<std::string> currency;
  std::optional<Value> price;
  std::optional<Value> price_per_million_output_tokens;
  static const base::Table& table();
};

struct Compute {
  double flops = 0;  // algorithmic, in the window
  double prefill_flops = 0;
  double decode_flops = 0;
  double flops_per_s = 0;
  std::optional<double> gflops_per_output_token;
  std::optional<double> bytes_read_bytes;  // weights and KV cache, over the window's steps
  std::optional<double> bytes_per_s;
  std::optional<double> mfu_ratio;
  std::optional<double> mbu_ratio;
  std::optional<double> peak_flops_per_s;
  std::optional<double> peak_bytes_per_s;
  std::optional<std::string> peak_source;
  std::string method;
  std::vector<std::string> assumptions;
  static const base::Table& table();
};

/// One of the windows of a trial, by itself.
struct WindowFigures {
  std::int64_t window = 1;
  double window_s = 0;
  std::int64_t requests = 0;
  std::int64_t output_tokens = 0;
  std::int64_t input_tokens = 0;
  std::string scope;  // of its energies
  std::optional<Value> gross_j;
  std::optional<Value> net_j;
  std::optional<Value> gross_j_per_output_token;
  Value output_tokens_per_s;
  std::optional<double> mean_power_w;
  std::optional<double> service_ttft_median_s;
  std::optional<double> itl_median_s;
  std::optional<double> e2e_median_s;
  static const base::Table& table();
};

struct MemoryFigure {
  double bytes = 0;
  std::string source;
  static const base::Table& table();
};

struct Memory {
  std::optional<MemoryFigure> device_after_load_bytes;
  std::optional<MemoryFigure> device_peak_bytes;
  std::optional<MemoryFigure> engine_after_load_bytes;
  std::optional<MemoryFigure> kv_cache_bytes;
  std::optional<MemoryFigure> compute_buffer_bytes;
  std::optional<MemoryFigure> weights_bytes;
  std::optional<MemoryFigure> host_rss_peak_bytes;  // sampled in the window
  std::optional<MemoryFigure> host_rss_hwm_bytes;   // the process's own high-water mark
  static const base::Table& table();
};

struct DeviceThermal {
  std::string device;
  std::optional<double> temperature_start_celsius;
  std::optional<double> temperature_mean_celsius;
  std::optional<double> temperature_max_celsius;
  std::optional<double> clock_sm_mean_hz;
  std::optional<double> clock_sm_min_hz;
  std::optional<double> power_limit_w;
  std::optional<ThrottleShares> throttle;
  static const base::Table& table();
};

struct Thermal {
  std::vector<DeviceThermal> devices;
  static const base::Table& table();
};

struct WarmupSummary {
  std::int64_t blocks = 0;
  double seconds = 0;
  std::int64_t tokens_discarded = 0;
  bool steady = false;
  std::optional<double> cv_ratio;
  std::optional<double> slope_ratio;
  static const base::Table& table();
};

struct HostLoad {
  std::optional<double> cpu_busy_ratio;  // of the machine, in the window
  std::optional<double> cpu_steal_ratio;
  std::optional<double> worker_cpu_s;
  std::optional<double> worker_share_ratio;  // worker CPU / machine busy CPU
  std::optional<double> involuntary_switches_per_s;
  static const base::Table& table();
};

struct ConfigDifference {
  std::string name;
  base::Json declared;
  base::Json effective;
  static const base::Table& table();
};

struct ConfigAccount {
  base::Json declared;
  base::Json effective;
  std::vector<ConfigDifference> differences;
  static const base::Table& table();
};

struct Overhead {
  double requested_hz = 0;
  std::optional<double> achieved_hz;
  std::int64_t missed_ticks = 0;
  double lateness_p99_s = 0;
  double cpu_s = 0;
  double core_share_ratio = 0;
  static const base::Table& table();
};

struct TrialResult {
  std::string schema = "result";
  std::string schema_version = "1.0.0";
  Identity identity;
  Validity validity;
  std::optional<Energy> energy;
  std::optional<Efficiency> efficiency;
  std::optional<Latency> latency;
  std::optional<Throughput> throughput;
  std::optional<Lengths> lengths;
  std::vector<WindowFigures> windows;
  std::optional<Phases> phases;
  std::optional<RequestEnergy> request_energy;
  std::optional<Compute> compute;
  std::optional<Memory> memory;
  std::optional<Thermal> thermal;
  std::optional<WarmupSummary> warmup;
  std::optional<Steady> steady;
  std::optional<HostLoad> host_load;
  std::optional<Cost> cost;
  ConfigAccount configuration;
  Overhead overhead;
  static const base::Table& table();
};

}  // namespace llem::domain
