#pragma once

// Owns: what the fake NVML library pretends. Knows nothing of the product.
//
// The scenario is JSON in $LLEM_FAKE_NVML, or in the file that "@path" there names; it is read at
// nvmlInit_v2. Times are CLOCK_MONOTONIC seconds, so that a test can say the energy between two
// moments in closed form; `…after_s` counts from the first initialisation. All keys are optional:
//
//   driver, nvml (texts), cuda (12040), count (copies of `device`), device {…}, devices [{…}, …]
//   (over `device`), errors {…} for every device, state_file (what was set, shared by every process
//   that names the same file). device: uuid, name, pci "0000:3b:00.0",
//   architecture, compute_capability [9, 0], vbios, cores, memory_bus_bits,
//     memory_bytes, memory_used_bytes, temperature_celsius, memory_temperature_celsius,
//     clock_sm_mhz, clock_memory_mhz, clock_sm_max_mhz, clock_memory_max_mhz, clock_sm_min_mhz,
//     clocks_memory_mhz [2619, 1593] (those that can be locked), utilisation_percent,
//     event_reasons, power_limit_w, power_limit_default_w, power_limit_min_w, power_limit_max_w,
//     power_limit_other_w (of another limiter: the lower one is enforced),
//     memory_file (where it exists, the bytes it names are used), processes_file (where it exists,
//     a line "pid bytes" for each compute process),
//     pcie_generation, pcie_width, persistence, ecc, compute_mode, virtualization, mig (false),
//     mig_instances ["MIG-…"], processes [{pid, memory_bytes, kind}], process_list_grows (true: the
//     first call with enough room still asks for more), power: {shape: constant, w} | {shape:
//     square, low_w, high_w, period_s, duty, phase_s}
//          | {shape: llm, idle_w, prefill_w, decode_w, decode_end_w, prefill_s, decode_s, gap_s,
//          phase_s} | {segments: [[seconds, from_w, to_w], …], phase_s},
//     load_w (what a kernel of the fake CUDA library adds, and each step in steps_file: begin and
//     end, ns of CLOCK_MONOTONIC, 64 bits each, appended while it is read),
//     update_period_s and window_s (of field 186), average_window_s (185), draw_window_s
//     (nvmlDeviceGetPowerUsage), counter: {present, period_s, quantum_j, offset_j, frozen_after_s,
//     reset_after_s}, scopes [0] (in which 185, 186 and 191 answer), scoped_energy (true: 191
//     answers), fields {"186": 3, …} value types, throttle_ns_per_s {"74": …, "269": …, "270": …,
//     "271": …}, slow_call_us (number, or {function: number}), errors {"nvmlDeviceGetPowerUsage":
//     3, "field:186": 3, "field:186/1": {code: 15, after_s: 2, until_s: 3}, "*": 15}; a function's
//     fault may also hold {code: 4, while_file: "path"}, as long as that file exists

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fake_nvml {

/// A periodic power of straight pieces, with its exact integral.
class Waveform {
 public:
  struct Segment {
    double seconds = 1;
    double from_w = 0;
    double to_w = 0;
  };

  Waveform() : Waveform({{1, 100, 100}}, 0) {}

  Waveform(std::vector<Segment> segments, double phase_s);
  double power(double t) const;
  /// Joules from time 0 to `t`.
  double integral(double t) const;

 private:
  std::vector<Segment> segments_;
  double phase_s_;
  double period_s_ = 0;
  double period_j_ = 0;
  double partial(double into_period) const;
};

struct Fault {
  int code = 0;
  double after_s = 0;
  double until_s = 1e300;
  std::string while_file;  // holds while this file exists; empty: always
};

/// When a device worked, as kernels and the steps in a file say. Written by one thread while others
/// read.
class Bursts {
 public:
  void add(double begin, double end);
  void take_new(const std::string& steps_file);
  /// Seconds of work before `t`.
  double seconds(double t) const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> begins_, ends_, sums_;  // sums: of all bursts before
  int steps_ = -1;                            // the file, once it is there
  void append(double begin, double end);
};

using Faults = std::map<std::string, Fault>;

struct Process {
  unsigned pid = 0;
  std::uint64_t memory_bytes = 0;
  std::string kind = "compute";
};

struct Counter {
  bool present = true;
  double period_s = 0.02;
  double quantum_j = 0.001;
  double offset_j = 0;
  double frozen_after_s = 1e300;
  double reset_after_s = 1e300;
};

struct Device {
  std::string uuid, name = "NVIDIA Fake H100", pci = "0000:3b:00.0", vbios = "96.00.74.00.01";
  unsigned architecture = 9;
  int compute_major = 9, compute_minor = 0;
  unsigned cores = 16896, memory_bus_bits = 5120;
  std::uint64_t memory_bytes = 80ULL << 30, memory_used_bytes = 256ULL << 20;
  double temperature_celsius = 45, memory_temperature_celsius = 50;
  unsigned clock_sm_mhz = 1410, clock_memory_mhz = 2619, clock_sm_max_mhz = 1980,
           clock_memory_max_mhz = 2619, clock_sm_min_mhz = 210;
  std::vector<unsigned> clocks_memory_mhz{2619, 1593};
  unsigned utilisation_percent = 0;
  std::uint64_t event_reasons = 0;
  double power_limit_w = 700, power_limit_default_w = 700, power_limit_min_w = 200,
         power_limit_max_w = 700, power_limit_other_w = 1e6;
  unsigned pcie_generation = 5, pcie_width = 16;
  bool persistence = true, ecc = true, mig = false, process_list_grows = false,
       scoped_energy = false;
  int compute_mode = 0, virtualization = 0;
  std::vector<std::string> mig_instances;
  std::vector<Process> processes;
  Waveform power;
  double load_w = 0;
  std::string steps_file, memory_file, processes_file;
  std::shared_ptr<Bursts> bursts = std::make_shared<Bursts>();
  double update_period_s = 0.1, window_s = 0.025, average_window_s = 1, draw_window_s = 1;
  Counter counter;
  std::vector<unsigned> scopes{0};
  std::map<unsigned, int> value_types;
  std::map<unsigned, double> throttle_ns_per_s;
  std::map<std::string, double> slow_call_us;
  Faults errors;
};

struct Scenario {
  std::string driver = "550.54.15", nvml = "12.550.54.15";
  int cuda = 12040;
  std::vector<Device> devices;
  Faults errors;
  std::string state_file;
};

/// Ends the process with a message on standard error when the text is wrong: a test's mistake must
/// not look like a device's.
Scenario parse_scenario(const std::string& text);
Scenario scenario_from_environment();

/// Joules from time 0 to `t`, kernels included.
double joules(const Device& device, double t);
/// The counter's reading at `t`, of a scenario that began at `begin`.
double counter_joules(const Device& device, double t, double begin);
/// A power reading at `t` averaged over `window_s`, refreshed on the sensor's grid.
double power_watts(const Device& device, double t, double window_s);

}  // namespace fake_nvml
