#pragma once

// Owns: power limit and locked clocks of a deployment's GPUs for the time of one trial, put back by
// a process that outlives this one. Does not know: trials, sensors.

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "domain/study_config.hpp"
#include "sys/file.hpp"

namespace llem::meters {

struct GuardFiles {
  sys::Path program;         // kGuardProgram
  sys::Path directory;       // device-guard.json appears here when llem did not live to be told
  sys::Path lock_directory;  // keeps guards of one device apart; empty: does not
};

/// Whether a deployment sets anything of its GPUs.
bool sets_device_state(const domain::Deploy& deploy);

class DeviceStateGuard {
 public:
  /// The errors of apply() that can be told beforehand: nothing to set them on, values out of
  /// range, a power limit that this user may not set.
  static Expected<void> check(const std::vector<domain::Device>& devices,
                              const domain::Deploy& deploy);
  /// Sets what `deploy` asks for on every GPU in use, after a guard process is ready to put it
  /// back. The facts of `devices` say what is then in force, until restore(); `devices` must
  /// outlive the guard. Without anything to set, nothing is started. Errors: kind config where no
  /// GPU is in use, preflight where a value or the user is refused; nothing is changed then.
  static Expected<DeviceStateGuard> apply(std::vector<domain::Device>& devices,
                                          const domain::Deploy& deploy, const GuardFiles& files);

  DeviceStateGuard(DeviceStateGuard&&) noexcept;
  DeviceStateGuard& operator=(DeviceStateGuard&&) noexcept;
  /// restore(), its error as a warning.
  ~DeviceStateGuard();

  /// Puts everything back and waits until it is. Code "limits_not_restored": it is not, the
  /// hint says how to. Code "guard_lost": it is, but the guard was gone, so a death of this
  /// program would have left the devices changed. The second call does nothing.
  Expected<void> restore();

 private:
  struct Held;
  explicit DeviceStateGuard(std::unique_ptr<Held> held);

  std::unique_ptr<Held> held_;  // null: nothing to put back
};

}  // namespace llem::meters
