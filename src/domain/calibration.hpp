#pragma once

// Owns: what `llem calibrate` found out about the sensors of one device.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "domain/channel.hpp"

namespace llem::domain {

/// What is absent could not be determined.
struct SensorCalibration {
  Signal signal = Signal::energy;
  std::optional<double> update_period_s;
  std::optional<double> update_period_u_s;
  std::optional<double> averaging_window_s;
  std::optional<double> averaging_window_u_s;
  std::optional<double> delay_s;          // between what a reading averages and its publication
  std::optional<double> explained_ratio;  // of the readings' variance, by the load
  std::int64_t readings = 0;              // distinct ones
  static const base::Table& table();
};

/// Energy by the counter against power integrated over the same time.
struct CounterCheck {
  Signal power = Signal::power_instant;
  double counter_j = 0;
  double integral_j = 0;
  double ratio = 0;  // counter / integral
  static const base::Table& table();
};

struct Calibration {
  std::string schema = "calibration";
  std::string schema_version = "1.0.0";
  std::string device;  // "gpu:<uuid>"
  std::string name;
  std::string driver_version;
  std::string tool_version;
  std::string made_utc;
  double duration_s = 0;
  double sample_hz = 0;
  std::vector<SensorCalibration> sensors;
  std::optional<CounterCheck> counter;
  static const base::Table& table();
};

/// Absent when it says nothing of that signal.
const SensorCalibration* sensor_of(const Calibration& calibration, Signal signal);

}  // namespace llem::domain
