#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "fake.hpp"
#include "sys/file.hpp"

namespace llem::meters {
namespace {

/// An empty machine: no NVML library, no sysfs, no procfs.
class EmptyMachine {
 public:
  EmptyMachine()
      : directory_(sys::TempDir::make("llem-meters-test").value()),
        library_("LLEM_NVML_LIBRARY", "/nonexistent.so"),
        root_("LLEM_SYSFS_ROOT", directory_.path().string()) {}

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((directory_.path() / path).parent_path());
    std::ofstream(directory_.path() / path) << text;
  }

 private:
  sys::TempDir directory_;
  Environment library_;
  Environment root_;
};

bool has_finding(const std::vector<MeterFinding>& findings, std::string_view meter) {
  return std::ranges::any_of(findings,
                             [&](const MeterFinding& finding) { return finding.meter == meter; });
}

TEST(OpenMeters, on_a_machine_without_any_finds_reasons_and_announces_the_estimate) {
  EmptyMachine machine;
  const auto set = open_meters({});
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->meters.empty());
  for (const char* meter : {"nvml", "rapl", "host", "estimate"}) {
    EXPECT_TRUE(has_finding(set->findings, meter)) << meter;
  }
  EXPECT_EQ(set->findings.back().meter, "estimate");
  EXPECT_TRUE(contains(set->findings.back().accuracy, "±50 %"));
  // There is no GPU here, and the energy of one would not be estimated.
  EXPECT_TRUE(contains(set->findings.back().detail, "no sensor measures the CPU"));
  for (const MeterFinding& finding : set->findings) {
    EXPECT_FALSE(finding.fix.empty()) << finding.meter;
    EXPECT_FALSE(finding.accuracy.empty()) << finding.meter;
  }
}

TEST(OpenMeters, a_cpu_deployment_leaves_the_gpus_alone) {
  EmptyMachine machine;
  machine.write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
  machine.write("sys/class/powercap/intel-rapl:0/energy_uj", "5\n");
  MeterOptions options;
  options.gpus_used = false;
  const auto set = open_meters(options);
  ASSERT_TRUE(set);
  EXPECT_FALSE(has_finding(set->findings, "nvml"));
  EXPECT_FALSE(has_finding(set->findings, "estimate"));
  EXPECT_EQ(set->meters.size(), 1U);
}

TEST(OpenMeters, a_gpu_named_for_a_cpu_deployment_is_read_and_marked_unused) {
  FakeNvml fake("{}");
  const auto set = open_meters({.meters = {"nvml"}, .devices = {}, .gpus_used = false});
  ASSERT_TRUE(set);
  EXPECT_FALSE(set->devices.front().used);
}

TEST(OpenMeters, a_gpu_without_a_sensor_has_no_energy_and_no_estimate) {
  const EmptyMachine machine;
  FakeNvml fake(
      R"({"device": {"counter": {"present": false}, "errors": {"field:185": 3, "field:186": 3,
      "field:191": 3, "nvmlDeviceGetPowerUsage": 3, "nvmlDeviceGetTotalEnergyConsumption": 3}}})");
  const auto findings = find_meters({});
  EXPECT_FALSE(has_finding(findings, "estimate"));
  EXPECT_EQ(findings.back().meter, "gpu energy");
  EXPECT_EQ(findings.back().state, "missing");
}

TEST(OpenMeters, a_gpu_with_a_sensor_needs_no_estimate_of_the_cpu) {
  const EmptyMachine machine;
  FakeNvml fake("{}");
  const auto findings = find_meters({});
  EXPECT_FALSE(has_finding(findings, "estimate"));
  EXPECT_FALSE(has_finding(findings, "gpu energy"));
}

TEST(OpenMeters, a_named_meter_that_cannot_be_opened_is_an_error) {
  EmptyMachine machine;
  const auto set = open_meters({.meters = {"rapl"}, .devices = {}, .gpus_used = false});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().kind, ErrorKind::preflight);
  EXPECT_TRUE(contains(set.error().message, "`rapl` cannot be opened"));
  EXPECT_FALSE(set.error().hint.empty());
}

TEST(OpenMeters, an_unknown_meter_gets_the_nearest_name) {
  const auto set = open_meters({.meters = {"nvm"}, .devices = {}, .gpus_used = true});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().kind, ErrorKind::config);
  EXPECT_EQ(set.error().hint, "did you mean nvml?");
}

}  // namespace
}  // namespace llem::meters
