#pragma once

// Owns: the NVIDIA Management Library as far as it is used here, declared by hand: nothing of it is
// needed to build. Layouts and numbers are those of NVML header 13 on x86-64. The symbols are
// looked up at run time; one that is missing is a missing capability of an old driver, so a call
// through it answers `function_not_found` instead of crashing.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/library.hpp"

namespace llem::meters::nvml {

struct DeviceHandle;
using Device = DeviceHandle*;

/// The nvmlReturn_t values that code asks for by name; code_info() knows all of header 13.
enum Code : int {
  kSuccess = 0,
  kNotSupported = 3,
  kNoPermission = 4,
  kInsufficientSize = 7,
  kFunctionNotFound = 13,
  kGpuIsLost = 15,
  kUnknown = 999,
};

/// What a failing call means for a capability: never there, not now, or the device has gone.
enum class Fault { none, absent, transient, gone };

struct CodeInfo {
  int code;
  std::string_view name;
  Fault fault;
  std::string_view meaning;
  std::string_view remedy;  // what the user can do; empty when nothing
};

/// The entry of `code`; that of UNKNOWN for a number no header knows.
const CodeInfo& code_info(int code);
/// "the GPU is lost (NVML 15, GPU_IS_LOST)"
std::string describe_code(int code);

/// Identifiers for GetFieldValues.
enum Field : std::uint32_t {
  kFieldThrottlePower = 74,
  kFieldMemoryTemperature = 82,
  kFieldTotalEnergy = 83,
  kFieldPowerAverage = 185,
  kFieldPowerInstant = 186,
  kFieldEnergy = 191,
  kFieldThrottleSwThermal = 269,
  kFieldThrottleHwThermal = 270,
  kFieldThrottleBrake = 271,
};

constexpr std::uint32_t kScopeGpu = 0;
constexpr std::uint32_t kScopeModule = 1;

struct FieldValue {
  std::uint32_t field;
  std::uint32_t scope;
  std::int64_t timestamp_us;  // wall clock of the driver: kept out of every computation
  std::int64_t latency_us;
  std::int32_t value_type;
  std::int32_t code;
  std::uint64_t bits;  // a union in NVML
};

static_assert(sizeof(FieldValue) == 40);
static_assert(offsetof(FieldValue, scope) == 4 && offsetof(FieldValue, timestamp_us) == 8);
static_assert(offsetof(FieldValue, latency_us) == 16 && offsetof(FieldValue, value_type) == 24);
static_assert(offsetof(FieldValue, code) == 28 && offsetof(FieldValue, bits) == 32);

/// The entry's number by its own value type; nothing when its own code is a failure or the type is
/// unknown.
std::optional<double> number_of(const FieldValue& value) noexcept;

struct MemoryV1 {
  std::uint64_t total;
  std::uint64_t free;
  std::uint64_t used;
};

static_assert(sizeof(MemoryV1) == 24 && offsetof(MemoryV1, used) == 16);

struct MemoryV2 {
  std::uint32_t version;
  std::uint64_t total;
  std::uint64_t reserved;
  std::uint64_t free;
  std::uint64_t used;
};

static_assert(sizeof(MemoryV2) == 40 && offsetof(MemoryV2, total) == 8 &&
              offsetof(MemoryV2, used) == 32);
constexpr std::uint32_t kMemoryV2Version = 0x02000028;

struct Utilization {
  std::uint32_t gpu;
  std::uint32_t memory;
};

static_assert(sizeof(Utilization) == 8);

struct PciInfo {
  char bus_id_legacy[16];
  std::uint32_t domain;
  std::uint32_t bus;
  std::uint32_t device;
  std::uint32_t pci_device_id;
  std::uint32_t pci_subsystem_id;
  char bus_id[32];
};

static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, domain) == 16 &&
              offsetof(PciInfo, bus_id) == 36);

struct ProcessInfo {
  std::uint32_t pid;
  std::uint64_t used_memory;  // all ones: not available
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
};

static_assert(sizeof(ProcessInfo) == 24 && offsetof(ProcessInfo, used_memory) == 8 &&
              offsetof(ProcessInfo, compute_instance) == 20);

struct TemperatureV1 {
  std::uint32_t version;
  std::int32_t sensor;
  std::int32_t celsius;
};

static_assert(sizeof(TemperatureV1) == 12 && offsetof(TemperatureV1, celsius) == 8);
constexpr std::uint32_t kTemperatureV1Version = 0x0100000C;

