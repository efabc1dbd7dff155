#pragma once

// Owns: what a result says of steadiness: the criteria, and the time at which the batch was full.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/value.hpp"

namespace llem::domain {

/// One thing that should stand still, over the last blocks of the warm-up or over the window.
struct SteadyCriterion {
  std::string quantity;  // throughput_drift, throughput_variation, power_drift, temperature_slope
  std::string over;      // warmup, window
  std::string unit;      // of value, u and limit: 1, degC/min
  double value = 0;
  std::optional<double> u;  // standard error of a slope; of a temperature at least a digit
  double limit = 0;
  std::int64_t n = 0;                 // blocks or readings judged
  std::optional<std::string> device;  // of a temperature
  std::string verdict;                // met, within_noise, failed
  static const base::Table& table();
};

/// Where MSER-5 would cut the beginning of the window off. It is reported; nothing is cut.
struct WindowTruncation {
  std::string blocks;  // what was averaged in fives: batches, intervals
  std::int64_t n = 0;  // of them
  double begin_s = 0;  // the truncation point, from the window's begin
  double discarded_ratio = 0;
  double effect_ratio = 0;  // on mean throughput
  double u_effect = 0;      // standard error of effect_ratio
  std::string verdict;      // met, within_noise, failed
  static const base::Table& table();
};

/// The time of the window in which a continuously filled batch is full.
struct SteadyWindow {
  std::int64_t full_batch = 0;    // sequences in a step that count as full
  std::int64_t stretches = 0;     // at most one a pass
  double begin_s = 0;             // of the first, from the window's begin
  double end_s = 0;               // of the last
  double duration_s = 0;          // of all
  double share_ratio = 0;         // of the window
  double mean_batch = 0;          // sequences in a step, weighted by time
  std::int64_t input_tokens = 0;  // prefilled
  std::int64_t output_tokens = 0;
  Value output_tokens_per_s;
  std::optional<Value> gross_j;
  std::optional<Value> gross_j_per_output_token;
  std::optional<double> mean_power_w;
  std::optional<std::string> energy_refused;  // why there is no energy
  double ramp_s = 0;                          // left out, before the batch is full
  std::int64_t ramp_output_tokens = 0;
  double tail_s = 0;  // left out, after it
  std::int64_t tail_output_tokens = 0;
  static const base::Table& table();
};

struct Steady {
  std::optional<std::int64_t> of_window;  // where there are several: counted from 1
  std::vector<SteadyCriterion> criteria;
  std::optional<WindowTruncation> truncation;
  std::optional<std::string> truncation_refused;  // why there is none
  std::optional<SteadyWindow> window;
  std::optional<std::string> window_refused;
  static const base::Table& table();
};

}  // namespace llem::domain
