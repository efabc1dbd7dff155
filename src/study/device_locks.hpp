#pragma once

// Owns: that trials of different studies on one machine follow each other instead of disturbing
// each other.

#include <string>
#include <vector>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "sys/file.hpp"

namespace llem::study {

/// $LLEM_LOCK_DIR, else a folder that all users of the machine share.
sys::Path lock_folder();

/// What a trial needs for itself: the GPUs it uses, by UUID, or the CPU when it uses none.
std::vector<std::string> needed_devices(const std::vector<domain::Device>& devices);

struct LockInputs {
  Interrupts interrupts;
  EventSink events;
};

/// Held while one trial runs; free again at destruction or death.
struct DeviceLocks {
  std::vector<sys::FileLock> locks;
  StopRequest request = StopRequest::none;  // not none: an interrupt came first, nothing is held
};

/// Waits for its turn, ahead of whoever holds a device now and will want it again, and tells
/// through `events` whom it waits for. Lock files lie in
/// $LLEM_LOCK_DIR, else in a folder all users of the machine share; where that cannot be written a
/// warning is given and nothing is held.
Expected<DeviceLocks> lock_devices(const std::vector<std::string>& names, const LockInputs& inputs);

}  // namespace llem::study
