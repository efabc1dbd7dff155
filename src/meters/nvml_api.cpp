#include "meters/nvml_api.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "sys/host.hpp"

namespace llem::meters::nvml {
namespace {

constexpr std::string_view kMatchDriver =
    "make the library match the loaded kernel module: reboot after a driver update; in a "
    "container, start it with the "
    "NVIDIA runtime and NVIDIA_DRIVER_CAPABILITIES=compute,utility";
constexpr std::string_view kReset =
    "look at `dmesg | grep -i xid`, then reset the GPU (`nvidia-smi -r`) or reboot";
constexpr std::string_view kCgroup =
    "run as root, or let this user, container or job use the device (docker --gpus, Slurm --gres)";

constexpr std::array kCodes{
    CodeInfo{0, "SUCCESS", Fault::none, "success", ""},
    CodeInfo{1, "UNINITIALIZED", Fault::gone, "the library was shut down", ""},
    CodeInfo{2, "INVALID_ARGUMENT", Fault::absent,
             "the call or its scope is not known for this device", ""},
    CodeInfo{3, "NOT_SUPPORTED", Fault::absent, "this device does not offer it", ""},
    CodeInfo{4, "NO_PERMISSION", Fault::absent, "not permitted for this user", kCgroup},
    CodeInfo{5, "ALREADY_INITIALIZED", Fault::none, "already initialised", ""},
    CodeInfo{6, "NOT_FOUND", Fault::absent, "not found", ""},
    CodeInfo{7, "INSUFFICIENT_SIZE", Fault::transient, "the buffer is too small", ""},
    CodeInfo{8, "INSUFFICIENT_POWER", Fault::absent,
             "an external power cable is not attached properly", "attach the GPU's power cables"},
    CodeInfo{9, "DRIVER_NOT_LOADED", Fault::gone, "the NVIDIA kernel driver is not loaded",
             "load it: `modprobe nvidia`, and see `dmesg` when that fails"},
    CodeInfo{10, "TIMEOUT", Fault::transient, "the device did not answer in time", ""},
    CodeInfo{11, "IRQ_ISSUE", Fault::absent, "the kernel has trouble with the GPU's interrupts",
             "look at `dmesg | grep -i nvrm`"},
    CodeInfo{12, "LIBRARY_NOT_FOUND", Fault::absent, "a library of the driver is missing",
             kMatchDriver},
    CodeInfo{13, "FUNCTION_NOT_FOUND", Fault::absent, "the installed driver is too old to offer it",
             "install a newer NVIDIA driver"},
    CodeInfo{14, "CORRUPTED_INFOROM", Fault::absent, "the GPU's information memory is corrupted",
             kReset},
    CodeInfo{15, "GPU_IS_LOST", Fault::gone, "the GPU has fallen off the bus", kReset},
    CodeInfo{16, "RESET_REQUIRED", Fault::gone, "the GPU must be reset", kReset},
    CodeInfo{17, "OPERATING_SYSTEM", Fault::absent,
             "the operating system or a control group blocks the device", kCgroup},
    CodeInfo{18, "LIB_RM_VERSION_MISMATCH", Fault::gone,
             "library and kernel driver differ in version", kMatchDriver},
    CodeInfo{19, "IN_USE", Fault::transient, "in use", ""},
    CodeInfo{20, "MEMORY", Fault::transient, "out of memory", ""},
    CodeInfo{21, "NO_DATA", Fault::transient, "no data yet", ""},
    CodeInfo{22, "VGPU_ECC_NOT_SUPPORTED", Fault::absent, "not available with ECC on a virtual GPU",
             ""},
    CodeInfo{23, "INSUFFICIENT_RESOURCES", Fault::transient,
             "a resource other than memory is short", ""},
    CodeInfo{24, "FREQ_NOT_SUPPORTED", Fault::absent, "the clock frequency is not supported", ""},
    CodeInfo{25, "ARGUMENT_VERSION_MISMATCH", Fault::absent,
             "the driver does not know this version of the call", ""},
    CodeInfo{26, "DEPRECATED", Fault::absent, "the call has been withdrawn", ""},
    CodeInfo{27, "NOT_READY", Fault::transient, "not ready", ""},
    CodeInfo{28, "GPU_NOT_FOUND", Fault::absent, "no such GPU", ""},
    CodeInfo{29, "INVALID_STATE", Fault::transient, "not possible in the present state", ""},
    CodeInfo{30, "RESET_TYPE_NOT_SUPPORTED", Fault::absent, "this kind of reset is not supported",
             ""},
    CodeInfo{999, "UNKNOWN", Fault::transient, "an error inside the driver", kReset},
};

template <class To>
To low_bits(std::uint64_t bits) {
  // The union's narrow members lie at its start: the low bytes on a little-endian machine.
  static_assert(std::endian::native == std::endian::little);
  return static_cast<To>(bits);
}

}  // namespace

const CodeInfo& code_info(int code) {
  const auto* found =
      std::ranges::find_if(kCodes, [code](const CodeInfo& info) { return info.code == code; });
  return found != kCodes.end() ? *found : kCodes.back();
}

std::string describe_code(int code) {
  const CodeInfo& info = code_info(code);
  return fmt::format("{} (NVML {}, {})", info.meaning, code, info.name);
}

std::optional<double> number_of(const FieldValue& value) noexcept {
  if (value.code != kSuccess) {
    return std::nullopt;
  }
  switch (value.value_type) {
    case 0:
      return std::bit_cast<double>(value.bits);
    case 1:
      return low_bits<std::uint32_t>(value.bits);
    case 2:
    case 3:
      return static_cast<double>(value.bits);
    case 4:
      return static_cast<double>(low_bits<std::int64_t>(value.bits));
    case 5:
      return low_bits<std::int32_t>(value.bits);
    case 6:
      return low_bits<std::uint16_t>(value.bits);
    default:
      return std::nullopt;
  }
}

std::vector<std::string> library_names() {
  if (auto library = sys::environment("LLEM_NVML_LIBRARY")) {
    return {*std::move(library)};
  }
  return {"libnvidia-ml.so.1", "libnvidia-ml.so"};
}

// A C header maps unversioned names to the newest version by macros; looking symbols up, the
// version must be named.
Api::Api(sys::DynamicLibrary library)
    : library_(std::move(library)),
      init(library_, "nvmlInit_v2"),
      shutdown(library_, "nvmlShutdown"),
      driver_version(library_, "nvmlSystemGetDriverVersion"),
      nvml_version(library_, "nvmlSystemGetNVMLVersion"),
      cuda_driver_version(library_, "nvmlSystemGetCudaDriverVersion_v2"),
      device_count(library_, "nvmlDeviceGetCount_v2"),
      handle_by_index(library_, "nvmlDeviceGetHandleByIndex_v2"),
      handle_by_uuid(library_, "nvmlDeviceGetHandleByUUID"),
      name(library_, "nvmlDeviceGetName"),
      uuid(library_, "nvmlDeviceGetUUID"),
      vbios_version(library_, "nvmlDeviceGetVbiosVersion"),
      pci_info(library_, "nvmlDeviceGetPciInfo_v3"),
      architecture(library_, "nvmlDeviceGetArchitecture"),
      compute_capability(library_, "nvmlDeviceGetCudaComputeCapability"),
      cores(library_, "nvmlDeviceGetNumGpuCores"),
      memory_bus_width(library_, "nvmlDeviceGetMemoryBusWidth"),
      total_energy(library_, "nvmlDeviceGetTotalEnergyConsumption"),
      power_usage(library_, "nvmlDeviceGetPowerUsage"),
      field_values(library_, "nvmlDeviceGetFieldValues"),
      power_limit(library_, "nvmlDeviceGetPowerManagementLimit"),
      power_default_limit(library_, "nvmlDeviceGetPowerManagementDefaultLimit"),
      power_limit_range(library_, "nvmlDeviceGetPowerManagementLimitConstraints"),
      enforced_power_limit(library_, "nvmlDeviceGetEnforcedPowerLimit"),
      persistence_mode(library_, "nvmlDeviceGetPersistenceMode"),
      temperature(library_, "nvmlDeviceGetTemperature"),
      temperature_versioned(library_, "nvmlDeviceGetTemperatureV"),
      temperature_threshold(library_, "nvmlDeviceGetTemperatureThreshold"),
      clock(library_, "nvmlDeviceGetClockInfo"),
      max_clock(library_, "nvmlDeviceGetMaxClockInfo"),
      event_reasons(library_, "nvmlDeviceGetCurrentClocksEventReasons"),
      throttle_reasons(library_, "nvmlDeviceGetCurrentClocksThrottleReasons"),
      memory(library_, "nvmlDeviceGetMemoryInfo"),
      memory_v2(library_, "nvmlDeviceGetMemoryInfo_v2"),
      utilization(library_, "nvmlDeviceGetUtilizationRates"),
      ecc_mode(library_, "nvmlDeviceGetEccMode"),
      compute_mode(library_, "nvmlDeviceGetComputeMode"),
      virtualization_mode(library_, "nvmlDeviceGetVirtualizationMode"),
      compute_processes(library_, "nvmlDeviceGetComputeRunningProcesses_v3"),
      mps_processes(library_, "nvmlDeviceGetMPSComputeRunningProcesses_v3"),
      graphics_processes(library_, "nvmlDeviceGetGraphicsRunningProcesses_v3"),
      mig_mode(library_, "nvmlDeviceGetMigMode"),
      mig_parent(library_, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle"),
      pcie_generation(library_, "nvmlDeviceGetCurrPcieLinkGeneration"),
      pcie_width(library_, "nvmlDeviceGetCurrPcieLinkWidth"),
      pcie_max_generation(library_, "nvmlDeviceGetMaxPcieLinkGeneration"),
      pcie_max_width(library_, "nvmlDeviceGetMaxPcieLinkWidth"),
      set_power_limit(library_, "nvmlDeviceSetPowerManagementLimit"),
      lock_sm_clocks(library_, "nvmlDeviceSetGpuLockedClocks"),
      reset_sm_clocks(library_, "nvmlDeviceResetGpuLockedClocks"),
      lock_memory_clocks(library_, "nvmlDeviceSetMemoryLockedClocks"),
      reset_memory_clocks(library_, "nvmlDeviceResetMemoryLockedClocks"),
      supported_memory_clocks(library_, "nvmlDeviceGetSupportedMemoryClocks"),
      supported_sm_clocks(library_, "nvmlDeviceGetSupportedGraphicsClocks") {}

Api::~Api() {
  if (initialised_) {
    shutdown();
  }
}

Expected<std::shared_ptr<const Api>> Api::open(const std::vector<std::string>& names) {
  auto library = sys::DynamicLibrary::open(names);
  if (!library) {
    Error error = std::move(library).error();
    return failure(ErrorKind::meter, std::move(error.message),
                   "install the NVIDIA driver; in a container, start it with `--gpus all` and "
                   "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
                   "nvml_missing");
  }
  // The constructor is private, so no make_shared.
  std::shared_ptr<Api> api(new Api(*std::move(library)));
  if (const int code = api->init(); code != kSuccess) {
    return failure(
        ErrorKind::meter,
        fmt::format("cannot start NVML from `{}`: {}", api->library_name(), describe_code(code)),
        std::string(code_info(code).remedy), "nvml_init");
  }
  api->initialised_ = true;
  return api;
}

}  // namespace llem::meters::nvml
