#include "meters/nvml_control.hpp"

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "fake.hpp"

namespace llem::meters::nvml {
namespace {

Allowed an_h100() {
  Allowed allowed;
  allowed.power_mw = Range{200'000, 700'000};
  allowed.sm_mhz = Range{345, 1980};
  allowed.memory_mhz = {2619, 1593};
  return allowed;
}

Setting power(double watts) {
  return {.power_limit_w = watts, .sm_mhz = {}, .memory_mhz = {}};
}

Setting sm(std::int64_t mhz) {
  return {.power_limit_w = {}, .sm_mhz = mhz, .memory_mhz = {}};
}

Setting memory(std::int64_t mhz) {
  return {.power_limit_w = {}, .sm_mhz = {}, .memory_mhz = mhz};
}

TEST(DeviceSetting, may_be_either_end_of_the_range_and_nothing_beyond) {
  EXPECT_TRUE(check_setting(power(200), an_h100(), "gpu:0"));
  EXPECT_TRUE(check_setting(power(700), an_h100(), "gpu:0"));
  EXPECT_FALSE(check_setting(power(199.999), an_h100(), "gpu:0"));
  EXPECT_FALSE(check_setting(power(700.001), an_h100(), "gpu:0"));
  EXPECT_TRUE(check_setting(sm(345), an_h100(), "gpu:0"));
  EXPECT_TRUE(check_setting(sm(1980), an_h100(), "gpu:0"));
  EXPECT_FALSE(check_setting(sm(344), an_h100(), "gpu:0"));
  EXPECT_FALSE(check_setting(sm(1981), an_h100(), "gpu:0"));
  EXPECT_TRUE(check_setting(memory(1593), an_h100(), "gpu:0"));
  EXPECT_FALSE(check_setting(memory(2000), an_h100(), "gpu:0"))
      << "in the range, but no such clock";
}

TEST(DeviceSetting, out_of_range_names_range_and_place) {
  const Error limit = check_setting(power(900), an_h100(), "gpu:0").error();
  EXPECT_EQ(limit.kind, ErrorKind::preflight);
  EXPECT_EQ(limit.message, "the power limit of gpu:0 can be 200 to 700 W, not 900 W");
  EXPECT_EQ(limit.context, std::vector<std::string>{"deploy.power_limit_w"});
  EXPECT_EQ(check_setting(sm(100), an_h100(), "gpu:0").error().message,
            "the SM clock of gpu:0 can be 345 to 1980 MHz, not 100 MHz");
  const Error clock = check_setting(memory(2000), an_h100(), "gpu:0").error();
  EXPECT_EQ(clock.message, "the memory clock of gpu:0 can be 2619, 1593 MHz, not 2000 MHz");
  EXPECT_EQ(clock.context, std::vector<std::string>{"deploy.clocks.memory_mhz"});
}

TEST(DeviceSetting, is_left_to_the_driver_where_it_tells_no_range) {
  EXPECT_TRUE(check_setting({900.0, 1, 1}, Allowed{}, "gpu:0"));
}

struct OneGpu {
  explicit OneGpu(const std::string& scenario)
      : fake(scenario),
        api(Api::open(library_names()).value()),
        gpu(list_gpus(*api).value().gpus.at(0)) {}

  unsigned limit_mw() const {
    unsigned milliwatts = 0;
    EXPECT_EQ(api->power_limit(gpu.handle, &milliwatts), kSuccess);
    return milliwatts;
  }

  unsigned clock_mhz(int type) const {
    unsigned megahertz = 0;
    EXPECT_EQ(api->clock(gpu.handle, type, &megahertz), kSuccess);
    return megahertz;
  }

  FakeNvml fake;
  std::shared_ptr<const Api> api;
  Gpu gpu;
};

TEST(DeviceControl, knows_what_the_driver_allows) {
  const OneGpu at(R"({"device": {"power_limit_min_w": 100, "power_limit_max_w": 350,
    "clock_sm_min_mhz": 210, "clock_sm_max_mhz": 1410, "clocks_memory_mhz": [810, 1215]}})");
  const Allowed allowed = read_allowed(*at.api, at.gpu);
  ASSERT_TRUE(allowed.power_mw);
  EXPECT_EQ(allowed.power_mw->low, 100'000U);
  EXPECT_EQ(allowed.power_mw->high, 350'000U);
  ASSERT_TRUE(allowed.sm_mhz);
  EXPECT_EQ(allowed.sm_mhz->low, 210U);
  EXPECT_EQ(allowed.sm_mhz->high, 1410U);
  EXPECT_EQ(allowed.memory_mhz, (std::vector<unsigned>{1215, 810}));
}

TEST(DeviceControl, knows_nothing_where_the_driver_says_nothing) {
  const OneGpu at(R"({"errors": {"nvmlDeviceGetPowerManagementLimitConstraints": 3,
    "nvmlDeviceGetSupportedMemoryClocks": 3}})");
  const Allowed allowed = read_allowed(*at.api, at.gpu);
  EXPECT_FALSE(allowed.power_mw);
  EXPECT_FALSE(allowed.sm_mhz);
  EXPECT_TRUE(allowed.memory_mhz.empty());
}

