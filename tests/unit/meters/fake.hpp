#pragma once

// A fake NVML library with a clock that tests move by hand, opened as the product would open the
// real one.

#include <cstdlib>
#include <dlfcn.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fake_nvml_scenario.hpp"
#include "meters/meter.hpp"

namespace llem::meters {

inline testing::AssertionResult contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos
             ? testing::AssertionSuccess()
             : testing::AssertionFailure() << "`" << part << "` is not in: " << text;
}

/// Sets an environment variable for the life of the object.
class Environment {
 public:
  Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  ~Environment() { ::unsetenv(name_.c_str()); }

 private:
  std::string name_;
};

class FakeNvml {
 public:
  explicit FakeNvml(const std::string& scenario, double t = 1000)
      : library_("LLEM_NVML_LIBRARY", LLEM_FAKE_NVML_LIBRARY),
        text_("LLEM_FAKE_NVML", scenario),
        scenario_(fake_nvml::parse_scenario(scenario)),
        handle_(::dlopen(LLEM_FAKE_NVML_LIBRARY, RTLD_LAZY)) {
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    set_time(t);
  }

  ~FakeNvml() { ::dlclose(handle_); }

  void set_time(double t) {
    reinterpret_cast<void (*)(double)>(::dlsym(handle_, "fake_nvml_set_time"))(t);
  }

  long calls() const { return reinterpret_cast<long (*)()>(::dlsym(handle_, "fake_nvml_calls"))(); }

  const fake_nvml::Device& device(std::size_t i = 0) const { return scenario_.devices.at(i); }

 private:
  Environment library_;
  Environment text_;
  fake_nvml::Scenario scenario_;
  void* handle_;
};

/// The readings of one call of every meter, by device and signal.
struct Reading {
  domain::Channel channel;
  double value = 0;
};

inline std::vector<Reading> read_all(MeterSet& set) {
  std::vector<Reading> readings;
  for (const auto& meter : set.meters) {
    domain::SampleBlock block;
    meter->read(0, block);
    for (std::size_t i = 0; i < block.size; ++i) {
      readings.push_back({meter->channels()[block.samples[i].channel], block.samples[i].value});
    }
  }
  return readings;
}

inline std::optional<double> value_of(const std::vector<Reading>& readings, domain::Signal signal,
                                      std::string_view device = {}) {
  for (const Reading& reading : readings) {
    if (reading.channel.signal == signal && (device.empty() || reading.channel.device == device)) {
      return reading.value;
    }
  }
  return std::nullopt;
}

inline const domain::Channel* channel_of(const MeterSet& set, domain::Signal signal) {
  for (const auto& meter : set.meters) {
    for (const domain::Channel& channel : meter->channels()) {
      if (channel.signal == signal) {
        return &channel;
      }
    }
  }
  return nullptr;
}

}  // namespace llem::meters
