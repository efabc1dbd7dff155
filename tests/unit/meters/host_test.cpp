#include "meters/host.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fake.hpp"

namespace llem::meters {
namespace {

using domain::Signal;

class Tree {
 public:
  Tree() : directory_(sys::TempDir::make("llem-host-test").value()) {}

  const sys::Path& root() const { return directory_.path(); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream(root() / path, std::ios::trunc) << text;
  }

 private:
  sys::TempDir directory_;
};

constexpr const char* kStat =
    "cpu  1000 200 300 90000 50 6 7 80 400 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 12345\n";
constexpr const char* kMeminfo =
    "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n";

std::vector<Reading> read_host(const Tree& tree) {
  Opened opened = open_host({}, tree.root());
  MeterSet set;
  set.meters = std::move(opened.meters);
  return read_all(set);
}

TEST(CpuTicks, busy_is_everything_but_idle_waiting_and_stolen_time) {
  const auto ticks = host::parse_cpu_ticks(kStat);
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->busy, 1000U + 200 + 300 + 6 + 7) << "guest time is part of user time already";
  EXPECT_EQ(ticks->steal, 80U);
  EXPECT_EQ(host::parse_cpu_ticks("cpu  1 2 3 4\n")->busy, 6U);
  EXPECT_FALSE(host::parse_cpu_ticks("cpu0 1 2 3 4\n"));
  EXPECT_FALSE(host::parse_cpu_ticks("cpu  1 2 3\n"));
  EXPECT_FALSE(host::parse_cpu_ticks(""));
}

TEST(FindNumber, wants_the_whole_key_at_a_line_start) {
  const std::string_view text = "total_inactive_file 9\ninactive_file 5\nMemTotal:  7 kB\n";
  EXPECT_EQ(host::find_number(text, "inactive_file"), 5U);
  EXPECT_EQ(host::find_number(text, "MemTotal"), 7U);
  EXPECT_FALSE(host::find_number(text, "Mem"));
  EXPECT_FALSE(host::find_number("", "x"));
}

TEST(ProcessStat, survives_any_command_name) {
  const auto stat = host::parse_process_stat(
      "4242 (a) S 1 2 (b) R 17 4200 4242 0 -1 4194304 1234 0 5 0 150 50 30 20 20 0 8 0 265415 "
      "10000000 2500 18446744");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->parent, 17);
  EXPECT_EQ(stat->group, 4200);
  EXPECT_EQ(stat->own_ticks, 200U);
  EXPECT_EQ(stat->children_ticks, 50U);
  EXPECT_EQ(stat->resident_pages, 2500U);
  EXPECT_FALSE(host::parse_process_stat("4242 (cut off) R 17 42"));
  EXPECT_FALSE(host::parse_process_stat("no parenthesis"));
  EXPECT_FALSE(host::parse_process_stat("1 (x)"));
}

TEST(HostMeter, reads_cpu_seconds_and_the_memory_of_the_machine) {
  Tree tree;
  tree.write("proc/stat", kStat);
  tree.write("proc/meminfo", kMeminfo);
  const auto readings = read_host(tree);
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::cpu_busy), 1513 * tick);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::cpu_steal), 80 * tick);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::memory_used), 4000000.0 * 1024);
  EXPECT_EQ(open_host({}, tree.root()).findings.front().state, "ok");
}

TEST(HostMeter, counts_the_memory_of_a_limited_group_of_version_2) {
  Tree tree;
  tree.write("proc/stat", kStat);
  tree.write("proc/meminfo", kMeminfo);
  tree.write("proc/self/cgroup", "0::/job/step\n");
  tree.write("sys/fs/cgroup/job/step/memory.max", "max\n");
  tree.write("sys/fs/cgroup/job/memory.max", "8000000000\n");
  tree.write("sys/fs/cgroup/job/memory.current", "3000000000\n");
  tree.write("sys/fs/cgroup/job/memory.stat", "file 2000000000\ninactive_file 500000000\n");
  EXPECT_DOUBLE_EQ(*value_of(read_host(tree), Signal::memory_used), 2.5e9);
  EXPECT_TRUE(contains(open_host({}, tree.root()).findings.front().detail, "control group"));
}

TEST(HostMeter, counts_the_memory_of_a_limited_group_of_version_1) {
  Tree tree;
  tree.write("proc/stat", kStat);
  tree.write("proc/meminfo", kMeminfo);
  tree.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n0::/\n");
  // Within the container the group is mounted at the top; its path is the host's.
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "8000000000\n");
  tree.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "3000000000\n");
  tree.write("sys/fs/cgroup/memory/memory.stat",
             "inactive_file 1\ntotal_inactive_file 500000000\n");
  EXPECT_DOUBLE_EQ(*value_of(read_host(tree), Signal::memory_used), 2.5e9);
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_DOUBLE_EQ(*value_of(read_host(tree), Signal::memory_used), 4000000.0 * 1024)
      << "no limit is no group";
}

