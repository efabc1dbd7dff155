// A stand-in for the driver's libnvidia-ml.so.1: exports the functions the product looks up, plus
// some of its own: `fake_nvml_set_time` (a clock that stands still unless moved; negative: the real
// one), `fake_nvml_calls`, and for the fake CUDA library `fake_nvml_uuid` and `fake_nvml_work`.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

#include "fake_nvml_state.hpp"

using namespace fake_nvml;

EXPORT void fake_nvml_set_time(double t) {
  set_time(t);
}

EXPORT long fake_nvml_calls() {
  return call_count();
}

/// Null beyond the last device.
EXPORT const char* fake_nvml_uuid(unsigned index) {
  return index < state().scenario.devices.size() ? state().scenario.devices[index].uuid.c_str()
                                                 : nullptr;
}

/// The device works for so long from now on, after what it has to do already.
EXPORT void fake_nvml_work(unsigned index, double seconds) {
  const double t = now();
  state().scenario.devices.at(index).bursts->add(t, t + seconds);
}

EXPORT int nvmlInit_v2() {
  const std::lock_guard lock(state().mutex);
  if (state().users == 0) {
    state().scenario = scenario_from_environment();
    state().begin = now();
    state().settings.assign(state().scenario.devices.size(), {});
  }
  if (const int code = fault_in(state().scenario.errors, "nvmlInit_v2", now()); code != 0) {
    return code;
  }
  ++state().users;
  return 0;
}

EXPORT int nvmlShutdown() {
  const std::lock_guard lock(state().mutex);
  if (state().users == 0) {
    return 1;
  }
  --state().users;
  return 0;
}

EXPORT int nvmlSystemGetDriverVersion(char* buffer, unsigned length) {
  const int code = enter(__func__);
  return code != 0 ? code : give_text(state().scenario.driver, buffer, length);
}

EXPORT int nvmlSystemGetNVMLVersion(char* buffer, unsigned length) {
  const int code = enter(__func__);
  return code != 0 ? code : give_text(state().scenario.nvml, buffer, length);
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  const int code = enter(__func__);
  *version = state().scenario.cuda;
  return code;
}

EXPORT int nvmlDeviceGetCount_v2(unsigned* count) {
  const int code = enter(__func__);
  if (code == 0) {
    *count = static_cast<unsigned>(state().scenario.devices.size());
  }
  return code;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) {
  if (index >= state().scenario.devices.size()) {
    return 2;
  }
  Device* device = nullptr;
  const int code = enter(__func__, handle_of(index), device);
  if (code == 0) {
    *handle = handle_of(index);
  }
  return code;
}

EXPORT int nvmlDeviceGetHandleByUUID(const char* uuid, void** handle) {
  if (const int code = enter(__func__); code != 0) {
    return code;
  }
  for (std::size_t i = 0; i < state().scenario.devices.size(); ++i) {
    const Device& device = state().scenario.devices[i];
    if (device.uuid == uuid) {
      *handle = handle_of(i);
      return 0;
    }
    for (std::size_t m = 0; m < device.mig_instances.size(); ++m) {
      if (device.mig_instances[m] == uuid) {
        *handle = handle_of(i, m + 1);
        return 0;
      }
    }
  }
  return 6;
}

EXPORT int nvmlDeviceGetName(void* handle, char* buffer, unsigned length) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  return code != 0 ? code : give_text(device->name, buffer, length);
}

EXPORT int nvmlDeviceGetUUID(void* handle, char* buffer, unsigned length) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  const std::size_t mig = reinterpret_cast<std::uintptr_t>(handle) / kMigBlock;
  return give_text(mig == 0 ? device->uuid : device->mig_instances.at(mig - 1), buffer, length);
}

EXPORT int nvmlDeviceGetVbiosVersion(void* handle, char* buffer, unsigned length) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  return code != 0 ? code : give_text(device->vbios, buffer, length);
}

struct PciInfo {
  char legacy[16];
  std::uint32_t domain, bus, slot, id, subsystem;
  char bus_id[32];
};

static_assert(sizeof(PciInfo) == 68);

EXPORT int nvmlDeviceGetPciInfo_v3(void* handle, PciInfo* info) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  *info = {};
  std::sscanf(device->pci.c_str(), "%x:%x:%x", &info->domain, &info->bus, &info->slot);
  std::snprintf(info->bus_id, sizeof info->bus_id, "%08X:%02X:%02X.0", info->domain, info->bus,
                info->slot);
  return 0;
}

// Functions that give one number of the device.
#define NUMBER(function, type, expression)            \
  EXPORT int function(void* handle, type* value) {    \
    Device* device = nullptr;                         \
    const int code = enter(__func__, handle, device); \
    if (code == 0) {                                  \
      *value = expression;                            \
    }                                                 \
    return code;                                      \
  }

NUMBER(nvmlDeviceGetArchitecture, unsigned, device->architecture)
NUMBER(nvmlDeviceGetNumGpuCores, unsigned, device->cores)
NUMBER(nvmlDeviceGetMemoryBusWidth, unsigned, device->memory_bus_bits)
NUMBER(nvmlDeviceGetPowerUsage, unsigned, milli(power_watts(*device, now(), device->draw_window_s)))
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned, milli(device->power_limit_default_w))
NUMBER(nvmlDeviceGetPersistenceMode, int, device->persistence)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, device->event_reasons)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, device->event_reasons)
NUMBER(nvmlDeviceGetComputeMode, int, device->compute_mode)
NUMBER(nvmlDeviceGetVirtualizationMode, int, device->virtualization)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, device->pcie_generation)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, unsigned, device->pcie_width)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, device->pcie_generation)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, unsigned, device->pcie_width)

