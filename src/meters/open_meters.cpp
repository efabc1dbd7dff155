#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "meters/host.hpp"
#include "meters/meter.hpp"
#include "meters/nvml.hpp"
#include "meters/rapl.hpp"
#include "sys/host.hpp"

namespace llem::meters {
namespace {

struct Family {
  std::string_view name;
  bool gpus_only;  // pointless where the deployment uses no GPU, unless named
  Opened (*open)(const MeterOptions&);
};

constexpr std::array kFamilies{
    Family{"nvml", true, open_nvml},
    Family{"rapl", false,
           [](const MeterOptions& options) { return open_rapl(options, sys::system_root()); }},
    Family{"host", false,
           [](const MeterOptions& options) { return open_host(options, sys::system_root()); }},
};

bool named(const MeterOptions& options, std::string_view family) {
  return std::ranges::find(options.meters, family) != options.meters.end();
}

Expected<void> check_names(const MeterOptions& options) {
  std::array<std::string_view, kFamilies.size()> known;
  std::ranges::transform(kFamilies, known.begin(), &Family::name);
  for (const std::string& name : options.meters) {
    if (std::ranges::find(known, name) == known.end()) {
      const auto near = base::nearest(name, known);
      return failure(
          ErrorKind::config, fmt::format("there is no meter `{}`", name),
          near ? fmt::format("did you mean {}?", *near) : "meters are nvml, rapl and host",
          "unknown_meter");
    }
  }
  return {};
}

MeterFinding estimate_finding() {
  return {"estimate", "degraded",
          "no sensor measures the CPU: the machine's energy will be estimated from its load",
          "an estimate, marked ~ and never valid: within about ±50 %", "mend RAPL (above)"};
}

MeterFinding no_gpu_energy_finding() {
  return {"gpu energy", "missing",
          "the GPU has no energy or power sensor that can be read: what runs on it has no energy",
          "no figure at all: the energy of a GPU is never estimated", "mend NVML (above)"};
}

struct All {
  MeterSet set;
  std::optional<Error> error;
};

All open_all(const MeterOptions& options) {
  All all;
  bool gpu_energy = false;
  bool cpu_energy = false;
  for (const Family& family : kFamilies) {
    const bool by_name = named(options, family.name);
    if (!by_name && (!options.meters.empty() || (family.gpus_only && !options.gpus_used))) {
      continue;
    }
    Opened opened = family.open(options);
    if (!all.error && opened.error) {
      all.error = std::move(opened.error);
    }
    if (!all.error && by_name && opened.meters.empty()) {
      const MeterFinding& why = opened.findings.front();
      all.error = Error{ErrorKind::preflight,
                        fmt::format("the meter `{}` cannot be opened: {}", family.name, why.detail),
                        why.fix,
                        {},
                        "meter_missing"};
    }
    (family.gpus_only ? gpu_energy : cpu_energy) |= opened.measures_energy;
    std::ranges::move(opened.meters, std::back_inserter(all.set.meters));
    std::ranges::move(opened.devices, std::back_inserter(all.set.devices));
    std::ranges::move(opened.findings, std::back_inserter(all.set.findings));
    if (opened.gpu_processes) {
      all.set.gpu_processes = std::move(opened.gpu_processes);
    }
  }
  const bool on_gpu =
      std::ranges::any_of(all.set.devices, [](const auto& d) { return d.used_gpu(); });
  if (on_gpu && !gpu_energy) {
    all.set.findings.push_back(no_gpu_energy_finding());
  } else if (!on_gpu && !cpu_energy) {
    all.set.findings.push_back(estimate_finding());
  }
  return all;
}

}  // namespace

Expected<MeterSet> open_meters(const MeterOptions& options) {
  LLEM_TRY(check_names(options));
  All all = open_all(options);
  if (all.error) {
    return tl::unexpected<Error>(*std::move(all.error));
  }
  return std::move(all.set);
}

std::vector<MeterFinding> find_meters(const MeterOptions& options) {
  if (const auto names = check_names(options); !names) {
    return {{"meters", "missing", names.error().message, "", names.error().hint}};
  }
  return open_all(options).set.findings;
}

}  // namespace llem::meters
