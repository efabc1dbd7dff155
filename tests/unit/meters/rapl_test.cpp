#include "meters/rapl.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/fsuid.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fake.hpp"

namespace llem::meters {
namespace {

using domain::Scope;

/// A tree of small files below a directory of its own.
class Tree {
 public:
  Tree() : directory_(sys::TempDir::make("llem-rapl-test").value()) {}

  const sys::Path& root() const { return directory_.path(); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << text;
  }

  void zone(const std::string& directory, const std::string& name, const std::string& energy_uj,
            const std::string& range_uj = "262143328850") {
    const std::string base = "sys/class/powercap/" + directory + "/";
    write(base + "name", name + "\n");
    write(base + "energy_uj", energy_uj + "\n");
    write(base + "max_energy_range_uj", range_uj + "\n");
  }

 private:
  sys::TempDir directory_;
};

std::vector<std::string> devices_of(const Opened& opened) {
  std::vector<std::string> devices;
  for (const auto& meter : opened.meters) {
    for (const domain::Channel& channel : meter->channels()) {
      devices.push_back(channel.device);
    }
  }
  return devices;
}

TEST(RaplZone, is_known_by_its_name_not_its_number) {
  EXPECT_EQ(rapl::identify_zone("package-1", "")->device, "package-1");
  EXPECT_EQ(rapl::identify_zone("package-0-die-1", "")->device, "package-0-die-1");
  EXPECT_EQ(rapl::identify_zone("dram", "package-1")->device, "dram-1");
  EXPECT_EQ(rapl::identify_zone("core", "package-0-die-1")->device, "core-0-die-1");
  EXPECT_EQ(rapl::identify_zone("uncore", "package-0")->scope, Scope::uncore);
  EXPECT_EQ(rapl::identify_zone("psys", "")->device, "psys");
  EXPECT_EQ(rapl::identify_zone("psys", "")->scope, Scope::psys);
  EXPECT_FALSE(rapl::identify_zone("memory", "package-0"));
  EXPECT_FALSE(rapl::identify_zone("", ""));
}

TEST(RaplParse, cpu_lists_and_events) {
  EXPECT_EQ(*rapl::parse_cpu_list("0,18\n"), (std::vector<int>{0, 18}));
  EXPECT_EQ(*rapl::parse_cpu_list("0-2,8"), (std::vector<int>{0, 1, 2, 8}));
  EXPECT_TRUE(rapl::parse_cpu_list("")->empty());
  EXPECT_FALSE(rapl::parse_cpu_list("0-"));
  EXPECT_FALSE(rapl::parse_cpu_list("3-1"));
  EXPECT_FALSE(rapl::parse_cpu_list("0-999999999"));
  EXPECT_EQ(rapl::parse_event("event=0x02\n"), 2U);
  EXPECT_EQ(rapl::parse_event("umask=0x01,event=0x1f"), 31U);
  EXPECT_FALSE(rapl::parse_event("config=0x02"));
  EXPECT_FALSE(rapl::parse_event("event=0x"));
}

TEST(RaplMeter, reads_two_packages_with_memory_and_skips_the_duplicate) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-1", "1500000");
  tree.zone("intel-rapl:0:0", "dram", "250000", "65712999613");
  tree.zone("intel-rapl:1", "package-0", "2500000");
  tree.zone("intel-rapl:1:0", "core", "700000");
  tree.zone("intel-rapl-mmio:0", "package-0", "9");
  tree.zone("intel-rapl:2", "psys", "8000000");
  Opened opened = open_rapl({}, tree.root());
  ASSERT_EQ(opened.meters.size(), 1U);
  EXPECT_EQ(devices_of(opened),
            (std::vector<std::string>{"package-1", "dram-1", "package-0", "core-0", "psys"}));
  EXPECT_EQ(opened.findings.front().state, "ok");
  EXPECT_TRUE(opened.measures_energy);
  ASSERT_EQ(opened.devices.size(), 2U);
  EXPECT_EQ(opened.devices[0].kind, "cpu");

  domain::SampleBlock block;
  opened.meters.front()->read(7, block);
  ASSERT_EQ(block.size, 5U);
  EXPECT_EQ(block.samples[0].channel, 7);
  EXPECT_DOUBLE_EQ(block.samples[0].value, 1.5);
  EXPECT_DOUBLE_EQ(block.samples[1].value, 0.25);
  EXPECT_GE(block.samples[0].latency_ns, 0);

  const auto channels = opened.meters.front()->channels();
  EXPECT_DOUBLE_EQ(*channels[0].wraps_at, 262143.32885);
  EXPECT_DOUBLE_EQ(*channels[1].wraps_at, 65712.999613);
  EXPECT_NEAR(*channels[0].resolution, 61.035e-6, 1e-8) << "the unit of 2^-14 J";
  EXPECT_EQ(channels[3].scope, Scope::core);
  EXPECT_EQ(channels[4].scope, Scope::psys);
  EXPECT_DOUBLE_EQ(*channels[0].gain_u_ratio, 0.03);
  EXPECT_DOUBLE_EQ(*channels[1].gain_u_ratio, 0.05);
  EXPECT_EQ(channels[0].meter, "rapl-powercap");
}

TEST(RaplMeter, follows_the_file_it_holds_open) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-0", "999999");
  Opened opened = open_rapl({}, tree.root());
  ASSERT_EQ(opened.meters.size(), 1U);
  const std::string file = (tree.root() / "sys/class/powercap/intel-rapl:0/energy_uj").string();
  const int fd = ::open(file.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, "42\n999\n", 7, 0), 7)
      << "a counter that wrapped, its old digits not cut off yet";
  domain::SampleBlock block;
  opened.meters.front()->read(0, block);
  EXPECT_DOUBLE_EQ(block.samples[0].value, 42e-6);
  ASSERT_EQ(::ftruncate(fd, 0), 0);
  opened.meters.front()->read(0, block);
  EXPECT_EQ(block.size, 1U) << "a failed reading is absent";
  EXPECT_EQ(opened.meters.front()->failed_reads(), 1);
  ::close(fd);
}

