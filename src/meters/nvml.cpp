#include "meters/nvml.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "meters/calibrations.hpp"

namespace llem::meters {
namespace {

using nvml::Api;
using nvml::Gpu;

MeterFinding finding(std::string state, std::string detail, std::string accuracy, std::string fix) {
  return {"nvml", std::move(state), std::move(detail), std::move(accuracy), std::move(fix)};
}

constexpr std::string_view kWithout =
    "without it the energy of what runs on a GPU is unknown: it is never estimated";

Opened missing(const Error& error) {
  Opened opened;
  opened.findings.push_back(finding("missing", error.message, std::string(kWithout), error.hint));
  return opened;
}

struct Selection {
  std::vector<std::size_t> gpus;
  std::vector<MeterFinding> notes;
};

void add_once(std::vector<std::size_t>& list, std::size_t gpu) {
  if (std::ranges::find(list, gpu) == list.end()) {
    list.push_back(gpu);
  }
}

Expected<std::size_t> find_selected(const Api& api, std::span<const Gpu> gpus,
                                    const std::string& selector, Selection& selection) {
  if (!selector.starts_with("MIG-")) {
    return nvml::find_gpu(gpus, selector);
  }
  LLEM_ASSIGN(const std::size_t parent, nvml::find_mig_parent(api, gpus, selector));
  selection.notes.push_back(finding(
      "degraded",
      fmt::format("MIG instance `{}` is measured by its whole GPU {}", selector, gpus[parent].uuid),
      "energy exists for the whole GPU only: exact when no other instance works, else an upper "
      "limit",
      "leave the other instances idle, or disable MIG: `nvidia-smi -i <gpu> -mig 0`"));
  return parent;
}

/// CUDA numbers devices fastest first unless told otherwise, NVML by PCI address: with unlike GPUs
/// an index in CUDA_VISIBLE_DEVICES may mean another device here.
bool order_is_ambiguous(std::span<const Gpu> gpus, std::span<const std::string> selectors) {
  const char* order = std::getenv("CUDA_DEVICE_ORDER");
  const bool by_index = std::ranges::any_of(selectors, [](const std::string& selector) {
    return base::parse_integer(selector).has_value();
  });
  return by_index && (order == nullptr || std::string_view(order) != "PCI_BUS_ID") &&
         std::ranges::any_of(gpus, [&](const Gpu& gpu) { return gpu.name != gpus.front().name; });
}

/// The devices named by the user, else those CUDA may use. A wrong name of the user's is an error;
/// CUDA ignores a wrong entry and all after it, and so does this.
Expected<Selection> select_gpus(const Api& api, std::span<const Gpu> gpus,
                                const std::vector<std::string>& named) {
  Selection selection;
  if (!named.empty()) {
    for (const std::string& selector : named) {
      LLEM_ASSIGN(const std::size_t gpu, find_selected(api, gpus, selector, selection));
      add_once(selection.gpus, gpu);
    }
    return selection;
  }
  const nvml::Visible visible = nvml::parse_visible_devices(std::getenv("CUDA_VISIBLE_DEVICES"));
  if (!visible.limited) {
    for (std::size_t i = 0; i < gpus.size(); ++i) {
      selection.gpus.push_back(i);
    }
    return selection;
  }
  for (const std::string& selector : visible.selectors) {
    const auto gpu = find_selected(api, gpus, selector, selection);
    if (!gpu) {
      selection.notes.push_back(
          finding("degraded", "CUDA_VISIBLE_DEVICES: " + gpu.error().message,
                  "CUDA ignores this entry and all after it; so does the measurement",
                  "correct CUDA_VISIBLE_DEVICES"));
      break;
    }
    add_once(selection.gpus, *gpu);
  }
  if (order_is_ambiguous(gpus, visible.selectors)) {
    selection.notes.push_back(
        finding("degraded", "CUDA_VISIBLE_DEVICES selects by index among different GPU models",
                "CUDA may mean another device than the one measured",
                "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the devices by UUID"));
  }
  return selection;
}

/// "energy counter, every 0.1 s" and how good that is, of one device's fast meter.
struct Quality {
  std::string state = "ok";
  std::string sources;
  std::string accuracy;
  std::string fix;
};

Quality quality_of(std::span<const domain::Channel> channels) {
  Quality quality;
  const domain::Channel* best = nullptr;
  std::vector<std::string> sources;
  for (const domain::Channel& channel : channels) {
    const auto word = domain::words(channel.signal)[static_cast<std::size_t>(channel.signal)];
    sources.push_back(
        fmt::format("{}{}", word, channel.scope == domain::Scope::module ? " (module)" : ""));
    if (best == nullptr) {
      best = &channel;
    }
  }
  quality.sources = base::join(sources, ", ");
  if (best == nullptr) {
    return {"missing", "neither energy nor power", std::string(kWithout),
            "use a bare-metal or pass-through GPU: virtual GPUs report no power"};
  }
  const std::string gain = base::significant(best->gain_u_ratio.value_or(0.05) * 200, 2);
  if (best->signal == domain::Signal::energy) {
    quality.accuracy = fmt::format("hardware energy counter; systematic ±{} % (k = 2)", gain);
  } else {
    quality.state = "degraded";
    quality.accuracy = fmt::format(
        "no energy counter: sampled power is integrated; systematic ±{} % (k = 2)", gain);
    quality.fix =
        "a counter exists from the Volta generation on; update the driver when the GPU is newer";
  }
  if (best->scope == domain::Scope::module) {
    quality.state = "degraded";
    quality.accuracy +=
        "; the number covers CPU, memory and GPU of the module and is not added to CPU energy";
  }
  return quality;
}

Error refused_by_driver(const nvml::GpuList& list) {
  Error error;
  error.kind = ErrorKind::meter;
  error.message = list.count == 0 ? "the driver knows no GPU"
                                  : "no GPU can be opened: " + base::join(list.refused, "; ");
  error.hint = list.lost
                   ? "reset the GPU (`nvidia-smi -r`) or reboot"
                   : "let this user, container or job use the GPUs (docker --gpus, Slurm --gres)";
  return error;
}

domain::Device describe_device(const Api& api, const Gpu& gpu,
                               std::span<const domain::Channel> channels, bool used) {
  domain::Device device{gpu.id(), gpu.name, "gpu", used, nvml::read_facts(api, gpu)};
  base::Json signals = base::Json::array();
  for (const domain::Channel& channel : channels) {
    signals.push_back(domain::words(channel.signal)[static_cast<std::size_t>(channel.signal)]);
  }
  device.facts["sensors"] = std::move(signals);
  return device;
}

/// Opens one selected GPU into `opened`, with its finding.
Expected<void> open_gpu(const std::shared_ptr<const Api>& api, const Gpu& gpu,
                        const std::string& driver, bool used, Opened& opened) {
  const auto calibration = kept_calibration(gpu.id(), driver);
  const int driver_major = std::atoi(driver.c_str());
  LLEM_ASSIGN(auto fast, nvml::open_fast_meter(api, gpu, driver_major, calibration));
  LLEM_ASSIGN(auto slow, nvml::open_slow_meter(api, gpu));
  const Quality quality = quality_of(fast->channels());
  opened.findings.push_back(
      finding(quality.state,
              fmt::format("{} {}: {}{}", gpu.name, gpu.id().substr(4), quality.sources,
                          calibration ? ", calibrated " + calibration->made_utc.substr(0, 10) : ""),
              quality.accuracy, quality.fix));
  if (gpu.mig_enabled) {
    opened.findings.push_back(
        finding("degraded", fmt::format("MIG is enabled on {}", gpu.id().substr(4)),
                "energy exists for the whole GPU only; utilisation is not available",
                "leave the other instances idle, or disable MIG: `nvidia-smi -i <gpu> -mig 0`"));
  }
  opened.devices.push_back(describe_device(*api, gpu, fast->channels(), used));
  opened.measures_energy = opened.measures_energy || !fast->channels().empty();
  for (auto* meter : {&fast, &slow}) {
    if (!(*meter)->channels().empty()) {
      opened.meters.push_back(std::move(*meter));
    }
  }
  return {};
}

}  // namespace

Opened open_nvml(const MeterOptions& options) {
  const auto api = Api::open(nvml::library_names());
  if (!api) {
    return missing(api.error());
  }
  const auto list = nvml::list_gpus(**api);
  if (!list) {
    return missing(list.error());
  }
  if (list->gpus.empty()) {
    return missing(refused_by_driver(*list));
  }
  auto selection = select_gpus(**api, list->gpus, options.devices);
  if (!selection) {
    Opened opened = missing(selection.error());
    opened.error = std::move(selection).error();
    return opened;
  }
  Opened opened;
  std::vector<Gpu> listed;
  const std::string driver = nvml::driver_version(**api).value_or("0");
  for (const std::size_t index : selection->gpus) {
    listed.push_back(list->gpus[index]);
    if (auto done = open_gpu(*api, list->gpus[index], driver, options.gpus_used, opened); !done) {
      opened.findings.push_back(
          finding("missing", done.error().message, std::string(kWithout), done.error().hint));
      if (!options.devices.empty()) {
        opened.error = std::move(done).error();
      }
    }
  }
  opened.gpu_processes = [api = *api, listed] {
    std::vector<domain::DeviceProcess> processes;
    for (const Gpu& gpu : listed) {
      if (auto more = nvml::list_processes(*api, gpu)) {
        std::ranges::move(*more, std::back_inserter(processes));
      }
    }
    return processes;
  };
  if (opened.findings.empty()) {
    opened.findings.push_back(finding("missing", "CUDA_VISIBLE_DEVICES hides every GPU",
                                      std::string(kWithout),
                                      "unset CUDA_VISIBLE_DEVICES, or name a GPU in it"));
  }
  std::ranges::move(selection->notes, std::back_inserter(opened.findings));
  if (!list->refused.empty() && options.devices.empty()) {
    opened.findings.push_back(finding("degraded", "not opened: " + base::join(list->refused, "; "),
                                      "these GPUs are not measured",
                                      refused_by_driver(*list).hint));
  }
  return opened;
}

}  // namespace llem::meters
