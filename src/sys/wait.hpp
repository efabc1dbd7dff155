#pragma once

// Owns: waiting for the first of several descriptors or a deadline.

#include <span>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace llem::sys {

struct Waitable {
  int fd = -1;  // negative: ignored
  bool for_writing = false;
  bool ready = false;  // set by wait_any
};

/// Waits until one is ready or `deadline` passes (an absolute monotonic time); false when it
/// passed. EINTR is retried.
Expected<bool> wait_any(std::span<Waitable> waitables, MonotonicTime deadline);

/// Now and `duration`; MonotonicTime::max(), which wait_any takes for "never", when it is beyond a
/// human life.
MonotonicTime deadline_after(Seconds duration);

}  // namespace llem::sys
