#pragma once

// Owns: the characterisation of one device: load it on and off, poll its sensors, work out what
// they are.

#include <functional>
#include <string>
#include <string_view>

#include <llem/interrupt.hpp>

#include "calibration/load.hpp"
#include "domain/calibration.hpp"
#include "meters/meter.hpp"

namespace llem::calibration {

struct CalibrationPorts {
  Load& load;
  Interrupts interrupts;
  std::function<void(std::string_view)> say = [](std::string_view) {};  // what is going on
};

/// The meters of `set` that measure energy or power of the device; none when it has no sensor.
std::vector<meters::Meter*> sensors_of(const meters::MeterSet& set, std::string_view device);

/// Polls `sensors` every millisecond while the load goes on and off, `repeats` times over. An
/// interrupt is an error of its kind, within a burst of the load.
Expected<domain::Calibration> calibrate(const std::vector<meters::Meter*>& sensors, int repeats,
                                        CalibrationPorts& ports);

/// About how long that takes with sensors that update every 100 ms.
Seconds expected_duration(int repeats);

}  // namespace llem::calibration
