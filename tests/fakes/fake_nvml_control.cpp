// What can be set of a device: power limit and locked clocks. Kept in the scenario's `state_file`,
// so that every process that opened the same scenario sees the same device.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "fake_nvml_state.hpp"

using namespace fake_nvml;

namespace {

std::size_t index_of(const Device& device) {
  return static_cast<std::size_t>(&device - state().scenario.devices.data());
}

Settings settings_of(const Device& device) {
  const std::size_t index = index_of(device);
  if (state().scenario.state_file.empty()) {
    return state().settings[index];
  }
  Settings settings;
  const int file = ::open(state().scenario.state_file.c_str(), O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    if (::pread(file, &settings, sizeof settings, static_cast<off_t>(index * sizeof settings)) !=
        static_cast<ssize_t>(sizeof settings)) {
      settings = {};
    }
    ::close(file);
  }
  return settings;
}

void keep(const Device& device, const Settings& settings) {
  const std::size_t index = index_of(device);
  if (state().scenario.state_file.empty()) {
    state().settings[index] = settings;
    return;
  }
  const int file =
      ::open(state().scenario.state_file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0 ||
      ::pwrite(file, &settings, sizeof settings, static_cast<off_t>(index * sizeof settings)) !=
          static_cast<ssize_t>(sizeof settings)) {
    std::fprintf(stderr, "fake NVML: cannot write `%s`\n", state().scenario.state_file.c_str());
    std::abort();
  }
  ::close(file);
}

unsigned limit_of(const Device& device) {
  const Settings settings = settings_of(device);
  return settings.power_mw != 0 ? settings.power_mw : milli(device.power_limit_w);
}

/// The two-call protocol of NVML's lists.
int give_list(const std::vector<unsigned>& list, unsigned* count, unsigned* out) {
  const bool fits = *count >= list.size() && out != nullptr;
  *count = static_cast<unsigned>(list.size());
  if (!fits) {
    return 7;
  }
  std::copy(list.begin(), list.end(), out);
  return 0;
}

}  // namespace

EXPORT int nvmlDeviceGetPowerManagementLimit(void* handle, unsigned* milliwatts) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *milliwatts = limit_of(*device);
  }
  return code;
}

EXPORT int nvmlDeviceGetEnforcedPowerLimit(void* handle, unsigned* milliwatts) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *milliwatts = std::min(limit_of(*device), milli(device->power_limit_other_w));
  }
  return code;
}

EXPORT int nvmlDeviceSetPowerManagementLimit(void* handle, unsigned milliwatts) {
  Device* device = nullptr;
  if (const int code = enter(__func__, handle, device); code != 0) {
    return code;
  }
  if (milliwatts < milli(device->power_limit_min_w) ||
      milliwatts > milli(device->power_limit_max_w)) {
    return 2;
  }
  Settings settings = settings_of(*device);
  settings.power_mw = milliwatts;
  keep(*device, settings);
  return 0;
}

namespace {

int lock_clock(const char* function, void* handle, std::uint32_t Settings::* clock, unsigned low,
               unsigned high) {
  Device* device = nullptr;
  if (const int code = enter(function, handle, device); code != 0) {
    return code;
  }
  if (low > high) {
    return 2;
  }
  Settings settings = settings_of(*device);
  settings.*clock = high;
  keep(*device, settings);
  return 0;
}

}  // namespace

EXPORT int nvmlDeviceSetGpuLockedClocks(void* handle, unsigned low, unsigned high) {
  return lock_clock(__func__, handle, &Settings::sm_mhz, low, high);
}

EXPORT int nvmlDeviceResetGpuLockedClocks(void* handle) {
  return lock_clock(__func__, handle, &Settings::sm_mhz, 0, 0);
}

EXPORT int nvmlDeviceSetMemoryLockedClocks(void* handle, unsigned low, unsigned high) {
  return lock_clock(__func__, handle, &Settings::memory_mhz, low, high);
}

EXPORT int nvmlDeviceResetMemoryLockedClocks(void* handle) {
  return lock_clock(__func__, handle, &Settings::memory_mhz, 0, 0);
}

EXPORT int nvmlDeviceGetClockInfo(void* handle, int type, unsigned* megahertz) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    const Settings settings = settings_of(*device);
    const unsigned locked = type == 2 ? settings.memory_mhz : settings.sm_mhz;
    const unsigned free = type == 2 ? device->clock_memory_mhz : device->clock_sm_mhz;
    *megahertz = locked != 0 ? locked : free;
  }
  return code;
}

EXPORT int nvmlDeviceGetSupportedMemoryClocks(void* handle, unsigned* count, unsigned* megahertz) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  return code != 0 ? code : give_list(device->clocks_memory_mhz, count, megahertz);
}

EXPORT int nvmlDeviceGetSupportedGraphicsClocks(void* handle, unsigned memory_mhz, unsigned* count,
                                                unsigned* megahertz) {
  Device* device = nullptr;
  if (const int code = enter(__func__, handle, device); code != 0) {
    return code;
  }
  if (std::find(device->clocks_memory_mhz.begin(), device->clocks_memory_mhz.end(), memory_mhz) ==
      device->clocks_memory_mhz.end()) {
    return 6;
  }
  std::vector<unsigned> clocks;
  for (unsigned clock = device->clock_sm_max_mhz; clock >= device->clock_sm_min_mhz; clock -= 15) {
    clocks.push_back(clock);
  }
  return give_list(clocks, count, megahertz);
}
