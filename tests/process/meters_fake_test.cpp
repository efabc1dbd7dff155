// A fake machine made by tests/fakes/make_sysfs.py, its counters running in real time, read as a
// real one would be.

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/wait.hpp"
#include "unit/meters/fake.hpp"

namespace llem::meters {
namespace {

TEST(FakeMachine, rapl_energy_is_power_times_time_across_a_wrap) {
  auto directory = sys::TempDir::make("llem-fake-machine").value();
  const std::string root = directory.path().string();
  // Both packages wrap a quarter of a second after the start, and again every 1.25 s.
  auto machine =
      sys::Process::spawn({{"python3", LLEM_FAKES "/make_sysfs.py", root, "--packages", "2",
                            "--psys", "--mmio", "--proc", "fake", "--live", "--power-w", "400",
                            "--dram-w", "40", "--range-uj", "500000000", "--start-uj", "400000000"},
                           {}});
  ASSERT_TRUE(machine) << machine.error().message;
  std::array<sys::Waitable, 1> said{sys::Waitable{machine->output().get(), false, false}};
  ASSERT_TRUE(*sys::wait_any(said, std::chrono::steady_clock::now() + std::chrono::seconds(20)));

  const Environment at("LLEM_SYSFS_ROOT", root);
  auto set = open_meters({.meters = {"rapl"}, .devices = {}, .gpus_used = false});
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->devices.size(), 2U);
  Meter& meter = *set->meters.front();
  ASSERT_EQ(meter.channels().size(), 5U) << "two packages with memory, psys, and no duplicate";

  std::vector<domain::SampleBlock> looks;
  looks.reserve(32);
  for (int i = 0; i < 25; ++i) {
    looks.emplace_back();
    meter.read(0, looks.back());
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  }
  for (std::size_t c = 0; c < meter.channels().size(); ++c) {
    const domain::Channel& channel = meter.channels()[c];
    double joules = 0;
    double worst_gap_s = 0;
    for (std::size_t i = 1; i < looks.size(); ++i) {
      ASSERT_EQ(looks[i].size, 5U);
      const double step = looks[i].samples[c].value - looks[i - 1].samples[c].value;
      joules += step >= 0 ? step : step + *channel.wraps_at;
      worst_gap_s = std::max(
          worst_gap_s, seconds_between(looks[i - 1].samples[c].t_ns, looks[i].samples[c].t_ns));
    }
    ASSERT_LT(worst_gap_s, 0.8) << "the machine is too busy to read between two wraps";
    const double watts = channel.scope == domain::Scope::dram   ? 40
                         : channel.scope == domain::Scope::psys ? 600
                                                                : 400;
    const double seconds =
        seconds_between(looks.front().samples[c].t_ns, looks.back().samples[c].t_ns);
    // The writer may be kept waiting at either end on a busy machine.
    EXPECT_NEAR(joules / seconds, watts, 0.08 * watts) << channel.device;
  }
}

}  // namespace
}  // namespace llem::meters
