#pragma once

// Owns: what every function of the fake library starts with: the scenario, its clock, its handles
// and its failures.

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "fake_nvml_scenario.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace fake_nvml {

/// What was set of a device; 0: not set. Read and written in one call each.
struct Settings {
  std::uint32_t power_mw = 0;
  std::uint32_t sm_mhz = 0;
  std::uint32_t memory_mhz = 0;
};

struct State {
  std::mutex mutex;  // initialisation only: calls come from several threads
  int users = 0;
  Scenario scenario;
  double begin = 0;
  std::vector<Settings> settings;  // of each device, where no file keeps them
};

State& state();

/// CLOCK_MONOTONIC in seconds, or the time a test has set.
double now();
void set_time(double t);
long call_count();

/// The code of the fault on `name`, or on "*", that holds at `t`; 0 when none does.
int fault_in(const Faults& faults, const char* name, double t);

/// A handle is a device's index plus one; MIG instances follow in blocks of 256.
constexpr std::uintptr_t kMigBlock = 256;
Device* device_of(void* handle);
bool is_mig(void* handle);
void* handle_of(std::size_t index, std::size_t mig = 0);

/// Counts the call; the answer is the code it is to fail with.
int enter(const char* function);
/// The same for a call on a device, which takes as long as the scenario says.
int enter(const char* function, void* handle, Device*& device);

int give_text(const std::string& text, char* buffer, unsigned length);
unsigned milli(double value);

}  // namespace fake_nvml