TEST(DeviceControl, sets_and_puts_back_power_limit_and_clocks) {
  const OneGpu at(R"({"device": {"power_limit_w": 650.5}})");
  const OriginalState original = read_original(*at.api, at.gpu, true, true, true).value();
  EXPECT_EQ(original.power_limit_mw, 650'500);
  bool changed = false;
  ASSERT_TRUE(apply_setting(*at.api, at.gpu, {300.25, 1200, 1593}, changed));
  EXPECT_TRUE(changed);
  EXPECT_EQ(at.limit_mw(), 300'250U);
  EXPECT_EQ(at.clock_mhz(1), 1200U);
  EXPECT_EQ(at.clock_mhz(2), 1593U);
  for (int time = 0; time < 2; ++time) {
    ASSERT_TRUE(put_back(*at.api, at.gpu, original)) << "twice does no harm";
    EXPECT_EQ(at.limit_mw(), 650'500U);
    EXPECT_EQ(at.clock_mhz(1), 1410U);
    EXPECT_EQ(at.clock_mhz(2), 2619U);
  }
}

TEST(DeviceControl, touches_nothing_that_was_not_asked_for) {
  const OneGpu at(R"({"errors": {"nvmlDeviceSetPowerManagementLimit": 4,
    "nvmlDeviceResetMemoryLockedClocks": 4}})");
  bool changed = false;
  ASSERT_TRUE(apply_setting(*at.api, at.gpu, sm(1200), changed));
  const OriginalState original = read_original(*at.api, at.gpu, false, true, false).value();
  EXPECT_FALSE(original.power_limit_mw);
  EXPECT_TRUE(put_back(*at.api, at.gpu, original));
  EXPECT_EQ(at.clock_mhz(1), 1410U);
}

TEST(DeviceControl, without_permission_says_both_ways_out) {
  const OneGpu at(R"({"errors": {"nvmlDeviceSetPowerManagementLimit": 4}})");
  bool changed = false;
  const Error error = apply_setting(*at.api, at.gpu, {300.0, 1200, {}}, changed).error();
  EXPECT_FALSE(changed);
  EXPECT_EQ(error.kind, ErrorKind::preflight);
  EXPECT_EQ(error.code, "limits_refused");
  EXPECT_TRUE(contains(error.message, "NVML 4, NO_PERMISSION"));
  EXPECT_TRUE(contains(error.hint, "run llem as root"));
  EXPECT_TRUE(contains(error.hint, "`sudo nvidia-smi -i " + at.gpu.uuid + " -pl 300`"));
  EXPECT_EQ(at.clock_mhz(1), 1410U) << "the clocks come after the limit";
}

TEST(DeviceControl, a_device_that_cannot_lock_clocks_says_so) {
  const OneGpu at(R"({"errors": {"nvmlDeviceSetMemoryLockedClocks": 3,
    "nvmlDeviceResetMemoryLockedClocks": 3}})");
  bool changed = false;
  const Error error = apply_setting(*at.api, at.gpu, {300.0, {}, 1593}, changed).error();
  EXPECT_TRUE(changed) << "the power limit is to be put back";
  EXPECT_EQ(error.code, "limits_refused");
  EXPECT_EQ(error.hint, "leave deploy.clocks.memory_mhz out");
  OriginalState original;
  original.power_limit_mw = 700'000;
  original.unlock_memory = true;
  EXPECT_TRUE(put_back(*at.api, at.gpu, original)) << "what cannot be locked is not locked";
  EXPECT_EQ(at.limit_mw(), 700'000U);
}

TEST(DeviceControl, that_cannot_put_back_tries_the_rest_and_says_how_to) {
  const OneGpu at(R"({"device": {"power_limit_w": 400},
    "errors": {"nvmlDeviceResetGpuLockedClocks": 4}})");
  const OriginalState original = read_original(*at.api, at.gpu, true, true, false).value();
  bool changed = false;
  ASSERT_TRUE(apply_setting(*at.api, at.gpu, {300.0, 1200, {}}, changed));
  const Error error = put_back(*at.api, at.gpu, original).error();
  EXPECT_EQ(error.code, "limits_not_restored");
  EXPECT_EQ(error.hint, "`sudo nvidia-smi -i " + at.gpu.uuid + " -rgc`");
  EXPECT_EQ(at.limit_mw(), 400'000U) << "the limit is back all the same";
}

TEST(DeviceControl, refreshes_the_limits_another_limiter_may_have_lowered) {
  const OneGpu at(R"({"device": {"power_limit_other_w": 280}})");
  bool changed = false;
  ASSERT_TRUE(apply_setting(*at.api, at.gpu, power(300), changed));
  base::Json facts = base::Json::object({{"power_limit_w", 700.0}, {"kept", true}});
  refresh_limits(*at.api, at.gpu, facts);
  EXPECT_EQ(facts,
            base::Json::object(
                {{"power_limit_w", 300.0}, {"kept", true}, {"power_limit_enforced_w", 280.0}}));
}

TEST(GuardMessages, survive_the_way_there) {
  GuardReady ready;
  ready.pid = 77;
  ready.originals = {{"gpu:GPU-a", 700'000, true, false}, {"gpu:GPU-b", {}, false, true}};
  const auto json = base::parse_json(base::write_json(base::write_struct(ready))).value();
  const GuardReady read = base::read_json_struct<GuardReady>(json, "line").value();
  ASSERT_EQ(read.originals.size(), 2U);
  EXPECT_EQ(read.originals[0].power_limit_mw, 700'000);
  EXPECT_TRUE(read.originals[0].unlock_sm);
  EXPECT_FALSE(read.originals[1].power_limit_mw);
  EXPECT_TRUE(read.originals[1].unlock_memory);
  EXPECT_FALSE(base::read_json_struct<GuardOrder>(json, "line")) << "the other message";
}

}  // namespace
}  // namespace llem::meters::nvml