EXPORT int nvmlDeviceGetTotalEnergyConsumption(void* handle, unsigned long long* millijoules) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  if (!device->counter.present) {
    return 3;
  }
  *millijoules = static_cast<unsigned long long>(
      std::llround(counter_joules(*device, now(), state().begin) * 1000));
  return 0;
}

EXPORT int nvmlDeviceGetCudaComputeCapability(void* handle, int* major, int* minor) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *major = device->compute_major;
    *minor = device->compute_minor;
  }
  return code;
}

EXPORT int nvmlDeviceGetPowerManagementLimitConstraints(void* handle, unsigned* low,
                                                        unsigned* high) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *low = milli(device->power_limit_min_w);
    *high = milli(device->power_limit_max_w);
  }
  return code;
}

EXPORT int nvmlDeviceGetTemperature(void* handle, int, unsigned* celsius) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *celsius = static_cast<unsigned>(device->temperature_celsius);
  }
  return code;
}

EXPORT int nvmlDeviceGetTemperatureThreshold(void* handle, int which, unsigned* celsius) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *celsius = which == 0 ? 95 : 90;
  }
  return code;
}

EXPORT int nvmlDeviceGetMaxClockInfo(void* handle, int type, unsigned* megahertz) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *megahertz = type == 2 ? device->clock_memory_max_mhz : device->clock_sm_max_mhz;
  }
  return code;
}

struct Memory {
  std::uint64_t total, free, used;
};

namespace {

std::uint64_t memory_used(const Device& device) {
  std::uint64_t bytes = device.memory_used_bytes;
  std::ifstream(device.memory_file) >> bytes;
  return bytes == 0 ? device.memory_used_bytes : bytes;
}

std::vector<Process> processes_on(const Device& device) {
  std::vector<Process> processes = device.processes;
  std::ifstream file(device.processes_file);
  for (Process one; file >> one.pid >> one.memory_bytes;) {
    processes.push_back(one);
  }
  return processes;
}

}  // namespace

EXPORT int nvmlDeviceGetMemoryInfo(void* handle, Memory* memory) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    // The old call counts the driver's reserve as used.
    const std::uint64_t used = memory_used(*device) + (512ULL << 20);
    *memory = {device->memory_bytes, device->memory_bytes - used, used};
  }
  return code;
}

struct MemoryV2 {
  std::uint32_t version;
  std::uint64_t total, reserved, free, used;
};

EXPORT int nvmlDeviceGetMemoryInfo_v2(void* handle, MemoryV2* memory) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  if (memory->version != 0x02000028) {
    return 25;
  }
  const std::uint64_t reserved = 512ULL << 20;
  *memory = {memory->version, device->memory_bytes, reserved,
             device->memory_bytes - reserved - memory_used(*device), memory_used(*device)};
  return 0;
}

struct Utilization {
  unsigned gpu, memory;
};

EXPORT int nvmlDeviceGetUtilizationRates(void* handle, Utilization* utilization) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  if (device->mig) {
    return 3;
  }
  *utilization = {device->utilisation_percent, device->utilisation_percent / 2};
  return 0;
}

EXPORT int nvmlDeviceGetEccMode(void* handle, int* current, int* pending) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *current = *pending = device->ecc;
  }
  return code;
}

EXPORT int nvmlDeviceGetMigMode(void* handle, unsigned* current, unsigned* pending) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code == 0) {
    *current = *pending = device->mig;
  }
  return code;
}

EXPORT int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void* handle, void** parent) {
  Device* device = nullptr;
  const int code = enter(__func__, handle, device);
  if (code != 0) {
    return code;
  }
  if (!is_mig(handle)) {
    return 2;
  }
  *parent = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(handle) % kMigBlock);
  return 0;
}

struct ProcessInfo {
  std::uint32_t pid;
  std::uint64_t memory;
  std::uint32_t gpu_instance, compute_instance;
};

namespace {

int list_processes(const char* function, const char* kind, void* handle, unsigned* count,
                   ProcessInfo* infos) {
  Device* device = nullptr;
  if (const int code = enter(function, handle, device); code != 0) {
    return code;
  }
  if (device->process_list_grows) {
    device->process_list_grows = false;
    *count = *count + 1;
    return 7;
  }
  unsigned written = 0;
  for (const Process& process : processes_on(*device)) {
    if (process.kind != kind) {
      continue;
    }
    if (written < *count && infos != nullptr) {
      infos[written] = {process.pid,
                        process.memory_bytes == 0 ? ~std::uint64_t{0} : process.memory_bytes, ~0U,
                        ~0U};
    }
    ++written;
  }
  const bool fits = written <= *count;
  *count = written;
  return fits ? 0 : 7;
}

}  // namespace

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(void* handle, unsigned* count,
                                                   ProcessInfo* infos) {
  return list_processes(__func__, "compute", handle, count, infos);
}

EXPORT int nvmlDeviceGetMPSComputeRunningProcesses_v3(void* handle, unsigned* count,
                                                      ProcessInfo* infos) {
  return list_processes(__func__, "mps", handle, count, infos);
}

EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v3(void* handle, unsigned* count,
                                                    ProcessInfo* infos) {
  return list_processes(__func__, "graphics", handle, count, infos);
}
