// The way from the command to the kept file, with fake libraries for driver and CUDA, in real time.

#include <cmath>
#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>

#include "calibration/calibrate.hpp"
#include "meters/calibrations.hpp"
#include "sys/file.hpp"
#include "unit/meters/fake.hpp"

namespace llem::calibration {
namespace {

constexpr const char* kDevice = "gpu:GPU-fa4e0000-0000-4000-8000-000000000000";
constexpr double kRealTime = -1;

// A faint ripple keeps readings apart, as noise does.
constexpr const char* kFast =
    R"({"device": {"power": {"segments": [[0.37, 90, 91], [0.41, 91, 90]]},
  "load_w": 300, "update_period_s": 0.02, "window_s": 0.01, "average_window_s": 0.2,
  "counter": {"period_s": 0.015}}})";

class Calibrate : public testing::Test {
 protected:
  meters::FakeNvml driver_{kFast, kRealTime};
  meters::Environment cuda_{"LLEM_CUDA_LIBRARY", LLEM_FAKE_CUDA_LIBRARY};
  sys::TempDir home_ = sys::TempDir::make("llem-calibration").value();
  meters::Environment cache_{"XDG_CACHE_HOME", home_.path().string()};
  meters::MeterSet set_ = meters::open_meters({.meters = {"nvml"}, .devices = {}}).value();
};

TEST_F(Calibrate, finds_what_the_sensors_are) {
  auto load = open_cuda_load(kDevice);
  ASSERT_TRUE(load) << load.error().message;
  CalibrationPorts ports{**load, {}};
  const auto found = calibrate(sensors_of(set_, kDevice), 1, ports);
  ASSERT_TRUE(found) << found.error().message;
  const auto* energy = domain::sensor_of(*found, domain::Signal::energy);
  const auto* instant = domain::sensor_of(*found, domain::Signal::power_instant);
  const auto* average = domain::sensor_of(*found, domain::Signal::power_average);
  ASSERT_NE(energy, nullptr);
  ASSERT_NE(instant, nullptr);
  ASSERT_NE(average, nullptr);
  EXPECT_NEAR(energy->update_period_s.value_or(0), 0.015, 0.001);
  EXPECT_NEAR(instant->update_period_s.value_or(0), 0.02, 0.001);
  EXPECT_NEAR(average->update_period_s.value_or(0), 0.02, 0.001);
  EXPECT_NEAR(instant->averaging_window_s.value_or(0), 0.01, 0.002);
  EXPECT_NEAR(average->averaging_window_s.value_or(0), 0.2, 0.02);
  ASSERT_TRUE(found->counter);
  EXPECT_EQ(found->counter->power, domain::Signal::power_average);
  EXPECT_NEAR(found->counter->ratio, 1, 0.03);
}

TEST_F(Calibrate, goes_before_the_table_until_the_driver_changes) {
  domain::Calibration calibration;
  calibration.device = kDevice;
  calibration.driver_version = "550.54.15";
  calibration.made_utc = "2026-11-23T14:01:02.000Z";
  calibration.sensors = {{domain::Signal::power_instant, 0.0987, 1e-4, 0.0176, 1e-4, 0.0, 0.99, 1}};
  ASSERT_TRUE(meters::keep_calibration(calibration));
  const auto opened = [] {
    return meters::open_meters({.meters = {"nvml"}, .devices = {}}).value();
  };
  const auto with = opened();
  const auto* channel = meters::channel_of(with, domain::Signal::power_instant);
  EXPECT_DOUBLE_EQ(*channel->update_period_s, 0.0987);
  EXPECT_DOUBLE_EQ(*channel->averaging_window_s, 0.0176);
  EXPECT_EQ(channel->update_period_source, domain::Knowledge::calibrated);
  EXPECT_EQ(channel->averaging_window_source, domain::Knowledge::calibrated);
  EXPECT_EQ(meters::channel_of(with, domain::Signal::power_average)->averaging_window_source,
            domain::Knowledge::table);
  EXPECT_TRUE(meters::contains(with.findings.front().detail, ", calibrated 2026-11-23"));

  calibration.driver_version = "550.54.14";
  ASSERT_TRUE(meters::keep_calibration(calibration));
  EXPECT_EQ(meters::channel_of(opened(), domain::Signal::power_instant)->averaging_window_source,
            domain::Knowledge::table);
  ASSERT_TRUE(sys::write_file(meters::calibration_path(kDevice), "{"));
  EXPECT_EQ(meters::channel_of(opened(), domain::Signal::power_instant)->averaging_window_source,
            domain::Knowledge::table);
}

TEST_F(Calibrate, says_what_is_needed_where_the_gpu_cannot_be_loaded) {
  const auto other = open_cuda_load("gpu:GPU-1");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, "cuda_device_missing");
  EXPECT_TRUE(meters::contains(other.error().hint, kDevice));
  {
    const meters::Environment fails("LLEM_FAKE_CUDA", "cuCtxCreate_v2=2");
    const auto refused = open_cuda_load(kDevice);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(meters::contains(refused.error().message, "cuCtxCreate: CUDA_ERROR_UNKNOWN"));
  }
  const meters::Environment missing("LLEM_CUDA_LIBRARY", "libthere-is-none.so");
  const auto none = open_cuda_load(kDevice);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, "cuda_missing");
  EXPECT_EQ(none.error().kind, ErrorKind::preflight);
}

/// Takes no time and no power.
class NoLoad final : public Load {
 public:
  Expected<void> burst(Seconds) override { return {}; }
};

TEST_F(Calibrate, ends_at_an_interrupt_and_keeps_nothing) {
  NoLoad load;
  Interrupts interrupts;
  sys::Fd ends[2];
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  ends[0] = sys::Fd(fds[0]);
  ends[1] = sys::Fd(fds[1]);
  ASSERT_EQ(::write(fds[1], "x", 1), 1);
  interrupts.fd = fds[0];
  interrupts.read = [] { return StopRequest::stop; };
  CalibrationPorts ports{load, interrupts};
  const auto stopped = calibrate(sensors_of(set_, kDevice), 1, ports);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::interrupted);
}

}  // namespace
}  // namespace llem::calibration
