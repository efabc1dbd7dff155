#include "domain/result.hpp"

#include <array>

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(Provenance) {
  static constexpr std::array<std::string_view, 3> kWords{"measured", "derived", "estimated"};
  return kWords;
}

std::span<const std::string_view> words(ValidityState) {
  static constexpr std::array<std::string_view, 3> kWords{"valid", "flagged", "invalid"};
  return kWords;
}

const base::Table& Value::table() {
  static constexpr std::array fields{
      field<&Value::value>("value", "The value"),
      field<&Value::u_random>("u_random", "Standard uncertainty from random effects (k = 1)"),
      field<&Value::u_systematic>(
          "u_systematic",
          "Standard uncertainty from systematic effects (k = 1), apart from the random one"),
      field<&Value::method>("method", "How it was obtained"),
      field<&Value::source>("source", "measured, derived or estimated")};
  static constexpr base::Table table{"value", "A number with its standard uncertainties", fields};
  return table;
}

const base::Table& IntervalValue::table() {
  static constexpr std::array fields{field<&IntervalValue::low>("low", "Lower limit"),
                                     field<&IntervalValue::high>("high", "Upper limit"),
                                     field<&IntervalValue::level>("level", "Confidence level"),
                                     field<&IntervalValue::method>("method", "How it was obtained"),
                                     field<&IntervalValue::n>("n", "Number of observations")};
  static constexpr base::Table table{"interval_value", "A confidence interval", fields};
  return table;
}

const base::Table& Identity::table() {
  static constexpr std::array fields{
      field<&Identity::trial>("trial", "Number of the trial in the plan"),
      field<&Identity::cycle>("cycle", "Which repetition, from 1"),
      field<&Identity::attempt>("attempt", "Which attempt, from 1"),
      field<&Identity::role>("role", "measured, or sentinel: the reference repeated to see drift"),
      field<&Identity::config_hash>("config_hash", "Content hash of the configuration"),
      field<&Identity::engine>("engine", "Engine"),
      field<&Identity::engine_version>("engine_version", "Version of the engine"),
      field<&Identity::hardware>("hardware", "CPU and the devices used, with their driver"),
      field<&Identity::model>("model", "Model as given"),
      field<&Identity::model_sha256>("model_sha256", "SHA-256 of the model file"),
      field<&Identity::started_utc>("started_utc", "When the trial began"),
      field<&Identity::started_unix_s>("started_unix_s", "The same as Unix time", {.unit = "s"}),
      field<&Identity::duration_s>("duration_s", "From the first phase to the last", {.unit = "s"}),
      field<&Identity::tool>("tool", "Program and version that analysed it")};
  static constexpr base::Table table{"identity", "Which trial this is", fields};
  return table;
}

const base::Table& ValidityCode::table() {
  static constexpr std::array fields{
      field<&ValidityCode::code>("code", "Reason code"),
      field<&ValidityCode::severity>("severity", "info, warning or invalid"),
      field<&ValidityCode::evidence>("evidence", "Numbers that led to it"),
      field<&ValidityCode::remedy>("remedy", "What to do about it")};
  static constexpr base::Table table{"validity_code", "One reason", fields};
  return table;
}

const base::Table& Validity::table() {
  static constexpr std::array fields{field<&Validity::state>("state", "valid, flagged or invalid"),
                                     field<&Validity::codes>("codes", "Reason codes")};
  static constexpr base::Table table{"validity", "Whether the numbers may be used", fields};
  return table;
}

const base::Table& IdlePower::table() {
  static constexpr std::array fields{
      field<&IdlePower::kind>("kind", "Idle state; joined by + where windows subtract unlike ones"),
      field<&IdlePower::power_w>("power_w", "Mean power", {.unit = "W"}),
      field<&IdlePower::u_w>("u_w", "Standard uncertainty of the power", {.unit = "W"}),
      field<&IdlePower::duration_s>("duration_s", "Length of the interval", {.unit = "s"})};
  static constexpr base::Table table{"idle_power", "One idle state", fields};
  return table;
}

