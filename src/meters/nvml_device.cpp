#include "meters/nvml_device.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::meters::nvml {
namespace {

constexpr unsigned kTextSize = 96;

template <class Get>
std::optional<std::string> text_of(Get&& get) {
  std::array<char, kTextSize> buffer{};
  if (get(buffer.data(), kTextSize) != kSuccess) {
    return std::nullopt;
  }
  buffer.back() = '\0';
  return base::valid_utf8(buffer.data());
}

template <class Number, class Get>
std::optional<Number> number_from(Get&& get) {
  Number value{};
  return get(&value) == kSuccess ? std::optional(value) : std::nullopt;
}

std::optional<unsigned> parse_hex(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size() && !text.empty()
             ? std::optional(value)
             : std::nullopt;
}

Gpu identify(const Api& api, Device handle, unsigned index) {
  Gpu gpu;
  gpu.handle = handle;
  gpu.index = index;
  gpu.uuid = text_of([&](char* b, unsigned n) { return api.uuid(handle, b, n); }).value_or("");
  gpu.name =
      text_of([&](char* b, unsigned n) { return api.name(handle, b, n); }).value_or("NVIDIA GPU");
  PciInfo pci{};
  if (api.pci_info(handle, &pci) == kSuccess) {
    gpu.bus_id = fmt::format("{:08X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device);
  }
  gpu.architecture = number_from<unsigned>([&](unsigned* v) {
                       return api.architecture(handle, v);
                     }).value_or(0xFFFFFFFF);
  if (api.compute_capability(handle, &gpu.compute_major, &gpu.compute_minor) != kSuccess) {
    gpu.compute_major = 0;
    gpu.compute_minor = 0;
  }
  unsigned current = 0;
  unsigned pending = 0;
  gpu.mig_enabled = api.mig_mode(handle, &current, &pending) == kSuccess && current == 1;
  return gpu;
}

}  // namespace

std::string Gpu::id() const {
  if (!uuid.empty()) {
    return "gpu:" + uuid;
  }
  return bus_id.empty() ? fmt::format("gpu:{}", index) : "gpu:" + bus_id;
}

GpuKind Gpu::kind(int driver_major) const {
  return {architecture, compute_major, compute_minor, name, driver_major};
}

Expected<GpuList> list_gpus(const Api& api) {
  GpuList list;
  if (const int code = api.device_count(&list.count); code != kSuccess) {
    return failure(ErrorKind::meter, fmt::format("cannot count the GPUs: {}", describe_code(code)),
                   std::string(code_info(code).remedy), "nvml_count");
  }
  for (unsigned i = 0; i < list.count; ++i) {
    Device handle = nullptr;
    if (const int code = api.handle_by_index(i, &handle); code != kSuccess) {
      list.refused.push_back(fmt::format("index {}: {}", i, describe_code(code)));
      list.lost = list.lost || code_info(code).fault == Fault::gone;
      continue;
    }
    list.gpus.push_back(identify(api, handle, i));
  }
  return list;
}

std::optional<std::string> normal_bus_id(std::string_view text) {
  const auto parts = base::split(text, ':');
  if (parts.size() != 2 && parts.size() != 3) {
    return std::nullopt;
  }
  const auto domain = parts.size() == 3 ? parse_hex(parts[0]) : std::optional(0U);
  const auto bus = parse_hex(parts[parts.size() - 2]);
  const auto slot = base::split(parts.back(), '.');
  const auto device = parse_hex(slot[0]);
  if (!domain || !bus || !device || slot.size() > 2 || (slot.size() == 2 && slot[1] != "0")) {
    return std::nullopt;
  }
  return fmt::format("{:08X}:{:02X}:{:02X}.0", *domain, *bus, *device);
}

Expected<std::size_t> find_gpu(std::span<const Gpu> gpus, std::string_view selector) {
  std::vector<std::size_t> found;
  const auto index = base::parse_integer(selector);
  const auto bus_id = normal_bus_id(selector);
  const std::string wanted = base::lower(selector);
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const bool fits = index    ? *index >= 0 && gpus[i].index == static_cast<std::uint64_t>(*index)
                      : bus_id ? gpus[i].bus_id == *bus_id
                               : !wanted.empty() && base::lower(gpus[i].uuid).starts_with(wanted);
    if (fits) {
      found.push_back(i);
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  std::vector<std::string> have;
  for (const Gpu& gpu : gpus) {
    have.push_back(fmt::format("{} = {} = {} ({})", gpu.index, gpu.uuid, gpu.bus_id, gpu.name));
  }
  return failure(
      ErrorKind::preflight,
      fmt::format("{} GPU is selected by `{}`", found.empty() ? "no" : "more than one", selector),
      have.empty() ? "no GPU can be opened; see `llem doctor`"
                   : "choose by index, UUID or PCI address: " + base::join(have, "; "),
      found.empty() ? "no_such_device" : "ambiguous_device");
}

Visible parse_visible_devices(const char* value) {
  Visible visible;
  if (value == nullptr) {
    return visible;
  }
  visible.limited = true;
  for (const std::string_view part : base::split(value, ',')) {
    const std::string_view selector = base::trim(part);
    const auto index = base::parse_integer(selector);
    if (selector.empty() || (index && *index < 0)) {
      break;
    }
    visible.selectors.emplace_back(selector);
  }
  return visible;
}

Expected<std::size_t> find_mig_parent(const Api& api, std::span<const Gpu> gpus,
                                      const std::string& selector) {
  Device instance = nullptr;
  Device parent = nullptr;
  int code = api.handle_by_uuid(selector.c_str(), &instance);
  if (code == kSuccess) {
    code = api.mig_parent(instance, &parent);
  }
  if (code == kSuccess) {
    const auto uuid = text_of([&](char* b, unsigned n) { return api.uuid(parent, b, n); });
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      if (gpus[i].handle == parent || (uuid && gpus[i].uuid == *uuid)) {
        return i;
      }
    }
    code = kNoPermission;
  }
  return failure(
      ErrorKind::preflight,
      fmt::format("cannot find the GPU of MIG instance `{}`: {}", selector, describe_code(code)),
      "list the instances with `nvidia-smi -L`", "no_such_device");
}

std::optional<std::string> driver_version(const Api& api) {
  return text_of([&](char* b, unsigned n) { return api.driver_version(b, n); });
}

}  // namespace llem::meters::nvml
