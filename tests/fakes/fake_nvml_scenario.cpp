#include "fake_nvml_scenario.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

namespace fake_nvml {

using nlohmann::json;

Waveform::Waveform(std::vector<Segment> segments, double phase_s)
    : segments_(std::move(segments)), phase_s_(phase_s) {
  for (const Segment& segment : segments_) {
    period_s_ += segment.seconds;
    period_j_ += segment.seconds * (segment.from_w + segment.to_w) / 2;
  }
}

double Waveform::power(double t) const {
  double rest = std::fmod(t + phase_s_, period_s_);
  rest = rest < 0 ? rest + period_s_ : rest;
  for (const Segment& segment : segments_) {
    if (rest < segment.seconds) {
      return segment.from_w + (segment.to_w - segment.from_w) * rest / segment.seconds;
    }
    rest -= segment.seconds;
  }
  return segments_.back().to_w;
}

double Waveform::partial(double rest) const {
  double joules = 0;
  for (const Segment& segment : segments_) {
    const double part = rest < segment.seconds ? rest : segment.seconds;
    if (part <= 0) {
      break;
    }
    const double end_w = segment.from_w + (segment.to_w - segment.from_w) * part / segment.seconds;
    joules += part * (segment.from_w + end_w) / 2;
    rest -= segment.seconds;
  }
  return joules;
}

double Waveform::integral(double t) const {
  const auto since_origin = [this](double time) {
    const double periods = std::floor(time / period_s_);
    return periods * period_j_ + partial(time - periods * period_s_);
  };
  return since_origin(t + phase_s_) - since_origin(phase_s_);
}

void Bursts::add(double begin, double end) {
  const std::lock_guard lock(mutex_);
  append(begin, end);
}

void Bursts::take_new(const std::string& steps_file) {
  const std::lock_guard lock(mutex_);
  if (steps_ < 0) {
    steps_ = open(steps_file.c_str(), O_RDONLY | O_CLOEXEC);
  }
  std::int64_t step[2];
  while (steps_ >= 0 && read(steps_, step, sizeof(step)) == sizeof(step)) {
    append(static_cast<double>(step[0]) * 1e-9, static_cast<double>(step[1]) * 1e-9);
  }
}

void Bursts::append(double begin, double end) {
  sums_.push_back(begins_.empty() ? 0 : sums_.back() + ends_.back() - begins_.back());
  begins_.push_back(begins_.empty() ? begin : std::max(begin, ends_.back()));
  ends_.push_back(begins_.back() + end - begin);
}

double Bursts::seconds(double t) const {
  const std::lock_guard lock(mutex_);
  const auto next = std::upper_bound(begins_.begin(), begins_.end(), t);
  if (next == begins_.begin()) {
    return 0;
  }
  const auto i = static_cast<std::size_t>(next - begins_.begin()) - 1;
  return sums_[i] + std::min(t, ends_[i]) - begins_[i];
}

namespace {

Waveform parse_power(const json& j) {
  const double phase = j.value("phase_s", 0.0);
  if (j.contains("segments")) {
    std::vector<Waveform::Segment> segments;
    for (const json& s : j.at("segments")) {
      segments.push_back({s.at(0).get<double>(), s.at(1).get<double>(), s.at(2).get<double>()});
    }
    return {std::move(segments), phase};
  }
  const std::string shape = j.value("shape", "constant");
  if (shape == "constant") {
    const double w = j.value("w", 100.0);
    return {{{1, w, w}}, phase};
  }
  if (shape == "square") {
    const double low = j.value("low_w", 100.0);
    const double high = j.value("high_w", 300.0);
    const double period = j.value("period_s", 1.0);
    const double duty = j.value("duty", 0.5);
    return {{{period * duty, high, high}, {period * (1 - duty), low, low}}, phase};
  }
  if (shape == "llm") {
    const double idle = j.value("idle_w", 90.0);
    const double prefill = j.value("prefill_w", 600.0);
    const double decode = j.value("decode_w", 300.0);
    return {{{j.value("prefill_s", 0.2), prefill, prefill},
             {j.value("decode_s", 2.0), decode, j.value("decode_end_w", decode + 20)},
             {j.value("gap_s", 0.3), idle, idle}},
            phase};
  }
  throw std::runtime_error("unknown power shape " + shape);
}

Faults parse_faults(const json& j) {
  Faults faults;
  for (const auto& [name, value] : j.items()) {
    Fault fault;
    if (value.is_object()) {
      fault = {value.at("code").get<int>(), value.value("after_s", 0.0),
               value.value("until_s", 1e300), value.value("while_file", "")};
    } else {
      fault.code = value.get<int>();
    }
    faults[name] = fault;
  }
  return faults;
}

template <class T>
void take(const json& j, const char* key, T& target) {
  if (j.contains(key)) {
    target = j.at(key).get<T>();
  }
}

void parse_lists(const json& j, Device& d) {
  take(j, "mig_instances", d.mig_instances);
  take(j, "scopes", d.scopes);
  if (j.contains("processes")) {
    for (const json& p : j.at("processes")) {
      d.processes.push_back({p.at("pid").get<unsigned>(), p.value("memory_bytes", std::uint64_t{0}),
                             p.value("kind", "compute")});
    }
  }
  const json fields = j.value("fields", json::object());
  for (const auto& [field, type] : fields.items()) {
    d.value_types[static_cast<unsigned>(std::stoul(field))] = type.get<int>();
  }
  const json rates = j.value("throttle_ns_per_s", json::object());
  for (const auto& [field, rate] : rates.items()) {
    d.throttle_ns_per_s[static_cast<unsigned>(std::stoul(field))] = rate.get<double>();
  }
  if (j.contains("slow_call_us")) {
    const json& slow = j.at("slow_call_us");
    d.slow_call_us = slow.is_object() ? slow.get<std::map<std::string, double>>()
                                      : std::map<std::string, double>{{"*", slow.get<double>()}};
  }
  d.errors = parse_faults(j.value("errors", json::object()));
}

void parse_counter(const json& j, Counter& c) {
  take(j, "present", c.present);
  take(j, "period_s", c.period_s);
  take(j, "quantum_j", c.quantum_j);
  take(j, "offset_j", c.offset_j);
  take(j, "frozen_after_s", c.frozen_after_s);
  take(j, "reset_after_s", c.reset_after_s);
}

Device parse_device(const json& j, unsigned index) {
  Device d;
  char text[64];
  std::snprintf(text, sizeof text, "GPU-fa4e0000-0000-4000-8000-%012x", index);
  d.uuid = text;
  std::snprintf(text, sizeof text, "0000:%02x:00.0", 0x3b + 0x10 * index);
  d.pci = text;
  take(j, "uuid", d.uuid);
  take(j, "name", d.name);
  take(j, "pci", d.pci);
  take(j, "vbios", d.vbios);
  take(j, "architecture", d.architecture);
  if (j.contains("compute_capability")) {
    d.compute_major = j.at("compute_capability").at(0).get<int>();
    d.compute_minor = j.at("compute_capability").at(1).get<int>();
  }
  take(j, "cores", d.cores);
  take(j, "memory_bus_bits", d.memory_bus_bits);
  take(j, "memory_bytes", d.memory_bytes);
  take(j, "memory_used_bytes", d.memory_used_bytes);
  take(j, "temperature_celsius", d.temperature_celsius);
  take(j, "memory_temperature_celsius", d.memory_temperature_celsius);
  take(j, "clock_sm_mhz", d.clock_sm_mhz);
  take(j, "clock_memory_mhz", d.clock_memory_mhz);
  take(j, "clock_sm_max_mhz", d.clock_sm_max_mhz);
  take(j, "clock_memory_max_mhz", d.clock_memory_max_mhz);
  take(j, "clock_sm_min_mhz", d.clock_sm_min_mhz);
  take(j, "clocks_memory_mhz", d.clocks_memory_mhz);
  take(j, "utilisation_percent", d.utilisation_percent);
  take(j, "event_reasons", d.event_reasons);
  take(j, "power_limit_w", d.power_limit_w);
  take(j, "power_limit_default_w", d.power_limit_default_w);
  take(j, "power_limit_min_w", d.power_limit_min_w);
  take(j, "power_limit_max_w", d.power_limit_max_w);
  take(j, "power_limit_other_w", d.power_limit_other_w);
  take(j, "pcie_generation", d.pcie_generation);
  take(j, "pcie_width", d.pcie_width);
  take(j, "persistence", d.persistence);
  take(j, "ecc", d.ecc);
  take(j, "mig", d.mig);
  take(j, "process_list_grows", d.process_list_grows);
  take(j, "scoped_energy", d.scoped_energy);
  take(j, "compute_mode", d.compute_mode);
  take(j, "virtualization", d.virtualization);
  take(j, "load_w", d.load_w);
  take(j, "steps_file", d.steps_file);
  take(j, "memory_file", d.memory_file);
  take(j, "processes_file", d.processes_file);
  take(j, "update_period_s", d.update_period_s);
  take(j, "window_s", d.window_s);
  take(j, "average_window_s", d.average_window_s);
  take(j, "draw_window_s", d.draw_window_s);
  if (j.contains("power")) {
    d.power = parse_power(j.at("power"));
  }
  if (j.contains("counter")) {
    parse_counter(j.at("counter"), d.counter);
  }
  parse_lists(j, d);
  return d;
}

}  // namespace

Scenario parse_scenario(const std::string& text) {
  try {
    const json j = text.empty() ? json::object() : json::parse(text);
    Scenario scenario;
    take(j, "driver", scenario.driver);
    take(j, "nvml", scenario.nvml);
    take(j, "cuda", scenario.cuda);
    take(j, "state_file", scenario.state_file);
    scenario.errors = parse_faults(j.value("errors", json::object()));
    const json common = j.value("device", json::object());
    const json devices = j.value("devices", json::array());
    const std::size_t count = devices.empty() ? j.value("count", std::size_t{1}) : devices.size();
    for (std::size_t i = 0; i < count; ++i) {
      json merged = common;
      if (!devices.empty()) {
        merged.update(devices.at(i));
      }
      scenario.devices.push_back(parse_device(merged, static_cast<unsigned>(i)));
    }
    return scenario;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fake NVML: LLEM_FAKE_NVML: %s\n", error.what());
    std::abort();
  }
}

Scenario scenario_from_environment() {
  const char* value = std::getenv("LLEM_FAKE_NVML");
  std::string text = value != nullptr ? value : "";
  if (text.starts_with('@')) {
    std::ifstream file(text.substr(1));
    if (!file) {
      std::fprintf(stderr, "fake NVML: cannot read `%s`\n", text.c_str() + 1);
      std::abort();
    }
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  return parse_scenario(text);
}

double joules(const Device& device, double t) {
  if (!device.steps_file.empty()) {
    device.bursts->take_new(device.steps_file);
  }
  return device.power.integral(t) + device.load_w * device.bursts->seconds(t);
}

double counter_joules(const Device& device, double t, double begin) {
  const Counter& counter = device.counter;
  const double seen = std::min(t, begin + counter.frozen_after_s);
  const double tick = std::floor(seen / counter.period_s) * counter.period_s;
  const double reset = begin + counter.reset_after_s;
  double counted = joules(device, tick) + counter.offset_j;
  if (tick >= reset) {
    counted = joules(device, tick) - joules(device, reset);
  }
  return std::floor(counted / counter.quantum_j) * counter.quantum_j;
}

double power_watts(const Device& device, double t, double window_s) {
  const double tick = std::floor(t / device.update_period_s) * device.update_period_s;
  return window_s > 0 ? (joules(device, tick) - joules(device, tick - window_s)) / window_s
                      : device.power.power(tick);
}

}  // namespace fake_nvml
