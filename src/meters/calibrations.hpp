#pragma once

// Owns: what `llem calibrate` found, kept for this user, a file a device.

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "domain/calibration.hpp"
#include "sys/file.hpp"

namespace llem::meters {

/// <cache>/sensors/<uuid>.json
sys::Path calibration_path(std::string_view device);

Expected<void> keep_calibration(const domain::Calibration& calibration);

/// Absent when there is none, none that can be read, or one made with another driver: a driver
/// decides how readings are averaged.
std::optional<domain::Calibration> kept_calibration(std::string_view device,
                                                    std::string_view driver_version);

}  // namespace llem::meters