const base::Table& SensorFacts::table() {
  static constexpr std::array fields{
      field<&SensorFacts::update_period_s>("update_period_s", "The sensor's update period",
                                           {.unit = "s"}),
      field<&SensorFacts::update_period_u_s>(
          "update_period_u_s", "Standard uncertainty of a probed update period", {.unit = "s"}),
      field<&SensorFacts::update_period_source>("update_period_source",
                                                "How the update period is known"),
      field<&SensorFacts::averaging_window_s>(
          "averaging_window_s", "Time over which one reading is averaged", {.unit = "s"}),
      field<&SensorFacts::averaging_window_source>("averaging_window_source",
                                                   "How the averaging window is known"),
      field<&SensorFacts::lag_s>("lag_s", "Time constant with which a reading follows the power",
                                 {.unit = "s"}),
      field<&SensorFacts::polls>("polls", "Readings in the window"),
      field<&SensorFacts::distinct_readings>("distinct_readings",
                                             "Changes of value in the window")};
  static constexpr base::Table table{"sensor_facts", "What is known of the sensor", fields};
  return table;
}

const base::Table& UncertaintyComponents::table() {
  static constexpr std::array fields{
      field<&UncertaintyComponents::edge_j>(
          "edge_j", "From the position of sensor ticks at the window edges", {.unit = "J"}),
      field<&UncertaintyComponents::alias_j>(
          "alias_j", "From unobserved time of a part-time sensor", {.unit = "J"}),
      field<&UncertaintyComponents::gap_j>("gap_j", "From gaps in the readings", {.unit = "J"}),
      field<&UncertaintyComponents::time_j>("time_j", "From the timing of the marks",
                                            {.unit = "J"}),
      field<&UncertaintyComponents::quantum_j>("quantum_j", "From the resolution", {.unit = "J"}),
      field<&UncertaintyComponents::gain_j>("gain_j", "From the sensor's gain", {.unit = "J"}),
      field<&UncertaintyComponents::offset_j>("offset_j", "From the sensor's offset",
                                              {.unit = "J"}),
      field<&UncertaintyComponents::estimate_j>("estimate_j", "From the model of an estimate",
                                                {.unit = "J"})};
  static constexpr base::Table table{"uncertainty_components", "Standard uncertainty by cause",
                                     fields};
  return table;
}

const base::Table& CrossCheck::table() {
  static constexpr std::array fields{
      field<&CrossCheck::method>("method", "How it was obtained"),
      field<&CrossCheck::energy_j>("energy_j", "Energy by the other method", {.unit = "J"}),
      field<&CrossCheck::ratio>("ratio", "Chosen method divided by the other", {.unit = "1"}),
      field<&CrossCheck::status>("status", "ok, warn or fail")};
  static constexpr base::Table table{"cross_check", "The second-best method beside the chosen one",
                                     fields};
  return table;
}

const base::Table& ThrottleShares::table() {
  static constexpr std::array fields{
      field<&ThrottleShares::power_ratio>("power_ratio", "Share of time limited by the power cap",
                                          {.unit = "1"}),
      field<&ThrottleShares::sw_thermal_ratio>(
          "sw_thermal_ratio", "Share of time in software thermal slowdown", {.unit = "1"}),
      field<&ThrottleShares::hw_thermal_ratio>(
          "hw_thermal_ratio", "Share of time in hardware thermal slowdown", {.unit = "1"}),
      field<&ThrottleShares::brake_ratio>("brake_ratio", "Share of time under the power brake",
                                          {.unit = "1"})};
  static constexpr base::Table table{"throttle_shares", "Shares of the window throttled", fields};
  return table;
}

const base::Table& ScopeEnergy::table() {
  static constexpr std::array fields{
      field<&ScopeEnergy::scope>("scope", "What the number covers"),
      field<&ScopeEnergy::kind>("kind", "Kind of the quantity"),
      field<&ScopeEnergy::method>("method", "How it was obtained"),
      field<&ScopeEnergy::source>("source", "measured, derived or estimated"),
      field<&ScopeEnergy::gross>("gross", "Energy of the window"),
      field<&ScopeEnergy::net>("net", "Gross minus idle power times window"),
      field<&ScopeEnergy::idle>("idle", "The idle power subtracted"),
      field<&ScopeEnergy::idles>("idles", "Every idle state measured"),
      field<&ScopeEnergy::idle_drift_w>(
          "idle_drift_w", "Idle after the window less that before it, with the engine loaded",
          {.unit = "W"}),
      field<&ScopeEnergy::mean_power_w>("mean_power_w", "Gross energy divided by window",
                                        {.unit = "W"}),
      field<&ScopeEnergy::peak_power_w>(
          "peak_power_w", "Highest power: reading of a gauge, mean over ten updates of a counter",
          {.unit = "W"}),
      field<&ScopeEnergy::sensor>("sensor", "Facts of the sensor"),
      field<&ScopeEnergy::components>("components", "Uncertainty by cause"),
      field<&ScopeEnergy::crosscheck>("crosscheck", "The second-best method"),
      field<&ScopeEnergy::throttle>("throttle", "Shares of time throttled"),
      field<&ScopeEnergy::load_j>("load_j", "Energy of loading the model", {.unit = "J"}),
      field<&ScopeEnergy::warmup_j>("warmup_j", "Energy of the warm-up", {.unit = "J"})};
  static constexpr base::Table table{"scope_energy", "Energy of one scope", fields};
  return table;
}

