#pragma once

// Owns: which GPUs are meant, and what stays the same about one while it is measured.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "domain/recording.hpp"
#include "meters/nvml_api.hpp"
#include "meters/nvml_sensor.hpp"

namespace llem::meters::nvml {

struct Gpu {
  Device handle = nullptr;
  unsigned index = 0;  // NVML's, which is PCI order; not CUDA's
  std::string uuid;
  std::string bus_id;  // "00000000:3B:00.0"
  std::string name;
  unsigned architecture = 0xFFFFFFFF;
  int compute_major = 0;
  int compute_minor = 0;
  bool mig_enabled = false;

  /// "gpu:GPU-5c1a…"; by PCI address or index where the driver keeps the UUID to itself.
  std::string id() const;
  GpuKind kind(int driver_major) const;
};

struct GpuList {
  std::vector<Gpu> gpus;
  unsigned count = 0;  // as the driver says; more than it lets us open, in a container
  std::vector<std::string>
      refused;        // "index 1: not permitted for this user (NVML 4, NO_PERMISSION)"
  bool lost = false;  // some refusal means a broken device or driver
};

/// Every GPU whose handle the driver hands out.
Expected<GpuList> list_gpus(const Api& api);

/// "3b:00.0", "0000:3b:00.0" and "00000000:3B:00.0" as one spelling; nothing when it is no PCI
/// address.
std::optional<std::string> normal_bus_id(std::string_view text);

/// The GPU a selector means: a UUID or a beginning of one, a PCI address, or an index.
Expected<std::size_t> find_gpu(std::span<const Gpu> gpus, std::string_view selector);

/// What CUDA_VISIBLE_DEVICES lets a process use. As in CUDA, the list ends at its first entry that
/// is no device.
struct Visible {
  bool limited = false;  // the variable is set
  std::vector<std::string> selectors;
};

Visible parse_visible_devices(const char* value);

/// The physical GPU of a MIG instance's UUID.
Expected<std::size_t> find_mig_parent(const Api& api, std::span<const Gpu> gpus,
                                      const std::string& selector);

/// Identity, limits, modes, clocks and running processes, read once. What the driver does not tell
/// is left out.
base::Json read_facts(const Api& api, const Gpu& gpu);

/// On the device now; nothing when the driver lists none for lack of a right or of support.
std::optional<std::vector<domain::DeviceProcess>> list_processes(const Api& api, const Gpu& gpu);

/// "550.54.15"; nothing when the call fails.
std::optional<std::string> driver_version(const Api& api);

}  // namespace llem::meters::nvml