TEST(RaplMeter, names_dies_and_finds_nested_children) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-0-die-0", "1");
  tree.zone("intel-rapl:1", "package-0-die-1", "2");
  tree.zone("intel-rapl:1/intel-rapl:1:0", "dram", "3");
  EXPECT_EQ(devices_of(open_rapl({}, tree.root())),
            (std::vector<std::string>{"package-0-die-0", "package-0-die-1", "dram-0-die-1"}));
}

TEST(RaplMeter, amd_has_a_wider_error) {
  Tree tree;
  tree.write("proc/cpuinfo", "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9654\n");
  tree.zone("intel-rapl:0", "package-0", "1");
  Opened opened = open_rapl({}, tree.root());
  EXPECT_DOUBLE_EQ(*opened.meters.front()->channels()[0].gain_u_ratio, 0.05);
}

TEST(RaplMeter, a_missing_range_leaves_the_wrap_unknown) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-0", "1", "");
  Opened opened = open_rapl({}, tree.root());
  EXPECT_FALSE(opened.meters.front()->channels()[0].wraps_at);
}

/// The thread's file accesses are those of nobody, also when the tests run as root.
class AsNobody {
 public:
  AsNobody() : before_(::setfsuid(65534)) {}

  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

  ~AsNobody() { ::setfsuid(static_cast<uid_t>(before_)); }

 private:
  int before_;
};

TEST(RaplMeter, unreadable_counters_say_how_to_read_them) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-0", "1");
  const sys::Path file = tree.root() / "sys/class/powercap/intel-rapl:0/energy_uj";
  ::chmod(file.c_str(), 0);
  ::chmod(tree.root().c_str(), 0755);
  const AsNobody nobody;
  const Opened opened = open_rapl({}, tree.root());
  EXPECT_TRUE(opened.meters.empty());
  EXPECT_EQ(opened.findings.front().state, "missing");
  EXPECT_TRUE(contains(opened.findings.front().detail, "Permission denied"));
  EXPECT_TRUE(contains(opened.findings.front().fix, "setcap cap_perfmon"));
  EXPECT_TRUE(contains(opened.findings.front().fix, "powercap"));
  EXPECT_TRUE(contains(opened.findings.front().accuracy, "±50 %"));
}

TEST(RaplMeter, a_domain_that_cannot_be_read_is_named) {
  Tree tree;
  tree.zone("intel-rapl:0", "package-0", "1");
  tree.zone("intel-rapl:0:0", "dram", "no number");
  const Opened opened = open_rapl({}, tree.root());
  EXPECT_EQ(opened.findings.front().state, "degraded");
  EXPECT_TRUE(contains(opened.findings.front().detail, "not readable: dram-0"));
}

TEST(RaplMeter, a_machine_without_counters_says_so) {
  Tree tree;
  EXPECT_TRUE(contains(open_rapl({}, tree.root()).findings.front().detail, "no powercap zone"));
  tree.write("sys/bus/event_source/devices/power/type", "9\n");
  tree.write("sys/bus/event_source/devices/power/cpumask", "0\n");
  EXPECT_TRUE(contains(open_rapl({}, tree.root()).findings.front().detail, "no energy event"));
}

TEST(RaplPerf, takes_package_numbers_from_the_topology) {
  Tree tree;
  const std::string unit = "sys/bus/event_source/devices/power/";
  // The type of the kernel's own software counters: page faults are event 2, so the call can
  // succeed anywhere.
  tree.write(unit + "type", "1\n");
  tree.write(unit + "cpumask", "0\n");
  tree.write(unit + "events/energy-pkg", "event=0x02\n");
  tree.write(unit + "events/energy-pkg.scale", "2.3283064365386962890625e-10\n");
  tree.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "1\n");
  const rapl::Route route = rapl::open_perf(tree.root());
  EXPECT_TRUE(route.present);
  if (route.denied) {  // as on most machines for a user who is not root
    EXPECT_EQ(route.skipped, (std::vector<std::string>{"package-1"}));
    EXPECT_TRUE(contains(route.reason, "energy-pkg"));
    return;
  }
  ASSERT_EQ(route.counters.size(), 1U);
  EXPECT_EQ(route.counters[0].channel.device, "package-1");
  EXPECT_EQ(route.counters[0].channel.meter, "rapl-perf");
  EXPECT_DOUBLE_EQ(*route.counters[0].channel.resolution, 0x1p-32);
  EXPECT_FALSE(route.counters[0].channel.wraps_at) << "the kernel counts in 64 bits";
  EXPECT_TRUE(rapl::read_counter(route.counters[0]));
}

TEST(RaplPerf, scales_exactly) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::uint64_t count = (std::uint64_t{123456} << 32) + (std::uint64_t{1} << 31);
  ASSERT_EQ(::write(ends[1], &count, sizeof count), 8);
  rapl::Counter counter;
  counter.fd = sys::Fd(ends[0]);
  counter.binary = true;
  counter.scale = 2.3283064365386962890625e-10;
  EXPECT_DOUBLE_EQ(*rapl::read_counter(counter), 123456.5);
  ::close(ends[1]);
}

}  // namespace
}  // namespace llem::meters