const base::Table& Energy::table() {
  static constexpr std::array fields{
      field<&Energy::scopes>("scopes", "Energy by scope"),
      field<&Energy::headline_scope>("headline_scope", "Scope of the headline"),
      field<&Energy::headline_gross_j>("headline_gross_j", "Gross energy of the headline scope",
                                       {.unit = "J"}),
      field<&Energy::headline_net_j>("headline_net_j", "Net energy of the headline scope",
                                     {.unit = "J"}),
      field<&Energy::headline_idle_w>("headline_idle_w", "Idle power of the headline scope",
                                      {.unit = "W"}),
      field<&Energy::measured_total_j>("measured_total_j", "Sum over disjoint measured scopes",
                                       {.unit = "J"}),
      field<&Energy::estimated_total_j>("estimated_total_j", "Sum over estimated scopes",
                                        {.unit = "J"})};
  static constexpr base::Table table{"energy", "Energy of the window", fields};
  return table;
}

const base::Table& Efficiency::table() {
  static constexpr std::array fields{
      field<&Efficiency::gross_j_per_output_token>(
          "gross_j_per_output_token", "Gross energy per output token delivered in the window",
          {.unit = "J/token"}),
      field<&Efficiency::net_j_per_output_token>(
          "net_j_per_output_token", "Net energy per output token delivered in the window",
          {.unit = "J/token"}),
      field<&Efficiency::gross_j_per_request>("gross_j_per_request", "Gross energy per request",
                                              {.unit = "J"}),
      field<&Efficiency::gross_j_per_output_byte>(
          "gross_j_per_output_byte", "Gross energy per UTF-8 byte of output", {.unit = "J/byte"}),
      field<&Efficiency::gross_j_per_total_token>(
          "gross_j_per_total_token", "Gross energy per input or output token", {.unit = "J/token"}),
      field<&Efficiency::output_tokens_per_j>("output_tokens_per_j", "Output tokens per joule",
                                              {.unit = "tokens/J"}),
      field<&Efficiency::wh_per_1000_requests>("wh_per_1000_requests",
                                               "Watt-hours per 1000 requests"),
      field<&Efficiency::energy_delay_product_js>("energy_delay_product_js",
                                                  "Gross energy times window", {.unit = "J s"}),
      field<&Efficiency::mean_power_w>("mean_power_w", "Gross energy divided by window",
                                       {.unit = "W"}),
      field<&Efficiency::scope>("scope", "What the number covers")};
  static constexpr base::Table table{"efficiency",
                                     "Energy per unit of work, over the headline scope", fields};
  return table;
}

const base::Table& Distribution::table() {
  static constexpr std::array fields{
      field<&Distribution::n>("n", "Number of observations"),
      field<&Distribution::mean>("mean", "Arithmetic mean"),
      field<&Distribution::sd>("sd", "Standard deviation"),
      field<&Distribution::min>("min", "Smallest"),
      field<&Distribution::max>("max", "Largest"),
      field<&Distribution::median>("median", "Median"),
      field<&Distribution::p90>("p90", "90th percentile"),
      field<&Distribution::p95>("p95", "95th percentile"),
      field<&Distribution::p99>("p99", "99th percentile"),
      field<&Distribution::median_interval>("median_interval", "Interval of the median"),
      field<&Distribution::p90_interval>("p90_interval", "Interval of the 90th percentile"),
      field<&Distribution::p95_interval>(
          "p95_interval", "Interval of the 95th percentile; absent below 72 observations"),
      field<&Distribution::p99_interval>(
          "p99_interval", "Interval of the 99th percentile; absent below 368 observations")};
  static constexpr base::Table table{"distribution", "Summary of a set of latencies", fields};
  return table;
}

