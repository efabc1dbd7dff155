#pragma once

// Owns: facts of this machine from procfs and sysfs below a root that tests replace.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/file.hpp"

namespace llem::sys {

/// Where there is a hypervisor and nothing says which.
inline constexpr std::string_view kUnknownHypervisor = "unknown";

struct HostFacts {
  std::string hostname;
  std::string kernel;
  std::string os;  // PRETTY_NAME
  std::string cpu_model;
  std::int64_t logical_cpus = 0;  // this process may use
  std::int64_t machine_cpus = 0;  // online in the machine
  std::int64_t memory_bytes = 0;
  std::optional<std::string> governor;
  std::optional<bool> smt;
  std::optional<bool> turbo;
  std::optional<std::string> hypervisor;  // "KVM", …
  std::optional<std::string> container;   // "docker", "podman", …
  int cgroup_version = 0;                 // 1, 2; 0 when unknown
  std::optional<std::int64_t> cgroup_memory_limit_bytes;
  std::optional<double> cgroup_cpu_limit;  // CPUs
};

HostFacts read_host_facts(const Path& root = "/");

/// Memory this process may use: the machine's, or its control group's limit when that is lower.
inline std::int64_t usable_memory_bytes(const HostFacts& facts) {
  return facts.cgroup_memory_limit_bytes && *facts.cgroup_memory_limit_bytes < facts.memory_bytes
             ? *facts.cgroup_memory_limit_bytes
             : facts.memory_bytes;
}

/// The CPUs of a list as the kernel writes it ("0-3,8"), ascending; nothing when it is not one.
std::optional<std::vector<int>> parse_cpu_list(std::string_view text);

/// Value of an environment variable, when set and not empty.
std::optional<std::string> environment(const char* name);

/// $LLEM_SYSFS_ROOT or "/": what every procfs and sysfs reader starts from.
Path system_root();

/// Path of the running executable, links resolved.
Path executable_path();

/// $XDG_CACHE_HOME/llem and $XDG_CONFIG_HOME/llem with their usual fallbacks under $HOME.
Path cache_directory();
Path config_directory();

}  // namespace llem::sys