template <class Signature>
class Call;

/// A function of the library, or nothing.
template <class... Arguments>
class Call<int(Arguments...)> {
 public:
  Call(const sys::DynamicLibrary& library, const char* name)
      : function_(library.symbol<int(Arguments...)>(name)) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }

  int operator()(Arguments... arguments) const noexcept {
    return function_ == nullptr ? kFunctionNotFound : function_(arguments...);
  }

 private:
  int (*function_)(Arguments...);
};

/// An initialised library; shut down on destruction. NVML counts initialisations, so several may
/// live at once.
class Api {
 public:
  /// `names`: the libraries to try in order.
  static Expected<std::shared_ptr<const Api>> open(const std::vector<std::string>& names);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  const std::string& library_name() const { return library_.name(); }

 private:
  explicit Api(sys::DynamicLibrary library);
  sys::DynamicLibrary library_;  // before the calls, which are looked up in it
  bool initialised_ = false;

 public:
  using Text = int(char*, unsigned);
  using DeviceText = int(Device, char*, unsigned);
  using DeviceNumber = int(Device, unsigned*);
  using DeviceInt = int(Device, int*);
  using DeviceMask = int(Device, unsigned long long*);
  using DeviceClock = int(Device, int, unsigned*);
  using Processes = int(Device, unsigned*, ProcessInfo*);
  using LockClocks = int(Device, unsigned, unsigned);
  using ResetClocks = int(Device);

  Call<int()> init;
  Call<int()> shutdown;
  Call<Text> driver_version;
  Call<Text> nvml_version;
  Call<int(int*)> cuda_driver_version;
  Call<int(unsigned*)> device_count;
  Call<int(unsigned, Device*)> handle_by_index;
  Call<int(const char*, Device*)> handle_by_uuid;
  Call<DeviceText> name;
  Call<DeviceText> uuid;
  Call<DeviceText> vbios_version;
  Call<int(Device, PciInfo*)> pci_info;
  Call<DeviceNumber> architecture;
  Call<int(Device, int*, int*)> compute_capability;
  Call<DeviceNumber> cores;
  Call<DeviceNumber> memory_bus_width;
  Call<DeviceMask> total_energy;
  Call<DeviceNumber> power_usage;
  Call<int(Device, int, FieldValue*)> field_values;
  Call<DeviceNumber> power_limit;
  Call<DeviceNumber> power_default_limit;
  Call<int(Device, unsigned*, unsigned*)> power_limit_range;
  Call<DeviceNumber> enforced_power_limit;
  Call<DeviceInt> persistence_mode;
  Call<DeviceClock> temperature;
  Call<int(Device, TemperatureV1*)> temperature_versioned;
  Call<DeviceClock> temperature_threshold;
  Call<DeviceClock> clock;
  Call<DeviceClock> max_clock;
  Call<DeviceMask> event_reasons;
  Call<DeviceMask> throttle_reasons;
  Call<int(Device, MemoryV1*)> memory;
  Call<int(Device, MemoryV2*)> memory_v2;
  Call<int(Device, Utilization*)> utilization;
  Call<int(Device, int*, int*)> ecc_mode;
  Call<DeviceInt> compute_mode;
  Call<DeviceInt> virtualization_mode;
  Call<Processes> compute_processes;
  Call<Processes> mps_processes;
  Call<Processes> graphics_processes;
  Call<int(Device, unsigned*, unsigned*)> mig_mode;
  Call<int(Device, Device*)> mig_parent;
  Call<DeviceNumber> pcie_generation;
  Call<DeviceNumber> pcie_width;
  Call<DeviceNumber> pcie_max_generation;
  Call<DeviceNumber> pcie_max_width;

  // These need the rights of root. Limits in mW, clocks in MHz as lowest and highest.
  Call<int(Device, unsigned)> set_power_limit;
  Call<LockClocks> lock_sm_clocks;
  Call<ResetClocks> reset_sm_clocks;
  Call<LockClocks> lock_memory_clocks;
  Call<ResetClocks> reset_memory_clocks;
  // Lists of MHz, asked for by size first; that of the SM clocks belongs to one memory clock.
  Call<int(Device, unsigned*, unsigned*)> supported_memory_clocks;
  Call<int(Device, unsigned, unsigned*, unsigned*)> supported_sm_clocks;
};

/// $LLEM_NVML_LIBRARY alone when set, else the names under which drivers install it.
std::vector<std::string> library_names();

}  // namespace llem::meters::nvml
