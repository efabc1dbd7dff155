#pragma once

// Owns: signals and their readings. Inside samples times are CLOCK_MONOTONIC nanoseconds of the
// host.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"

namespace llem::domain {

/// counter: subtract and unwrap; gauge: integrate or average.
enum class Behaviour { counter, gauge };
std::span<const std::string_view> words(Behaviour);

/// What a channel measures. Units: energy J, power W, temperature degrees Celsius, clock Hz, memory
/// bytes, throttle and CPU times s, ratio 0..1.
enum class Signal {
  energy,         // counter
  power_instant,  // gauge; NVML field 186 class
  power_average,  // gauge; NVML field 185 class
  power,          // gauge of unknown averaging
  temperature,
  memory_temperature,
  clock_sm,
  clock_memory,
  memory_used,  // device memory or host memory in use
  utilisation,
  throttle_power,  // counters of seconds
  throttle_sw_thermal,
  throttle_hw_thermal,
  throttle_brake,
  event_reasons,     // NVML clock event reason bits, as a number
  power_limit,       // W, enforced
  cpu_busy,          // counter of CPU seconds over all CPUs of the machine
  cpu_steal,         // counter of CPU seconds
  process_cpu,       // counter: the worker's group, CPU seconds
  process_rss,       // the worker's group, bytes
  process_switches,  // counter: involuntary context switches of the worker's group
};
std::span<const std::string_view> words(Signal);

/// What a device's energy covers. Totals add disjoint scopes only: package + dram + gpus; core lies
/// within package.
enum class Scope { gpu, module, package, dram, core, uncore, psys, node, host, process };
std::span<const std::string_view> words(Scope);

/// How a property of a sensor is known.
enum class Knowledge {
  table,       // published for its architecture
  stated,      // by its vendor
  calibrated,  // measured on this device by `llem calibrate`
  probed,      // from the times at which readings of this recording changed
  readings,    // as long as it can be, for how often it was polled
};
std::span<const std::string_view> words(Knowledge);

struct Channel {
  std::int64_t index = 0;
  std::string device;  // "gpu:<uuid>", "package-0", "dram-0", "host", "worker"
  Signal signal = Signal::energy;
  Behaviour behaviour = Behaviour::gauge;
  std::string unit;
  Scope scope = Scope::host;
  std::string meter;                      // "nvml", "rapl-powercap", "rapl-perf", "host"
  std::optional<double> wraps_at;         // in units of the value
  std::optional<double> update_period_s;  // T
  std::optional<Knowledge> update_period_source;
  std::optional<double> averaging_window_s;  // W
  std::optional<Knowledge> averaging_window_source;
  std::optional<double> lag_s;         // time constant of a first-order response
  std::optional<double> gain_u_ratio;  // systematic, k = 1
  std::optional<double> resolution;    // quantum of the value
  static const base::Table& table();
};

struct Sample {
  std::int64_t t_ns = 0;        // midpoint of the reading call
  std::int64_t latency_ns = 0;  // length of that call
  double value = 0;
  std::uint16_t channel = 0;
};

/// Fixed storage the sampler fills; nothing in it allocates.
struct SampleBlock {
  static constexpr std::size_t kCapacity = 1024;
  std::array<Sample, kCapacity> samples;
  std::size_t size = 0;

  std::size_t room() const { return kCapacity - size; }

  void push(std::uint16_t channel, double value, std::int64_t begin_ns,
            std::int64_t end_ns) noexcept {
    if (size < kCapacity) {
      samples[size++] = {begin_ns + (end_ns - begin_ns) / 2, end_ns - begin_ns, value, channel};
    }
  }
};

struct TracePoint {
  std::int64_t t_ns = 0;
  std::int64_t latency_ns = 0;
  double value = 0;
};

/// All readings of one channel in time order.
using Trace = std::vector<TracePoint>;

}  // namespace llem::domain