TEST(HostMeter, without_procfs_is_missing) {
  Tree tree;
  const Opened opened = open_host({}, tree.root());
  EXPECT_TRUE(opened.meters.empty());
  EXPECT_EQ(opened.findings.front().state, "missing");
}

/// /proc/<pid>/stat of a process with its times in ticks.
std::string a_stat(int pid, int parent, int group, int own, int children, int pages) {
  return std::to_string(pid) + " (worker) S " + std::to_string(parent) + " " +
         std::to_string(group) + " 1 0 -1 0 0 0 0 0 " + std::to_string(own) + " 0 " +
         std::to_string(children) + " 0 20 0 1 0 100 0 " + std::to_string(pages) + " 0\n";
}

std::vector<Reading> read_once(Meter& meter) {
  domain::SampleBlock block;
  meter.read(0, block);
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < block.size; ++i) {
    readings.push_back({meter.channels()[block.samples[i].channel], block.samples[i].value});
  }
  return readings;
}

TEST(ProcessMeter, sums_the_group_and_keeps_what_ended_processes_used) {
  Tree tree;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  tree.write("proc/100/stat", a_stat(100, 1, 100, 500, 20, 1000));
  tree.write("proc/101/stat", a_stat(101, 100, 100, 80, 0, 50));
  tree.write("proc/200/stat", a_stat(200, 1, 200, 9999, 0, 9999));
  tree.write("proc/100/task/100/status", "Name:\tworker\nnonvoluntary_ctxt_switches:\t7\n");
  tree.write("proc/100/task/105/status", "Name:\tworker\nnonvoluntary_ctxt_switches:\t5\n");
  const auto meter = make_process_meter(100, tree.root());
  auto readings = read_once(*meter);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::process_cpu), 600 * tick);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::process_rss), 1050 * page);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::process_switches), 12);
  EXPECT_EQ(readings.front().channel.device, "worker");

  // The child ends and its parent waits for it: its time moves to the parent's account.
  tree.write("proc/100/stat", a_stat(100, 1, 100, 510, 100, 1000));
  tree.write("proc/101/stat", "");
  readings = read_once(*meter);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::process_cpu), 610 * tick);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::process_rss), 1000 * page);
  EXPECT_FALSE(value_of(readings, Signal::process_switches)) << "read every fourth time";
}

TEST(ProcessMeter, time_never_falls_and_an_ended_group_is_silent) {
  Tree tree;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  tree.write("proc/100/stat", a_stat(100, 1, 100, 500, 0, 10));
  tree.write("proc/101/stat", a_stat(101, 100, 100, 80, 0, 10));
  const auto meter = make_process_meter(100, tree.root());
  read_once(*meter);
  // Ended, and the parent's account was read a moment before it waited.
  tree.write("proc/101/stat", "");
  EXPECT_DOUBLE_EQ(*value_of(read_once(*meter), Signal::process_cpu), 580 * tick);
  tree.write("proc/100/stat", "");
  EXPECT_TRUE(read_once(*meter).empty());
  EXPECT_EQ(meter->failed_reads(), 0);
}

TEST(ProcessMeter, finds_processes_that_join_the_group_later) {
  Tree tree;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  tree.write("proc/50/stat", a_stat(50, 1, 50, 7, 0, 10));
  tree.write("proc/100/stat", a_stat(100, 1, 100, 500, 0, 10));
  tree.write("proc/300/stat", a_stat(300, 1, 300, 7, 0, 10));
  const auto meter = make_process_meter(100, tree.root());
  read_once(*meter);
  tree.write("proc/200/stat", a_stat(200, 100, 100, 30, 0, 10));
  for (int i = 0; i < 3; ++i) {
    read_once(*meter);
  }
  EXPECT_DOUBLE_EQ(*value_of(read_once(*meter), Signal::process_cpu), 530 * tick);
  // A pid once seen elsewhere, used again for a process of the group.
  tree.write("proc/300/stat", a_stat(300, 100, 100, 5, 0, 10));
  for (int i = 0; i < 32; ++i) {
    read_once(*meter);
  }
  EXPECT_DOUBLE_EQ(*value_of(read_once(*meter), Signal::process_cpu), 535 * tick);
}

TEST(ProcessMeter, a_group_that_does_not_exist_yet_reads_nothing) {
  Tree tree;
  tree.write("proc/1/stat", a_stat(1, 0, 1, 5, 0, 5));
  const auto meter = make_process_meter(777, tree.root());
  EXPECT_TRUE(read_once(*meter).empty());
  tree.write("proc/777/stat", a_stat(777, 1, 777, 5, 0, 5));
  EXPECT_FALSE(read_once(*meter).empty());
}

TEST(ProcessMeter, follows_this_very_process) {
  const auto meter = make_process_meter(::getpgrp());
  const auto readings = read_once(*meter);
  EXPECT_GT(*value_of(readings, Signal::process_rss), 1e6);
  EXPECT_TRUE(value_of(readings, Signal::process_cpu));
}

}  // namespace
}  // namespace llem::meters
