// The product's own way to the driver, with a fake driver at its end.

#include <gtest/gtest.h>

#include "fake.hpp"
#include "meters/nvml_api.hpp"

namespace llem::meters {
namespace {

using domain::Scope;
using domain::Signal;

MeterOptions only_nvml() {
  return {.meters = {"nvml"}, .devices = {}, .gpus_used = true};
}

constexpr const char* kSquare =
    R"({"device": {"power": {"shape": "square", "low_w": 100, "high_w": 500,
  "period_s": 0.73, "phase_s": 0.2, "duty": 0.4}}})";

TEST(NvmlMeter, energy_is_the_integral_of_the_power_to_a_tick) {
  FakeNvml fake(kSquare);
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set) << set.error().message;
  const double begin = *value_of(read_all(*set), Signal::energy);
  fake.set_time(1012.345);
  const double end = *value_of(read_all(*set), Signal::energy);
  const double exact = fake.device().power.integral(1012.345) - fake.device().power.integral(1000);
  // Both readings are at most a counter tick old, at up to 500 W.
  EXPECT_NEAR(end - begin, exact, 500 * fake.device().counter.period_s + 0.002);
  EXPECT_NEAR(exact, 12.345 * 260, 0.73 * 400);
}

TEST(NvmlMeter, reads_what_the_device_shows_in_si_units) {
  FakeNvml fake(
      R"({"device": {"power": {"shape": "constant", "w": 312.5}, "temperature_celsius": 61,
    "memory_temperature_celsius": 72, "clock_sm_mhz": 1755, "clock_memory_mhz": 2619, "utilisation_percent": 97,
    "memory_used_bytes": 12884901888, "event_reasons": 4, "power_limit_w": 650, "throttle_ns_per_s": {"74": 5e8}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set) << set.error().message;
  const auto readings = read_all(*set);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::power_instant), 312.5);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::power_average), 312.5);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::temperature), 61);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::memory_temperature), 72);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::clock_sm), 1.755e9);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::clock_memory), 2.619e9);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::utilisation), 0.97);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::memory_used), 12884901888.0);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::event_reasons), 4);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::power_limit), 650);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::throttle_power), 500);
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::throttle_brake), 0);
}

TEST(NvmlMeter, channels_carry_the_sensor_table) {
  FakeNvml fake("{}");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set) << set.error().message;
  const domain::Channel* energy = channel_of(*set, Signal::energy);
  ASSERT_NE(energy, nullptr);
  EXPECT_EQ(energy->device, "gpu:" + fake.device().uuid);
  EXPECT_EQ(energy->unit, "J");
  EXPECT_EQ(energy->behaviour, domain::Behaviour::counter);
  EXPECT_EQ(energy->scope, Scope::gpu);
  EXPECT_EQ(energy->meter, "nvml");
  EXPECT_EQ(energy->update_period_source, domain::Knowledge::table);
  EXPECT_FALSE(energy->wraps_at);
  const domain::Channel* power = channel_of(*set, Signal::power_instant);
  EXPECT_DOUBLE_EQ(*power->averaging_window_s, 0.025);
}

TEST(NvmlMeter, one_fast_reading_is_one_call) {
  FakeNvml fake("{}");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  const long before = fake.calls();
  domain::SampleBlock block;
  set->meters.front()->read(0, block);
  EXPECT_EQ(fake.calls(), before + 1);
  EXPECT_EQ(block.size, 3U);
  EXPECT_EQ(set->meters.front()->period(Seconds(0.01)).count(), 0.01);
  EXPECT_EQ(set->meters.back()->period(Seconds(0.01)).count(), 1);
}

