#pragma once

// Owns: writing to a closed pipe without SIGPIPE and without touching the program's signal
// handlers.

#include <signal.h>

namespace llem::sys {

/// While it lives, SIGPIPE is blocked in this thread; one that our writes raised is taken back on
/// destruction. (A SIGPIPE of write(2) goes to the writing thread, so no other thread can receive
/// it.)
class SigpipeGuard {
 public:
  SigpipeGuard();
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard();

 private:
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace llem::sys
