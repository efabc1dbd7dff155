#include "study/device_locks.hpp"

#include <algorithm>
#include <optional>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "engines/worker_engine.hpp"
#include "sys/clock.hpp"
#include "sys/host.hpp"
#include "sys/wait.hpp"

namespace llem::study {

namespace {

constexpr Seconds kLook{0.2};
constexpr const char* kSharedFolder = "/tmp/llem-locks";

Expected<void> make_shared(const sys::Path& folder) {
  LLEM_TRY(sys::make_directories(folder));
  std::error_code ignored;  // another user's folder has its rights already
  std::filesystem::permissions(
      folder, std::filesystem::perms::all | std::filesystem::perms::sticky_bit, ignored);
  return {};
}

/// Looks again and again until the lock is free or an interrupt comes; `told` whom it waits for,
/// once.
Expected<StopRequest> wait_for(const sys::Path& file, const std::string& name,
                               const LockInputs& inputs, bool& told,
                               std::optional<sys::FileLock>& held) {
  while (true) {
    auto lock = sys::FileLock::acquire(file, fmt::format("pid {}", ::getpid()));
    if (lock) {
      std::error_code ignored;  // another user's file has its rights already
      std::filesystem::permissions(file, std::filesystem::perms{0666}, ignored);
      held = *std::move(lock);
      return StopRequest::none;
    }
    if (lock.error().code != "locked") {
      return tl::unexpected(std::move(lock).error());
    }
    if (!std::exchange(told, true)) {
      warn(inputs.events,
           fmt::format("waiting for {}, which another llem uses ({}); --no-lock does not wait",
                       name, sys::read_line(file).value_or("unknown")));
    }
    LLEM_ASSIGN(const StopRequest request,
                engines::wait_until(sys::deadline_after(kLook), {.interrupts = inputs.interrupts}));
    if (request != StopRequest::none) {
      return request;
    }
  }
}

/// Whoever waits stands in line: he who had the device last stands behind him, however short his
/// rests are.
Expected<StopRequest> take_turn(const sys::Path& folder, const std::string& name,
                                const LockInputs& inputs, std::optional<sys::FileLock>& held) {
  const std::string stem = base::file_name_from(name);
  std::optional<sys::FileLock> turn;
  bool told = false;
  LLEM_ASSIGN(const StopRequest request,
              wait_for(folder / (stem + ".next.lock"), name, inputs, told, turn));
  if (request != StopRequest::none) {
    return request;
  }
  return wait_for(folder / (stem + ".lock"), name, inputs, told, held);
}

}  // namespace

sys::Path lock_folder() {
  return sys::environment("LLEM_LOCK_DIR").value_or(kSharedFolder);
}

std::vector<std::string> needed_devices(const std::vector<domain::Device>& devices) {
  std::vector<std::string> names;
  for (const domain::Device& device : devices) {
    if (device.used_gpu()) {
      names.push_back(device.id);
    }
  }
  if (names.empty()) {
    names.emplace_back("cpu");
  }
  // One order for everybody: nobody waits for one who waits for him.
  std::ranges::sort(names);
  return names;
}

Expected<DeviceLocks> lock_devices(const std::vector<std::string>& names,
                                   const LockInputs& inputs) {
  DeviceLocks held;
  const sys::Path folder = lock_folder();
  Expected<void> usable = make_shared(folder);
  for (const std::string& name : names) {
    if (!usable) {
      break;
    }
    std::optional<sys::FileLock> lock;
    const auto request = take_turn(folder, name, inputs, lock);
    if (!request) {
      usable = tl::unexpected(request.error());
    } else if (*request != StopRequest::none) {
      return DeviceLocks{{}, *request};
    } else {
      held.locks.push_back(*std::move(lock));
    }
  }
  if (!usable) {
    warn(inputs.events,
         usable.error().message + ": other studies on this machine are not kept away");
  }
  return held;
}

}  // namespace llem::study
