#include "study/device_state.hpp"

#include <fmt/format.h>

#include "engines/catalogue.hpp"
#include "meters/guard_messages.hpp"
#include "study/device_locks.hpp"

namespace llem::study {

Expected<void> check_device_state(const domain::Plan& plan, std::span<const Means> means) {
  for (std::size_t i = 0; i < plan.configurations.size(); ++i) {
    LLEM_TRY(
        meters::DeviceStateGuard::check(means[i].meters->devices, plan.configurations[i].deploy));
  }
  return {};
}

Expected<meters::DeviceStateGuard> set_device_state(std::vector<domain::Device>& devices,
                                                    const domain::Deploy& deploy,
                                                    const sys::Path& place) {
  meters::GuardFiles files{{}, place, lock_folder()};
  if (meters::sets_device_state(deploy)) {  // only then is the program needed
    LLEM_ASSIGN(files.program, engines::find_companion(meters::kGuardProgram));
  }
  return meters::DeviceStateGuard::apply(devices, deploy, files);
}

void restore_device_state(meters::DeviceStateGuard& guard, domain::Recording& recording) {
  if (const auto restored = guard.restore(); !restored) {
    const Error& error = restored.error();
    recording.notes.push_back({error.code, fmt::format("{} ({})", error.message, error.hint)});
  }
}

}  // namespace llem::study