const base::Table& Latency::table() {
  static constexpr std::array fields{
      field<&Latency::token_time>("token_time", "How token times were obtained"),
      field<&Latency::service_ttft_s>("service_ttft_s", "First token minus start of its own work",
                                      {.unit = "s"}),
      field<&Latency::ttft_s>("ttft_s", "First token minus submission", {.unit = "s"}),
      field<&Latency::queue_s>("queue_s", "Start minus submission", {.unit = "s"}),
      field<&Latency::itl_s>("itl_s", "Gaps between tokens, pooled over requests", {.unit = "s"}),
      field<&Latency::tpot_s>("tpot_s", "Per request: time after the first token per further token",
                              {.unit = "s"}),
      field<&Latency::e2e_s>("e2e_s", "Last token minus submission", {.unit = "s"})};
  static constexpr base::Table table{"latency", "Latencies in seconds", fields};
  return table;
}

const base::Table& Throughput::table() {
  static constexpr std::array fields{
      field<&Throughput::window_s>("window_s", "Length of the window", {.unit = "s"}),
      field<&Throughput::passes>("passes", "Passes served in the window"),
      field<&Throughput::requests>("requests", "Requests finished in the window"),
      field<&Throughput::failed_requests>("failed_requests", "Requests that failed"),
      field<&Throughput::output_tokens>("output_tokens", "Output tokens delivered",
                                        {.unit = "tokens"}),
      field<&Throughput::input_tokens>("input_tokens", "Input tokens", {.unit = "tokens"}),
      field<&Throughput::output_tokens_per_s>("output_tokens_per_s", "Output tokens per second",
                                              {.unit = "tokens/s"}),
      field<&Throughput::total_tokens_per_s>(
          "total_tokens_per_s", "Input and output tokens per second", {.unit = "tokens/s"}),
      field<&Throughput::requests_per_s>("requests_per_s", "Requests per second", {.unit = "1/s"}),
      field<&Throughput::mean_batch>("mean_batch", "Sequences per step, weighted by time"),
      field<&Throughput::median_batch>("median_batch",
                                       "Median sequences per step, weighted by time")};
  static constexpr base::Table table{"throughput", "Rates over the window", fields};
  return table;
}

const base::Table& LengthSummary::table() {
  static constexpr std::array fields{
      field<&LengthSummary::n>("n", "Number of observations"),
      field<&LengthSummary::mean>("mean", "Arithmetic mean"),
      field<&LengthSummary::sd>("sd", "Standard deviation"),
      field<&LengthSummary::min>("min", "Smallest"),
      field<&LengthSummary::p5>("p5", "5th percentile"),
      field<&LengthSummary::median>("median", "Median"),
      field<&LengthSummary::p95>("p95", "95th percentile"),
      field<&LengthSummary::max>("max", "Largest"),
      field<&LengthSummary::histogram_low>("histogram_low", "Lower edge of the first bin"),
      field<&LengthSummary::histogram_width>("histogram_width", "Width of a bin"),
      field<&LengthSummary::histogram_counts>("histogram_counts", "Requests per bin")};
  static constexpr base::Table table{"length_summary", "Summary of lengths", fields};
  return table;
}

const base::Table& Lengths::table() {
  static constexpr std::array fields{
      field<&Lengths::input_tokens>("input_tokens", "Input tokens", {.unit = "tokens"}),
      field<&Lengths::output_tokens>("output_tokens", "Output tokens delivered",
                                     {.unit = "tokens"}),
      field<&Lengths::cached_tokens>("cached_tokens", "Input tokens answered from a cache",
                                     {.unit = "tokens"})};
  static constexpr base::Table table{"lengths", "Lengths that really ran", fields};
  return table;
}

