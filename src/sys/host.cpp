#include "sys/host.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <pwd.h>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/cgroup.hpp"

namespace llem::sys {
namespace {

using Lines = std::vector<std::string>;

Lines read_lines(const Path& path) {
  Lines out;
  if (const auto text = read_line(path)) {
    for (const std::string_view line : base::split(*text, '\n')) {
      out.emplace_back(line);
    }
  }
  return out;
}

/// The value of the first "key<separator>value" line, unquoted.
std::optional<std::string> value_of(const Lines& lines, std::string_view key, char separator) {
  for (const std::string& line : lines) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos || base::trim(std::string_view(line).substr(0, at)) != key) {
      continue;
    }
    std::string_view value = base::trim(std::string_view(line).substr(at + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return std::nullopt;
}

bool has_word(std::string_view text, std::string_view word) {
  const auto words = base::split(text, ' ');
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool present(const Path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::string cpu_model(const Lines& cpuinfo) {
  for (const std::string_view key : {"model name", "Model", "cpu model", "uarch", "cpu"}) {
    if (auto value = value_of(cpuinfo, key, ':')) {
      return *value;
    }
  }
  // Arm's /proc/cpuinfo names numbers only.
  const auto implementer = value_of(cpuinfo, "CPU implementer", ':');
  const auto part = value_of(cpuinfo, "CPU part", ':');
  return implementer && part ? fmt::format("Arm implementer {} part {}", *implementer, *part)
                             : std::string();
}

std::int64_t count_cpus(const std::optional<std::string>& list) {
  const auto cpus = list ? parse_cpu_list(*list) : std::nullopt;
  return cpus ? static_cast<std::int64_t>(cpus->size()) : 0;
}

std::optional<std::string> read_governor(const Path& cpu) {
  std::set<std::string> governors;
  std::error_code error;
  for (const auto& policy : std::filesystem::directory_iterator(cpu / "cpufreq", error)) {
    if (auto governor = read_line(policy.path() / "scaling_governor")) {
      governors.insert(*governor);
    }
  }
  if (governors.empty()) {
    return read_line(cpu / "cpu0/cpufreq/scaling_governor");
  }
  return base::join(Lines(governors.begin(), governors.end()), ",");
}

std::optional<bool> read_turbo(const Path& cpu) {
  if (const auto off = read_line(cpu / "intel_pstate/no_turbo")) {
    return *off == "0";
  }
  if (const auto boost = read_line(cpu / "cpufreq/boost")) {
    return *boost == "1";
  }
  return std::nullopt;
}

/// Small virtual machines have no DMI tables; their clock still comes from the hypervisor.
std::optional<std::string> hypervisor_of_clock(const Path& root) {
  const std::string clocks =
      read_line(root / "sys/devices/system/clocksource/clocksource0/available_clocksource")
          .value_or("");
  if (has_word(clocks, "kvm-clock")) {
    return "KVM";
  }
  if (clocks.find("hyperv_clocksource") != std::string::npos) {
    return "Hyper-V";
  }
  return has_word(clocks, "xen") ? std::optional<std::string>("Xen") : std::nullopt;
}

std::optional<std::string> read_hypervisor(const Path& root, const Lines& cpuinfo) {
  struct Product {
    std::string_view text;
    std::string_view name;
  };

  // What the products write into their DMI tables (as in systemd-detect-virt); the more telling
  // first.
  static constexpr std::array<Product, 17> kProducts{{{"vmware", "VMware"},
                                                      {"virtualbox", "VirtualBox"},
                                                      {"innotek", "VirtualBox"},
                                                      {"oracle corporation", "VirtualBox"},
                                                      {"parallels", "Parallels"},
                                                      {"hvm domu", "Xen"},
                                                      {"xen", "Xen"},
                                                      {"bhyve", "bhyve"},
                                                      {"apple virtualization", "Apple"},
                                                      {"google compute engine", "Google KVM"},
                                                      {"amazon ec2", "Amazon Nitro"},
                                                      {"virtual machine", "Hyper-V"},
                                                      {"kvm", "KVM"},
                                                      {"qemu", "KVM"},
                                                      {"kubevirt", "KVM"},
                                                      {"openstack", "KVM"},
                                                      {"bochs", "Bochs"}}};
  const auto flags = value_of(cpuinfo, "flags", ':');
  if (flags && !has_word(*flags, "hypervisor")) {
    return std::nullopt;  // bare metal of a cloud carries the same product names
  }
  if (auto type = read_line(root / "sys/hypervisor/type"); type && !type->empty()) {
    return *type == "xen" ? "Xen" : *type;
  }
  std::string dmi;
  for (const char* file :
       {"sys_vendor", "product_name", "product_version", "board_vendor", "bios_vendor"}) {
    dmi += base::lower(read_line(root / "sys/class/dmi/id" / file).value_or("")) + '\n';
  }
  for (const Product& product : kProducts) {
    if (dmi.find(product.text) != std::string::npos) {
      return std::string(product.name);
    }
  }
  if (!flags) {
    return std::nullopt;
  }
  return hypervisor_of_clock(root).value_or(std::string(kUnknownHypervisor));
}

std::optional<std::string> read_container(const Path& root) {
  if (present(root / ".singularity.d")) {
    return "apptainer";
  }
  const std::string groups = read_line(root / "proc/self/cgroup").value_or("") +
                             read_line(root / "proc/1/cgroup").value_or("");
  const auto group_names = [&](std::string_view name) {
    return groups.find(name) != std::string::npos;
  };
  if (group_names("kubepods") || present(root / "run/secrets/kubernetes.io")) {
    return "kubernetes";
  }
  if (present(root / "run/.containerenv") || group_names("/libpod")) {
    return "podman";
  }
  if (present(root / ".dockerenv") || group_names("/docker/") || group_names("/docker-")) {
    return "docker";
  }
  // systemd's agreement with container managers: https://systemd.io/CONTAINER_INTERFACE
  if (auto name = read_line(root / "run/systemd/container"); name && !name->empty()) {
    return name;
  }
  if (const auto variables = read_line(root / "proc/1/environ")) {
    for (const std::string_view variable : base::split(*variables, '\0')) {
      constexpr std::string_view kKey = "container=";
      if (variable.starts_with(kKey) && variable.size() > kKey.size()) {
        return std::string(variable.substr(kKey.size()));
      }
    }
  }
  return group_names("/lxc/") ? std::optional<std::string>("lxc") : std::nullopt;
}

/// $`variable` when it is absolute (the XDG specification says to ignore others), else `fallback`
/// under the home.
Path user_directory(const char* variable, const char* fallback) {
  if (const auto set = environment(variable); set && Path(*set).is_absolute()) {
    return Path(*set) / "llem";
  }
  auto home = environment("HOME");
  if (!home) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr && found->pw_dir != nullptr) {
      home = found->pw_dir;
    }
  }
  const Path base = home ? Path(*home) : Path(fmt::format("/tmp/llem-{}", ::getuid()));
  return base / fallback / "llem";
}

}  // namespace

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  constexpr std::int64_t kMost = 1 << 16;
  std::set<int> cpus;
  if (base::trim(text).empty()) {
    return std::vector<int>();
  }
  for (const std::string_view item : base::split(base::trim(text), ',')) {
    const std::size_t dash = item.find('-');
    const auto first = base::parse_integer(base::trim(item.substr(0, dash)));
    const auto last = dash == std::string_view::npos
                          ? first
                          : base::parse_integer(base::trim(item.substr(dash + 1)));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMost) {
      return std::nullopt;
    }
    for (std::int64_t cpu = *first; cpu <= *last; ++cpu) {
      cpus.insert(static_cast<int>(cpu));
    }
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

HostFacts read_host_facts(const Path& root) {
  HostFacts facts;
  facts.hostname = read_line(root / "proc/sys/kernel/hostname").value_or("");
  facts.kernel = read_line(root / "proc/sys/kernel/osrelease").value_or("");
  for (const char* file : {"etc/os-release", "usr/lib/os-release"}) {
    if (facts.os.empty()) {
      facts.os = value_of(read_lines(root / file), "PRETTY_NAME", '=').value_or("");
    }
  }
  const Lines cpuinfo = read_lines(root / "proc/cpuinfo");
  const Path cpu = root / "sys/devices/system/cpu";
  facts.cpu_model = cpu_model(cpuinfo);
  facts.machine_cpus = count_cpus(read_line(cpu / "online"));
  if (facts.machine_cpus == 0) {
    facts.machine_cpus = std::count_if(cpuinfo.begin(), cpuinfo.end(), [](const std::string& line) {
      return line.starts_with("processor");
    });
  }
  facts.logical_cpus =
      count_cpus(value_of(read_lines(root / "proc/self/status"), "Cpus_allowed_list", ':'));
  if (facts.logical_cpus == 0) {
    facts.logical_cpus = facts.machine_cpus;
  }
  if (const auto total = value_of(read_lines(root / "proc/meminfo"), "MemTotal", ':')) {
    const auto kib =
        base::parse_integer(base::trim(std::string_view(*total).substr(0, total->find(' '))));
    facts.memory_bytes = kib.value_or(0) * 1024;
  }
  facts.governor = read_governor(cpu);
  if (const auto active = read_line(cpu / "smt/active")) {
    facts.smt = *active == "1";
  }
  facts.turbo = read_turbo(cpu);
  facts.hypervisor = read_hypervisor(root, cpuinfo);
  facts.container = read_container(root);
  const CgroupLimits limits = read_cgroup_limits(root);
  facts.cgroup_version = limits.version;
  facts.cgroup_memory_limit_bytes = limits.memory_bytes;
  facts.cgroup_cpu_limit = limits.cpus;
  return facts;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

Path system_root() {
  return environment("LLEM_SYSFS_ROOT").value_or("/");
}

Path executable_path() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

Path cache_directory() {
  return user_directory("XDG_CACHE_HOME", ".cache");
}

Path config_directory() {
  return user_directory("XDG_CONFIG_HOME", ".config");
}

}  // namespace llem::sys
