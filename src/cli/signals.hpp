#pragma once

// Owns: this process's signals. Blocked while a study runs and read as data; untouched before, so
// that a download ends at once at ctrl-c.

#include <llem/interrupt.hpp>

namespace llem::cli {

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// From now on SIGINT, SIGTERM and SIGHUP ask the library to stop: the first cleanly, the second
  /// at once.
  void hold();
  Interrupts interrupts();
  /// 128 + the first signal that came; 130 when none did.
  int exit_code() const;

 private:
  int fd_ = -1;
  int first_ = 0;
};

}  // namespace llem::cli
