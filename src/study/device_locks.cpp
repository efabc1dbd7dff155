#include "study/device_locks.hpp"

#include <algorithm>
#include <array>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/clock.hpp"
#include "sys/host.hpp"
#include "sys/wait.hpp"

namespace llem::study {

namespace {

constexpr Seconds kLook{0.2};
constexpr const char* kSharedFolder = "/tmp/llem-locks";

void warn(const EventSink& events, std::string text) {
  Event event;
  event.kind = EventKind::warning;
  event.text = std::move(text);
  events(event);
}

Expected<void> make_shared(const sys::Path& folder) {
  LLEM_TRY(sys::make_directories(folder));
  std::error_code ignored;  // another user's folder has its rights already
  std::filesystem::permissions(
      folder, std::filesystem::perms::all | std::filesystem::perms::sticky_bit, ignored);
  return {};
}

}  // namespace

sys::Path lock_folder() {
  return sys::environment("LLEM_LOCK_DIR").value_or(kSharedFolder);
}

std::vector<std::string> needed_devices(const std::vector<domain::Device>& devices) {
  std::vector<std::string> names;
  for (const domain::Device& device : devices) {
    if (device.kind == "gpu" && device.used) {
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
                                   const Interrupts& interrupts, const EventSink& events) {
  DeviceLocks held;
  const sys::Path folder = lock_folder();
  if (const auto made = make_shared(folder); !made) {
    warn(events, made.error().message + ": other studies on this machine are not kept away");
    return held;
  }
  const std::string identity = fmt::format("pid {}", ::getpid());
  for (const std::string& name : names) {
    const sys::Path file = folder / (base::file_name_from(name) + ".lock");
    bool told = false;
    while (true) {
      auto lock = sys::FileLock::acquire(file, identity);
      if (lock) {
        std::error_code ignored;  // another user's file has its rights already
        std::filesystem::permissions(
            file,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write |
                std::filesystem::perms::group_read | std::filesystem::perms::group_write |
                std::filesystem::perms::others_read | std::filesystem::perms::others_write,
            ignored);
        held.locks.push_back(*std::move(lock));
        break;
      }
      if (lock.error().code != "locked") {
        warn(events, lock.error().message + ": other studies on this machine are not kept away");
        return held;
      }
      if (!told) {
        warn(events, fmt::format("waiting for {}, which another llem uses ({}); --no-lock does not "
                                 "wait",
                                 name, sys::read_line(file).value_or("unknown")));
        told = true;
      }
      std::array<sys::Waitable, 1> waits{sys::Waitable{.fd = interrupts.fd}};
      LLEM_ASSIGN(const bool woken, sys::wait_any(waits, sys::deadline_after(kLook)));
      if (woken) {
        held.request = interrupts.read();
        if (held.request != StopRequest::none) {
          held.locks.clear();
          return held;
        }
      }
    }
  }
  return held;
}

}  // namespace llem::study
