// RAPL through /sys/class/powercap.

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "meters/rapl.hpp"
#include "sys/system_error.hpp"

namespace llem::meters::rapl {
namespace {

namespace fs = std::filesystem;

constexpr double kMicro = 1e-6;  // powercap counts microjoules

/// Zone directories by name ("intel-rapl:0", "intel-rapl:0:1"). The class directory lists all of
/// them; trees that only nest children in their parents are walked too. "intel-rapl-mmio:…" is the
/// same counter over another bus.
std::map<std::string, fs::path> find_zones(const fs::path& directory, int depth = 0) {
  std::map<std::string, fs::path> zones;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("intel-rapl:")) {
      continue;
    }
    zones.emplace(name, it->path());
    if (depth < 2) {
      zones.merge(find_zones(it->path(), depth + 1));
    }
  }
  return zones;
}

std::string parent_of(const std::string& zone) {
  const std::size_t last = zone.rfind(':');
  return zone.find(':') == last ? std::string() : zone.substr(0, last);
}

/// The counter is 32 bits of the hardware's unit wide, so its range tells the unit.
double resolution_of(double range_microjoules) {
  return range_microjoules / 4294967296.0 * kMicro;
}

}  // namespace

Route open_powercap(const sys::Path& root) {
  Route route;
  const auto zones = find_zones(root / "sys/class/powercap");
  route.present = !zones.empty();
  route.reason = route.present ? "no zone is named as package, dram, core, uncore or psys"
                               : "the kernel offers no powercap zone";
  const bool amd = is_amd(root);
  std::map<std::string, std::string> device_of_zone;
  std::set<std::string> seen;
  // Map order puts a parent before its children.
  for (const auto& [zone, path] : zones) {
    const auto name = sys::read_line(path / "name");
    const std::string parent = device_of_zone[parent_of(zone)];
    const auto identity = name ? identify_zone(*name, parent) : std::nullopt;
    if (!identity || !seen.insert(identity->device).second) {
      continue;
    }
    device_of_zone[zone] = identity->device;
    Counter counter;
    const fs::path file = path / "energy_uj";
    counter.fd = sys::Fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    counter.scale = kMicro;
    const int open_error = std::exchange(errno, EBADMSG);  // should the file hold no number
    if (!counter.fd || !read_counter(counter)) {
      const int reason = counter.fd ? errno : open_error;
      route.denied = route.denied || reason == EACCES || reason == EPERM;
      route.reason = fmt::format("cannot read `{}`: {}", file.string(), sys::system_reason(reason));
      route.skipped.push_back(identity->device);
      continue;
    }
    counter.channel = make_channel(*identity, "rapl-powercap", amd);
    const auto range =
        base::parse_number(sys::read_line(path / "max_energy_range_uj").value_or(""));
    if (range && *range > 0) {
      counter.channel.wraps_at = *range * kMicro;
      counter.channel.resolution = resolution_of(*range);
    }
    route.counters.push_back(std::move(counter));
  }
  return route;
}

}  // namespace llem::meters::rapl
