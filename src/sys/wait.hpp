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

}  // namespace llem::sys
