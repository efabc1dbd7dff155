#include "sys/host.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

namespace llem::sys {
namespace {

HostFacts facts_of(const char* machine) {
  return read_host_facts(Path(LLEM_TEST_DATA) / "sys" / machine);
}

TEST(Host, reads_a_bare_metal_machine_with_limits_at_two_levels) {
  const HostFacts facts = facts_of("bare_metal_v2");
  EXPECT_EQ(facts.hostname, "node17");
  EXPECT_EQ(facts.kernel, "6.8.0-45-generic");
  EXPECT_EQ(facts.os, "Ubuntu 24.04.1 LTS");
  EXPECT_EQ(facts.cpu_model, "AMD EPYC 9354 32-Core Processor");
  EXPECT_EQ(facts.machine_cpus, 64);
  EXPECT_EQ(facts.logical_cpus, 16);
  EXPECT_EQ(facts.memory_bytes, 395851264LL * 1024);
  EXPECT_EQ(facts.governor, "performance,powersave");
  EXPECT_EQ(facts.smt, true);
  EXPECT_EQ(facts.turbo, true);
  EXPECT_EQ(facts.hypervisor, std::nullopt);  // though its DMI table names a cloud
  EXPECT_EQ(facts.container, std::nullopt);
  EXPECT_EQ(facts.cgroup_version, 2);
  EXPECT_EQ(facts.cgroup_memory_limit_bytes, 34359738368);
  EXPECT_EQ(facts.cgroup_cpu_limit, 2.5);
}

TEST(Host, reads_a_docker_container_in_a_virtual_machine_with_version_1_groups) {
  const HostFacts facts = facts_of("docker_vm_v1");
  EXPECT_EQ(facts.os, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(facts.machine_cpus, 2);  // counted: there is no `online` file
  EXPECT_EQ(facts.logical_cpus, 2);
  EXPECT_EQ(facts.governor, std::nullopt);
  EXPECT_EQ(facts.smt, false);
  EXPECT_EQ(facts.turbo, false);
  EXPECT_EQ(facts.hypervisor, "KVM");
  EXPECT_EQ(facts.container, "docker");
  EXPECT_EQ(facts.cgroup_version, 1);
  EXPECT_EQ(facts.cgroup_memory_limit_bytes, 2147483648);
  EXPECT_EQ(facts.cgroup_cpu_limit, 1.5);
}

TEST(Host, takes_version_1_values_for_no_limit_as_no_limit) {
  const HostFacts facts = facts_of("arm_podman_v1");
  EXPECT_EQ(facts.cpu_model, "Arm implementer 0x41 part 0xd0c");
  EXPECT_EQ(facts.hypervisor, std::nullopt);
  EXPECT_EQ(facts.container, "podman");
  EXPECT_EQ(facts.cgroup_version, 1);
  EXPECT_EQ(facts.cgroup_memory_limit_bytes, std::nullopt);
  EXPECT_EQ(facts.cgroup_cpu_limit, std::nullopt);
}

TEST(Host, knows_a_hypervisor_by_its_clock_where_there_are_no_dmi_tables) {
  const auto folder = TempDir::make("llem-host-test");
  ASSERT_TRUE(folder);
  const auto write = [&](const char* name, const char* text) {
    const Path path = folder->path() / name;
    ASSERT_TRUE(make_directories(path.parent_path()));
    ASSERT_TRUE(write_file(path, text));
  };
  const char* const clocks = "sys/devices/system/clocksource/clocksource0/available_clocksource";
  write("proc/cpuinfo", "flags\t: fpu hypervisor\n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, kUnknownHypervisor);
  write(clocks, "tsc acpi_pm\n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, kUnknownHypervisor);
  write(clocks, "kvm-clock tsc acpi_pm \n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, "KVM");
  write(clocks, "hyperv_clocksource_tsc_page\n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, "Hyper-V");
  write("sys/class/dmi/id/product_name", "VMware Virtual Platform\n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, "VMware");
  write("proc/cpuinfo", "flags\t: fpu\n");
  EXPECT_EQ(read_host_facts(folder->path()).hypervisor, std::nullopt);
}

TEST(Host, reads_limits_at_the_root_of_a_container_s_own_hierarchy) {
  const HostFacts facts = facts_of("kubernetes_v2");
  EXPECT_EQ(facts.container, "kubernetes");
  EXPECT_EQ(facts.hypervisor, "unknown");
  EXPECT_EQ(facts.cgroup_version, 2);
  EXPECT_EQ(facts.cgroup_memory_limit_bytes, 1073741824);
  EXPECT_EQ(facts.cgroup_cpu_limit, 0.5);
}

TEST(Host, knows_nothing_of_a_machine_without_files) {
  const HostFacts facts = facts_of("no_such_machine");
  EXPECT_EQ(facts.hostname, "");
  EXPECT_EQ(facts.machine_cpus, 0);
  EXPECT_EQ(facts.memory_bytes, 0);
  EXPECT_EQ(facts.cgroup_version, 0);
}

TEST(Host, finds_this_machine_s_processors_and_memory) {
  const HostFacts facts = read_host_facts();
  EXPECT_GE(facts.logical_cpus, 1);
  EXPECT_GE(facts.machine_cpus, facts.logical_cpus);
  EXPECT_GT(facts.memory_bytes, 0);
  EXPECT_FALSE(facts.kernel.empty());
}

TEST(CpuList, reads_what_the_kernel_writes) {
  EXPECT_EQ(parse_cpu_list("0-3,8"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5"), std::vector<int>{5});
  EXPECT_EQ(parse_cpu_list("2,0-2\n"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(parse_cpu_list(""), std::vector<int>());
}

TEST(CpuList, refuses_what_is_no_list) {
  for (const char* text : {"a", "1-", "-1", "3-1", "1,,2", "0-99999999999", "1;2", "0x"}) {
    EXPECT_EQ(parse_cpu_list(text), std::nullopt) << text;
  }
}

/// Sets a variable of this process for one test.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    ::setenv(name, value, 1);
  }

  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

  ~ScopedVariable() {
    if (had_) {
      ::setenv(name_, before_.c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  bool had_ = false;
  std::string before_;
};

TEST(Directories, follow_the_xdg_variables_when_these_are_absolute) {
  const ScopedVariable home("HOME", "/home/ada");
  const ScopedVariable cache("XDG_CACHE_HOME", "/scratch/ada");
  const ScopedVariable config("XDG_CONFIG_HOME", "relative/ignored");
  EXPECT_EQ(cache_directory(), "/scratch/ada/llem");
  EXPECT_EQ(config_directory(), "/home/ada/.config/llem");
}

TEST(Directories, fall_back_to_the_user_s_entry_without_a_home) {
  const ScopedVariable home("HOME", "");
  const ScopedVariable cache("XDG_CACHE_HOME", "");
  EXPECT_TRUE(cache_directory().is_absolute());
  EXPECT_EQ(cache_directory().filename(), "llem");
}

TEST(Environment, takes_an_empty_variable_as_unset) {
  const ScopedVariable variable("LLEM_SYSFS_ROOT", "");
  EXPECT_EQ(environment("LLEM_SYSFS_ROOT"), std::nullopt);
  EXPECT_EQ(system_root(), "/");
  const ScopedVariable other("LLEM_SYSFS_ROOT", "/recorded");
  EXPECT_EQ(system_root(), "/recorded");
}

TEST(Host, knows_its_own_program) {
  EXPECT_EQ(executable_path().filename(), "sys_test");
}

}  // namespace
}  // namespace llem::sys
