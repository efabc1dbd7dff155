// RAPL through the kernel's `power` performance-monitoring unit.

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/perf_event.h>
#include <map>
#include <set>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "meters/rapl.hpp"
#include "sys/system_error.hpp"

namespace llem::meters::rapl {
namespace {

struct Event {
  std::string_view name;
  std::string_view zone;  // as powercap calls it
  bool once;              // one for the machine, not one a package
};

constexpr std::array kEvents{
    Event{"energy-pkg", "package", false}, Event{"energy-ram", "dram", false},
    Event{"energy-cores", "core", false}, Event{"energy-gpu", "uncore", false},
    Event{"energy-psys", "psys", true}};

sys::Fd open_event(std::uint32_t type, std::uint64_t config, int cpu) {
  perf_event_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.size = sizeof attributes;
  attributes.type = type;
  attributes.config = config;
  // Energy belongs to a package, so the kernel counts for the whole machine only: any process, one
  // CPU a package.
  return sys::Fd(static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

/// "package-0", or "package-0-die-1" where a package has several CPUs in the mask: one for each die
/// that counts.
std::map<int, std::string> packages_of(const sys::Path& root, const std::vector<int>& cpus) {
  const auto topology = [&](int cpu, const char* file) {
    return sys::read_line(root / fmt::format("sys/devices/system/cpu/cpu{}/topology/{}", cpu, file))
        .value_or("0");
  };
  std::map<std::string, int> dies;
  for (const int cpu : cpus) {
    ++dies[topology(cpu, "physical_package_id")];
  }
  std::map<int, std::string> packages;
  for (const int cpu : cpus) {
    const std::string package = topology(cpu, "physical_package_id");
    packages[cpu] = dies[package] > 1
                        ? fmt::format("package-{}-die-{}", package, topology(cpu, "die_id"))
                        : "package-" + package;
  }
  return packages;
}

std::optional<ZoneIdentity> identity_of(const Event& event, const std::string& package) {
  if (event.zone == "package") {
    return identify_zone(package, "");
  }
  return identify_zone(event.zone, event.once ? "" : package);
}

}  // namespace

Route open_perf(const sys::Path& root) {
  Route route;
  const sys::Path unit = root / "sys/bus/event_source/devices/power";
  const auto type = base::parse_integer(sys::read_line(unit / "type").value_or(""));
  const auto cpus = parse_cpu_list(sys::read_line(unit / "cpumask").value_or(""));
  if (!type || !cpus || cpus->empty()) {
    route.reason = "the kernel offers no perf energy events";
    return route;
  }
  route.reason = "the perf unit `power` has no energy event, as in most virtual machines";
  const bool amd = is_amd(root);
  const auto packages = packages_of(root, *cpus);
  std::set<std::string> seen;
  for (const Event& event : kEvents) {
    const auto text = sys::read_line(unit / "events" / event.name);
    const auto config = text ? parse_event(*text) : std::nullopt;
    const auto scale = base::parse_number(
        sys::read_line(unit / "events" / (std::string(event.name) + ".scale")).value_or(""));
    if (!config || !scale || *scale <= 0) {
      continue;
    }
    route.present = true;
    for (const int cpu : *cpus) {
      const auto identity = identity_of(event, packages.at(cpu));
      if (!identity || !seen.insert(identity->device).second) {
        continue;
      }
      Counter counter;
      counter.fd = open_event(static_cast<std::uint32_t>(*type), *config, cpu);
      counter.binary = true;
      counter.scale = *scale;
      if (!counter.fd || !read_counter(counter)) {
        const int reason = errno;
        route.denied = route.denied || reason == EACCES || reason == EPERM;
        route.reason = fmt::format("cannot open the perf event `{}`: {}", event.name,
                                   sys::system_reason(reason));
        route.skipped.push_back(identity->device);
        continue;
      }
      counter.channel = make_channel(*identity, "rapl-perf", amd);
      counter.channel.resolution = scale;
      route.counters.push_back(std::move(counter));
    }
  }
  return route;
}

}  // namespace llem::meters::rapl
