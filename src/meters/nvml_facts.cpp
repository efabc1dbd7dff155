#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "meters/nvml_device.hpp"
#include "meters/opened.hpp"

namespace llem::meters::nvml {
namespace {

using base::Json;

constexpr unsigned kTextSize = 96;

struct Facts {
  Json json = Json::object();

  template <class Get>
  void text(std::string_view key, Get&& get) {
    std::array<char, kTextSize> buffer{};
    if (get(buffer.data(), kTextSize) == kSuccess) {
      buffer.back() = '\0';
      json[key] = base::valid_utf8(buffer.data());
    }
  }

  template <class Number, class Get>
  void number(std::string_view key, Get&& get, double scale = 1) {
    Number value{};
    if (get(&value) == kSuccess) {
      if (scale == 1) {
        json[key] = static_cast<std::int64_t>(value);
      } else {
        json[key] = static_cast<double>(value) * scale;
      }
    }
  }

  template <class Get>
  void flag(std::string_view key, Get&& get) {
    int value = 0;
    if (get(&value) == kSuccess) {
      json[key] = value != 0;
    }
  }
};

constexpr double kMilli = 1e-3;
constexpr double kMega = 1e6;

/// The lists grow between two calls, so the size is asked for again a few times. False when the
/// driver lists none of this kind.
bool add_processes(std::vector<domain::DeviceProcess>& list, const Call<Api::Processes>& call,
                   const Gpu& gpu, std::string_view kind) {
  std::vector<ProcessInfo> processes(16);
  for (int attempt = 0; attempt < 5; ++attempt) {
    auto count = static_cast<unsigned>(processes.size());
    const int code = call(gpu.handle, &count, processes.data());
    if (code == kInsufficientSize) {
      // Bounded: a driver that asks for more has gone mad.
      processes.resize(
          std::min<std::size_t>(std::max<std::size_t>(count, processes.size()) + 16, 65536));
      continue;
    }
    if (code != kSuccess) {
      return false;
    }
    processes.resize(std::min<std::size_t>(count, processes.size()));
    for (const ProcessInfo& info : processes) {
      domain::DeviceProcess process;
      process.t_ns = now_ns();
      process.device = gpu.id();
      process.pid = info.pid;
      process.kind = kind;
      if (info.used_memory != ~std::uint64_t{0}) {
        process.memory_bytes = static_cast<std::int64_t>(info.used_memory);
      }
      list.push_back(std::move(process));
    }
    return true;
  }
  return false;
}

void add_power(Facts& facts, const Api& api, Device h) {
  facts.number<unsigned>(
      "power_limit_w", [&](unsigned* v) { return api.power_limit(h, v); }, kMilli);
  facts.number<unsigned>(
      "power_limit_enforced_w", [&](unsigned* v) { return api.enforced_power_limit(h, v); },
      kMilli);
  facts.number<unsigned>(
      "power_limit_default_w", [&](unsigned* v) { return api.power_default_limit(h, v); }, kMilli);
  unsigned low = 0;
  unsigned high = 0;
  if (api.power_limit_range(h, &low, &high) == kSuccess) {
    facts.json["power_limit_min_w"] = low * kMilli;
    facts.json["power_limit_max_w"] = high * kMilli;
  }
}

void add_modes(Facts& facts, const Api& api, Device h) {
  facts.flag("persistence_mode", [&](int* v) { return api.persistence_mode(h, v); });
  facts.flag("ecc", [&](int* v) {
    int pending = 0;
    return api.ecc_mode(h, v, &pending);
  });
  facts.flag("mig", [&](int* v) {
    unsigned current = 0;
    unsigned pending = 0;
    const int code = api.mig_mode(h, &current, &pending);
    *v = current == 1 ? 1 : 0;
    return code;
  });
  constexpr std::array<const char*, 4> kCompute{"default", "exclusive_thread", "prohibited",
                                                "exclusive_process"};
  constexpr std::array<const char*, 5> kVirtual{"none", "passthrough", "vgpu_guest", "vgpu_host",
                                                "vsga_host"};
  int mode = 0;
  if (api.compute_mode(h, &mode) == kSuccess && mode >= 0 &&
      mode < static_cast<int>(kCompute.size())) {
    facts.json["compute_mode"] = kCompute[static_cast<std::size_t>(mode)];
  }
  if (api.virtualization_mode(h, &mode) == kSuccess && mode >= 0 &&
      mode < static_cast<int>(kVirtual.size())) {
    facts.json["virtualization"] = kVirtual[static_cast<std::size_t>(mode)];
  }
}

}  // namespace

Json read_facts(const Api& api, const Gpu& gpu) {
  const Device h = gpu.handle;
  Facts facts;
  Json& json = facts.json;
  json["index"] = static_cast<std::int64_t>(gpu.index);
  if (!gpu.uuid.empty()) {
    json["uuid"] = gpu.uuid;
  }
  if (!gpu.bus_id.empty()) {
    json["pci_bus_id"] = gpu.bus_id;
  }
  if (gpu.architecture != 0xFFFFFFFF) {
    json["architecture"] = architecture_name(gpu.architecture);
  }
  if (gpu.compute_major > 0) {
    json["compute_capability"] =
        std::to_string(gpu.compute_major) + "." + std::to_string(gpu.compute_minor);
  }
  facts.text("driver_version", [&](char* b, unsigned n) { return api.driver_version(b, n); });
  facts.text("nvml_version", [&](char* b, unsigned n) { return api.nvml_version(b, n); });
  int cuda = 0;
  if (api.cuda_driver_version(&cuda) == kSuccess) {
    json["cuda_driver_version"] =
        std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  }
  facts.text("vbios_version", [&](char* b, unsigned n) { return api.vbios_version(h, b, n); });
  facts.number<unsigned>("cores", [&](unsigned* v) { return api.cores(h, v); });
  facts.number<unsigned>("memory_bus_bits",
                         [&](unsigned* v) { return api.memory_bus_width(h, v); });
  MemoryV1 memory{};
  if (api.memory(h, &memory) == kSuccess) {
    json["memory_total_bytes"] = static_cast<std::int64_t>(memory.total);
  }
  add_power(facts, api, h);
  facts.number<unsigned>(
      "clock_sm_max_hz", [&](unsigned* v) { return api.max_clock(h, 1, v); }, kMega);
  facts.number<unsigned>(
      "clock_memory_max_hz", [&](unsigned* v) { return api.max_clock(h, 2, v); }, kMega);
  facts.number<unsigned>("temperature_slowdown_celsius",
                         [&](unsigned* v) { return api.temperature_threshold(h, 1, v); });
  add_modes(facts, api, h);
  facts.number<unsigned>("pcie_generation", [&](unsigned* v) { return api.pcie_generation(h, v); });
  facts.number<unsigned>("pcie_generation_max",
                         [&](unsigned* v) { return api.pcie_max_generation(h, v); });
  facts.number<unsigned>("pcie_width", [&](unsigned* v) { return api.pcie_width(h, v); });
  facts.number<unsigned>("pcie_width_max", [&](unsigned* v) { return api.pcie_max_width(h, v); });
  if (const auto processes = list_processes(api, gpu)) {
    Json list = Json::array();
    for (const domain::DeviceProcess& process : *processes) {
      Json entry = Json::object({{"pid", process.pid}, {"kind", process.kind}});
      if (process.memory_bytes) {
        entry["memory_bytes"] = *process.memory_bytes;
      }
      list.push_back(std::move(entry));
    }
    json["processes"] = std::move(list);
  }
  return json;
}

std::optional<std::vector<domain::DeviceProcess>> list_processes(const Api& api, const Gpu& gpu) {
  std::vector<domain::DeviceProcess> list;
  bool told = add_processes(list, api.compute_processes, gpu, "compute");
  told = add_processes(list, api.mps_processes, gpu, "mps") || told;
  told = add_processes(list, api.graphics_processes, gpu, "graphics") || told;
  return told ? std::optional(std::move(list)) : std::nullopt;
}

}  // namespace llem::meters::nvml