const base::Table& Phases::table() {
  static constexpr std::array fields{
      field<&Phases::prefill_s>("prefill_s", "Time of steps that only prefill", {.unit = "s"}),
      field<&Phases::decode_s>("decode_s", "Time of steps that only decode", {.unit = "s"}),
      field<&Phases::mixed_s>("mixed_s", "Time of steps that do both", {.unit = "s"}),
      field<&Phases::between_steps_s>("between_steps_s", "Window time outside steps",
                                      {.unit = "s"}),
      field<&Phases::method>("method", "How the energy was split: counter_lsq"),
      field<&Phases::model>(
          "model",
          "What was fitted: phase_power (watts in a phase) or step_cost (joules a "
          "step, a token and a token of context)"),
      field<&Phases::prefill_j>("prefill_j", "Gross energy of the prefill", {.unit = "J"}),
      field<&Phases::decode_j>("decode_j", "Gross energy of the decode", {.unit = "J"}),
      field<&Phases::unattributed_j>("unattributed_j", "Gross energy less both", {.unit = "J"}),
      field<&Phases::shared_j>(
          "shared_j",
          "Of the decode: what steps that do both cost in any case; the other extreme counts it "
          "as prefill",
          {.unit = "J"}),
      field<&Phases::prefill_j_per_input_token>("prefill_j_per_input_token",
                                                "Prefill per input token", {.unit = "J/token"}),
      field<&Phases::decode_j_per_output_token>("decode_j_per_output_token",
                                                "Decode per output token", {.unit = "J/token"}),
      field<&Phases::condition_number>(
          "condition_number",
          "Of the fit, columns scaled to one length; absent where only sums of costs "
          "are determined"),
      field<&Phases::held_out_ratio>(
          "held_out_ratio", "Residuals of readings left out of the fit over those of the fit"),
      field<&Phases::energy_refused>("energy_refused", "Why there is no energy by phase")};
  static constexpr base::Table table{"phases", "Time and energy of prefill and decode", fields};
  return table;
}

const base::Table& Cost::table() {
  static constexpr std::array fields{
      field<&Cost::scope>("scope", "What the energy covers"),
      field<&Cost::energy_kwh>("energy_kwh", "Gross energy of the window", {.unit = "kWh"}),
      field<&Cost::pue_ratio>(
          "pue_ratio",
          "Energy of the facility over that of its machines (PUE); 1 counts the "
          "machine alone",
          {.unit = "1"}),
      field<&Cost::g_per_kwh>("g_per_kwh", "CO2 equivalent of a kilowatt-hour, as given",
                              {.unit = "g/kWh"}),
      field<&Cost::g_per_kwh_source>("g_per_kwh_source", "Where that number is from, as given"),
      field<&Cost::emissions_g>("emissions_g", "CO2 equivalent of the window", {.unit = "g"}),
      field<&Cost::emissions_g_per_million_output_tokens>(
          "emissions_g_per_million_output_tokens", "CO2 equivalent of a million output tokens",
          {.unit = "g"}),
      field<&Cost::price_per_kwh>("price_per_kwh", "Price of a kilowatt-hour, as given"),
      field<&Cost::currency>("currency", "Of the prices, as given"),
      field<&Cost::price>("price", "Price of the window's energy"),
      field<&Cost::price_per_million_output_tokens>("price_per_million_output_tokens",
                                                    "Price of the energy of a million output "
                                                    "tokens")};
  static constexpr base::Table table{
      "cost", "What the energy emits and costs, by the user's factors", fields};
  return table;
}

const base::Table& Compute::table() {
  static constexpr std::array fields{
      field<&Compute::flops>("flops", "Algorithmic operations in the window", {.unit = "FLOP"}),
      field<&Compute::prefill_flops>("prefill_flops", "Of the prefill", {.unit = "FLOP"}),
      field<&Compute::decode_flops>("decode_flops", "Of the decode", {.unit = "FLOP"}),
      field<&Compute::flops_per_s>("flops_per_s", "Operations per second", {.unit = "FLOP/s"}),
      field<&Compute::gflops_per_output_token>("gflops_per_output_token",
                                               "10^9 operations per output token"),
      field<&Compute::bytes_read_bytes>(
          "bytes_read_bytes", "Weights and key-value cache read, by model", {.unit = "bytes"}),
      field<&Compute::bytes_per_s>("bytes_per_s", "Bytes read per second, by model",
                                   {.unit = "bytes/s"}),
      field<&Compute::mfu_ratio>("mfu_ratio", "Operations per second over the dense peak",
                                 {.unit = "1"}),
      field<&Compute::mbu_ratio>("mbu_ratio", "Bytes per second over the peak bandwidth",
                                 {.unit = "1"}),
      field<&Compute::peak_flops_per_s>("peak_flops_per_s", "Dense peak of the devices used",
                                        {.unit = "FLOP/s"}),
      field<&Compute::peak_bytes_per_s>(
          "peak_bytes_per_s", "Peak memory bandwidth of the devices used", {.unit = "bytes/s"}),
      field<&Compute::peak_source>("peak_source", "Where the peaks come from"),
      field<&Compute::method>("method", "How it was obtained"),
      field<&Compute::assumptions>("assumptions", "What was assumed")};
  static constexpr base::Table table{"compute", "Operations and bytes by model", fields};
  return table;
}

}  // namespace llem::domain