TEST(NvmlMeter, follows_the_value_type_of_a_field) {
  FakeNvml fake(R"({"device": {"fields": {"186": 0, "83": 4}, "power": {"w": 250}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_DOUBLE_EQ(*value_of(read_all(*set), Signal::power_instant), 250);
}

TEST(NvmlMeter, falls_back_to_the_energy_function_and_to_the_power_draw) {
  FakeNvml fake(
      R"({"driver": "470.82.01", "device": {"architecture": 7, "compute_capability": [8, 6], "power": {"w": 220},
    "errors": {"field:83": 3, "field:185": 3, "field:186": 3}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  const auto readings = read_all(*set);
  EXPECT_TRUE(value_of(readings, Signal::energy));
  EXPECT_DOUBLE_EQ(*value_of(readings, Signal::power), 220);
  EXPECT_FALSE(value_of(readings, Signal::power_instant));
  EXPECT_DOUBLE_EQ(*channel_of(*set, Signal::power)->averaging_window_s, 1)
      << "a moving average on this card";
}

TEST(NvmlMeter, a_card_without_a_counter_is_degraded_not_zero) {
  FakeNvml fake(
      R"({"device": {"architecture": 4, "compute_capability": [6, 0], "counter": {"present": false}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_FALSE(value_of(read_all(*set), Signal::energy));
  EXPECT_TRUE(value_of(read_all(*set), Signal::power_instant));
  EXPECT_EQ(set->findings.front().state, "degraded");
  EXPECT_TRUE(contains(set->findings.front().accuracy, "no energy counter"));
}

TEST(NvmlMeter, a_superchip_prefers_the_scoped_counter_and_names_the_module) {
  FakeNvml fake(
      R"({"device": {"name": "NVIDIA GH200 480GB", "scopes": [1], "scoped_energy": true}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_EQ(channel_of(*set, Signal::energy)->scope, Scope::module);
  EXPECT_EQ(channel_of(*set, Signal::power_instant)->scope, Scope::module);
  EXPECT_TRUE(contains(set->findings.front().accuracy, "not added to CPU energy"));
}

TEST(NvmlMeter, a_superchip_that_answers_in_the_gpu_scope_is_measured_there) {
  FakeNvml fake(
      R"({"device": {"name": "NVIDIA GH200 480GB", "scopes": [0, 1], "scoped_energy": true}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_EQ(channel_of(*set, Signal::energy)->scope, Scope::gpu);
}

TEST(NvmlMeter, the_plain_counter_of_a_superchip_is_the_module) {
  FakeNvml fake(R"({"device": {"name": "NVIDIA GH200 480GB"}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_EQ(channel_of(*set, Signal::energy)->scope, Scope::module);
}

TEST(NvmlMeter, opens_all_eight_devices_or_the_ones_named) {
  FakeNvml fake(R"({"count": 8})");
  auto all = open_meters(only_nvml());
  ASSERT_TRUE(all);
  EXPECT_EQ(all->devices.size(), 8U);
  EXPECT_EQ(all->meters.size(), 16U);
  MeterOptions two = only_nvml();
  two.devices = {"3", fake.device(5).uuid, "0000:6b:00.0"};
  auto some = open_meters(two);
  ASSERT_TRUE(some) << some.error().message;
  ASSERT_EQ(some->devices.size(), 2U);
  EXPECT_EQ(some->devices[0].id, "gpu:" + fake.device(3).uuid);
  EXPECT_EQ(some->devices[1].id, "gpu:" + fake.device(5).uuid);
}

TEST(NvmlMeter, a_device_that_is_not_there_is_an_error_of_the_user) {
  FakeNvml fake("{}");
  MeterOptions options;
  options.devices = {"7"};
  const auto set = open_meters(options);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().kind, ErrorKind::preflight);
  EXPECT_TRUE(contains(set.error().message, "`7`"));
}

TEST(NvmlMeter, honours_cuda_visible_devices) {
  FakeNvml fake(R"({"count": 4})");
  {
    const Environment visible("CUDA_VISIBLE_DEVICES", "2,1,9,0");
    auto set = open_meters(only_nvml());
    ASSERT_TRUE(set);
    ASSERT_EQ(set->devices.size(), 2U);
    EXPECT_EQ(set->devices[0].id, "gpu:" + fake.device(2).uuid);
    EXPECT_TRUE(contains(set->findings.back().detail, "`9`"));
  }
  const Environment hidden("CUDA_VISIBLE_DEVICES", "");
  const auto findings = find_meters(only_nvml());
  EXPECT_TRUE(contains(findings.front().detail, "hides every GPU"));
}

TEST(NvmlMeter, warns_of_indices_among_unlike_gpus) {
  FakeNvml fake(R"({"devices": [{"name": "NVIDIA A"}, {"name": "NVIDIA B"}]})");
  const Environment visible("CUDA_VISIBLE_DEVICES", "0");
  const auto findings = find_meters(only_nvml());
  EXPECT_TRUE(contains(findings.back().fix, "CUDA_DEVICE_ORDER=PCI_BUS_ID"));
}

TEST(NvmlMeter, a_mig_instance_is_measured_by_its_gpu_and_said_so) {
  FakeNvml fake(R"({"devices": [{}, {"mig": true, "mig_instances": ["MIG-1111", "MIG-2222"]}]})");
  MeterOptions options = only_nvml();
  options.devices = {"MIG-2222"};
  auto set = open_meters(options);
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->devices.size(), 1U);
  EXPECT_EQ(set->devices[0].id, "gpu:" + fake.device(1).uuid);
  EXPECT_TRUE(set->devices[0].facts.bool_or("mig", false));
  EXPECT_FALSE(value_of(read_all(*set), Signal::utilisation));
  EXPECT_TRUE(contains(set->findings.back().detail, "MIG-2222"));
}

TEST(NvmlMeter, facts_name_driver_limits_modes_and_processes) {
  FakeNvml fake(
      R"({"device": {"process_list_grows": true, "processes": [{"pid": 4242, "memory_bytes": 1048576},
    {"pid": 7, "kind": "graphics"}]}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  const base::Json& facts = set->devices.front().facts;
  EXPECT_EQ(facts.text_or("driver_version", ""), "550.54.15");
  EXPECT_EQ(facts.text_or("architecture", ""), "hopper");
  EXPECT_EQ(facts.text_or("compute_capability", ""), "9.0");
  EXPECT_EQ(facts.text_or("pci_bus_id", ""), "00000000:3B:00.0");
  EXPECT_EQ(facts.text_or("cuda_driver_version", ""), "12.4");
  EXPECT_DOUBLE_EQ(facts.number_or("power_limit_default_w", 0), 700);
  EXPECT_DOUBLE_EQ(facts.number_or("clock_sm_max_hz", 0), 1.98e9);
  EXPECT_TRUE(facts.bool_or("persistence_mode", false));
  EXPECT_EQ(facts.text_or("compute_mode", ""), "default");
  ASSERT_NE(facts.find("processes"), nullptr);
  ASSERT_EQ(facts.find("processes")->items().size(), 2U);
  EXPECT_EQ(facts.find("processes")->items()[0].integer_or("pid", 0), 4242);
  EXPECT_EQ(facts.find("processes")->items()[1].find("memory_bytes"), nullptr);
}

TEST(NvmlMeter, a_gpu_that_falls_off_the_bus_is_lost_and_silent) {
  FakeNvml fake(R"({"device": {"errors": {"*": {"code": 15, "after_s": 5}}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_FALSE(read_all(*set).empty());
  fake.set_time(1006);
  EXPECT_TRUE(read_all(*set).empty());
  for (const auto& meter : set->meters) {
    EXPECT_TRUE(meter->lost());
    EXPECT_GT(meter->failed_reads(), 0);
  }
  const long calls = fake.calls();
  EXPECT_TRUE(read_all(*set).empty());
  EXPECT_EQ(fake.calls(), calls) << "a lost device is not asked again";
}

TEST(NvmlMeter, a_field_that_stops_answering_is_absent_while_the_others_go_on) {
  FakeNvml fake(
      R"({"device": {"errors": {"field:186": {"code": 21, "after_s": 5, "until_s": 6}}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  fake.set_time(1005.5);
  EXPECT_FALSE(value_of(read_all(*set), Signal::power_instant));
  EXPECT_TRUE(value_of(read_all(*set), Signal::energy));
  EXPECT_FALSE(set->meters.front()->lost());
  EXPECT_EQ(set->meters.front()->failed_reads(), 2);
  fake.set_time(1006.5);
  EXPECT_TRUE(value_of(read_all(*set), Signal::power_instant));
}

TEST(NvmlMeter, endless_unknown_errors_are_a_lost_device) {
  FakeNvml fake(
      R"({"device": {"errors": {"nvmlDeviceGetFieldValues": {"code": 999, "after_s": 5}}}})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  fake.set_time(1006);
  domain::SampleBlock block;
  for (int i = 0; i < 59; ++i) {
    set->meters.front()->read(0, block);
  }
  EXPECT_FALSE(set->meters.front()->lost());
  set->meters.front()->read(0, block);
  EXPECT_TRUE(set->meters.front()->lost());
}

TEST(NvmlMeter, a_reset_and_a_frozen_counter_reach_the_recording_as_they_are) {
  FakeNvml fake(
      R"({"devices": [{"counter": {"reset_after_s": 10}}, {"counter": {"frozen_after_s": 10}}]})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  const std::string reset = "gpu:" + fake.device(0).uuid;
  const std::string frozen = "gpu:" + fake.device(1).uuid;
  const double before = *value_of(read_all(*set), Signal::energy, reset);
  fake.set_time(1011);
  const auto after = read_all(*set);
  EXPECT_LT(*value_of(after, Signal::energy, reset), before);
  fake.set_time(1020);
  EXPECT_EQ(value_of(read_all(*set), Signal::energy, frozen),
            value_of(after, Signal::energy, frozen));
}

/// Every code, at every call: nothing crashes, nothing reads as zero energy, and each way out says
/// why.
class EveryCode : public testing::TestWithParam<int> {};

TEST_P(EveryCode, at_every_call_leaves_a_reading_or_a_reason) {
  constexpr const char* kCalls[] = {"nvmlInit_v2",
                                    "nvmlSystemGetDriverVersion",
                                    "nvmlSystemGetNVMLVersion",
                                    "nvmlSystemGetCudaDriverVersion_v2",
                                    "nvmlDeviceGetCount_v2",
                                    "nvmlDeviceGetHandleByIndex_v2",
                                    "nvmlDeviceGetName",
                                    "nvmlDeviceGetUUID",
                                    "nvmlDeviceGetVbiosVersion",
                                    "nvmlDeviceGetPciInfo_v3",
                                    "nvmlDeviceGetArchitecture",
                                    "nvmlDeviceGetCudaComputeCapability",
                                    "nvmlDeviceGetNumGpuCores",
                                    "nvmlDeviceGetMemoryBusWidth",
                                    "nvmlDeviceGetFieldValues",
                                    "nvmlDeviceGetTotalEnergyConsumption",
                                    "nvmlDeviceGetPowerUsage",
                                    "nvmlDeviceGetPowerManagementLimit",
                                    "nvmlDeviceGetPowerManagementDefaultLimit",
                                    "nvmlDeviceGetPowerManagementLimitConstraints",
                                    "nvmlDeviceGetEnforcedPowerLimit",
                                    "nvmlDeviceGetPersistenceMode",
                                    "nvmlDeviceGetTemperature",
                                    "nvmlDeviceGetTemperatureThreshold",
                                    "nvmlDeviceGetClockInfo",
                                    "nvmlDeviceGetMaxClockInfo",
                                    "nvmlDeviceGetCurrentClocksEventReasons",
                                    "nvmlDeviceGetMemoryInfo",
                                    "nvmlDeviceGetMemoryInfo_v2",
                                    "nvmlDeviceGetUtilizationRates",
                                    "nvmlDeviceGetEccMode",
                                    "nvmlDeviceGetMigMode",
                                    "nvmlDeviceGetComputeMode",
                                    "nvmlDeviceGetVirtualizationMode",
                                    "nvmlDeviceGetComputeRunningProcesses_v3",
                                    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
                                    "nvmlDeviceGetGraphicsRunningProcesses_v3",
                                    "nvmlDeviceGetCurrPcieLinkGeneration",
                                    "nvmlDeviceGetCurrPcieLinkWidth",
                                    "field:82",
                                    "field:83",
                                    "field:74",
                                    "field:185",
                                    "field:186",
                                    "field:269",
                                    "*"};
  const int code = GetParam();
  for (const char* call : kCalls) {
    for (const int after_s : {0, 5}) {
      SCOPED_TRACE(std::string(call) + " after " + std::to_string(after_s) + " s");
      const std::string fault = "{\"" + std::string(call) +
                                "\": {\"code\": " + std::to_string(code) +
                                ", \"after_s\": " + std::to_string(after_s) + "}}";
      const bool system = std::string_view(call).starts_with("nvmlInit") ||
                          std::string_view(call).starts_with("nvmlSystem") ||
                          std::string_view(call) == "nvmlDeviceGetCount_v2";
      FakeNvml fake(system ? "{\"errors\": " + fault + "}"
                           : "{\"device\": {\"errors\": " + fault + "}}");
      auto set = open_meters(only_nvml());
      if (!set) {
        EXPECT_EQ(set.error().kind, ErrorKind::preflight);
        EXPECT_FALSE(set.error().message.empty());
        continue;
      }
      fake.set_time(1010);
      for (const Reading& reading : read_all(*set)) {
        if (reading.channel.signal == Signal::energy ||
            reading.channel.signal == Signal::power_instant ||
            reading.channel.signal == Signal::power_average ||
            reading.channel.signal == Signal::power) {
          EXPECT_GT(reading.value, 0);
        }
      }
      EXPECT_FALSE(set->findings.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nvml, EveryCode,
                         testing::Values(1, 2, 3, 4, 6, 7, 9, 10, 13, 15, 16, 17, 18, 19, 21, 25,
                                         27, 999));

TEST(NvmlMeter, without_the_library_says_how_to_get_it) {
  const Environment none("LLEM_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so.1");
  const auto set = open_meters(only_nvml());
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().kind, ErrorKind::preflight);
  EXPECT_TRUE(contains(set.error().message, "/nonexistent/libnvidia-ml.so.1"));
  EXPECT_TRUE(contains(set.error().hint, "NVIDIA driver"));
}

TEST(NvmlMeter, a_machine_without_gpus_or_with_refused_ones_says_so) {
  {
    FakeNvml fake(R"({"count": 0})");
    EXPECT_TRUE(contains(find_meters(only_nvml()).front().detail, "knows no GPU"));
  }
  FakeNvml fake(R"({"devices": [{}, {"errors": {"nvmlDeviceGetHandleByIndex_v2": 4}}]})");
  auto set = open_meters(only_nvml());
  ASSERT_TRUE(set);
  EXPECT_EQ(set->devices.size(), 1U);
  EXPECT_TRUE(contains(set->findings.back().detail, "NO_PERMISSION"));
}

TEST(NvmlMeter, a_version_mismatch_names_driver_and_library) {
  FakeNvml fake(R"({"errors": {"nvmlInit_v2": 18}})");
  const auto finding = find_meters(only_nvml()).front();
  EXPECT_EQ(finding.state, "missing");
  EXPECT_TRUE(contains(finding.detail, "differ in version"));
  EXPECT_TRUE(contains(finding.fix, "reboot"));
}

}  // namespace
}  // namespace llem::meters
