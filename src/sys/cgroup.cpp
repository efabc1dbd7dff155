#include "sys/cgroup.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace llem::sys {
namespace {

/// The group's directory and those above it, the mount point last. Inside a container the path may
/// be the one outside, of which only the mount point exists: the others are read in vain.
std::vector<Path> hierarchy(const Path& mount, std::string_view group) {
  std::vector<Path> out;
  Path relative = Path(std::string(group)).relative_path();
  const auto leaves_mount = std::find(relative.begin(), relative.end(), "..") != relative.end();
  while (!leaves_mount && !relative.empty()) {
    out.push_back(mount / relative);
    relative = relative.parent_path();
  }
  out.push_back(mount);
  return out;
}

template <class T>
void tighten(std::optional<T>& limit, T other) {
  limit = limit ? std::min(*limit, other) : other;
}

std::optional<std::int64_t> read_integer(const Path& path) {
  const auto text = read_line(path);
  return text ? base::parse_integer(*text) : std::nullopt;
}

void tighten_memory(CgroupLimits& limits, const Path& file) {
  // Version 1 writes "no limit" as the largest multiple of a page; version 2 as "max", which is no
  // number.
  constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;
  if (const auto bytes = read_integer(file); bytes && *bytes < kNoLimit) {
    tighten(limits.memory_bytes, *bytes);
  }
}

void tighten_cpus(CgroupLimits& limits, std::optional<std::int64_t> quota,
                  std::optional<std::int64_t> period) {
  if (quota && period && *quota > 0 && *period > 0) {
    tighten(limits.cpus, static_cast<double>(*quota) / static_cast<double>(*period));
  }
}

void read_version_2(CgroupLimits& limits, const Path& mount, std::string_view group) {
  for (const Path& folder : hierarchy(mount, group)) {
    tighten_memory(limits, folder / "memory.max");
    const auto text = read_line(folder / "cpu.max");
    const auto parts = base::split(text ? std::string_view(*text) : std::string_view(), ' ');
    if (parts.size() == 2) {
      tighten_cpus(limits, base::parse_integer(parts[0]), base::parse_integer(parts[1]));
    }
  }
}

void read_version_1(CgroupLimits& limits, const Path& mount, std::string_view controllers,
                    std::string_view group) {
  for (const std::string_view controller : base::split(controllers, ',')) {
    if (controller == "memory") {
      for (const Path& folder : hierarchy(mount / "memory", group)) {
        tighten_memory(limits, folder / "memory.limit_in_bytes");
      }
    }
    if (controller == "cpu") {
      // Mounted as "cpu", "cpu,cpuacct" or both through links.
      const Path joint = mount / std::string(controllers);
      std::error_code error;
      const Path base = std::filesystem::exists(joint, error) ? joint : mount / "cpu";
      for (const Path& folder : hierarchy(base, group)) {
        tighten_cpus(limits, read_integer(folder / "cpu.cfs_quota_us"),
                     read_integer(folder / "cpu.cfs_period_us"));
      }
    }
  }
}

}  // namespace

CgroupLimits read_cgroup_limits(const Path& root) {
  CgroupLimits limits;
  const auto text = read_line(root / "proc/self/cgroup");
  if (!text) {
    return limits;
  }
  const Path mount = root / "sys/fs/cgroup";
  // cgroups(7): "id:controllers:path"; version 2 is the line "0::path". With both mounted, version
  // 1 has the limits.
  std::optional<std::string_view> unified;
  for (const std::string_view line : base::split(*text, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) {
      continue;
    }
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    if (controllers.empty()) {
      unified = group;
    } else if (!controllers.starts_with("name=")) {
      limits.version = 1;
      read_version_1(limits, mount, controllers, group);
    }
  }
  if (limits.version == 0 && unified) {
    limits.version = 2;
    read_version_2(limits, mount, *unified);
  }
  return limits;
}

}  // namespace llem::sys
