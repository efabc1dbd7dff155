#pragma once

// Owns: what is known of the power sensors of each GPU architecture, as data. Pure.

#include <optional>
#include <string_view>

namespace llem::meters::nvml {

/// Which of the driver's numbers: the energy counter, field 186, field 185, or
/// nvmlDeviceGetPowerUsage.
enum class Reading { counter, instant, average, draw };

struct GpuKind {
  unsigned architecture = 0xFFFFFFFF;  // nvmlDeviceArchitecture_t
  int compute_major = 0;
  int compute_minor = 0;
  std::string_view name;
  int driver_major = 0;
};

struct SensorDefaults {
  std::optional<double> update_period_s;
  std::optional<double> window_s;
  std::optional<double> lag_s;  // of a first-order response
  double gain_u_ratio = 0.05;
};

/// "hopper"; "unknown" for a number that is not in the header.
std::string_view architecture_name(unsigned architecture);

SensorDefaults sensor_defaults(Reading reading, const GpuKind& gpu);

}  // namespace llem::meters::nvml
