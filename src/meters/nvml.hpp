#pragma once

// Owns: NVIDIA GPUs as meters. Each device has two: energy and power at the sampling rate in one
// batched call, and temperatures, clocks, memory, throttle times and utilisation once a second.

#include <memory>
#include <optional>

#include "domain/calibration.hpp"
#include "meters/nvml_device.hpp"
#include "meters/opened.hpp"

namespace llem::meters {

/// Opens the GPUs that `options` selects.
Opened open_nvml(const MeterOptions& options);

namespace nvml {

/// Energy and power; what a calibration found goes before what the table says. Fails when the
/// device has gone; no channel when it measures neither.
Expected<std::unique_ptr<Meter>> open_fast_meter(
    std::shared_ptr<const Api> api, const Gpu& gpu, int driver_major,
    const std::optional<domain::Calibration>& calibration);
Expected<std::unique_ptr<Meter>> open_slow_meter(std::shared_ptr<const Api> api, const Gpu& gpu);

}  // namespace nvml
}  // namespace llem::meters
