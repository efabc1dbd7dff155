#include "cli/skip_key.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace llem::cli {

namespace {

/// Bytes of whole lines that wait at the terminal; 0 where it is not ours.
int waiting() {
  int bytes = 0;
  const bool ours = isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp();
  return ours && ioctl(STDIN_FILENO, FIONREAD, &bytes) == 0 ? bytes : 0;
}

}  // namespace

void SkipKey::arm() {
  before_ = waiting();
}

bool SkipKey::pressed() const {
  return waiting() > before_;
}

}  // namespace llem::cli
