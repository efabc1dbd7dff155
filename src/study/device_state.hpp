#pragma once

// Owns: power limits and clocks around one trial, as a study keeps them: where the guard program
// and the lock files are, and what is noted when something goes wrong.

#include <span>
#include <vector>

#include "domain/plan.hpp"
#include "domain/recording.hpp"
#include "meters/device_state_guard.hpp"
#include "study/drive.hpp"
#include "sys/file.hpp"

namespace llem::study {

/// Before the first trial: whether every configuration of the plan can have the limits and clocks
/// it sets. Changes nothing.
Expected<void> check_device_state(const domain::Plan& plan, std::span<const Means> means);

/// meters::DeviceStateGuard::apply() with this installation's guard; `place` is the trial's
/// directory.
Expected<meters::DeviceStateGuard> set_device_state(std::vector<domain::Device>& devices,
                                                    const domain::Deploy& deploy,
                                                    const sys::Path& place);

/// Puts the devices back; what went wrong is added to the recording's notes.
void restore_device_state(meters::DeviceStateGuard& guard, domain::Recording& recording);

}  // namespace llem::study
