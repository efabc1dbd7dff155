#pragma once

#include <functional>

namespace llem {

enum class StopRequest { none, stop, kill };

/// How the program that uses this library asks it to stop: the library waits on `fd` beside
/// everything else and calls `read` when it is readable. `stop` ends cleanly and quickly; `kill`
/// ends at once. The library touches no signal.
struct Interrupts {
  int fd = -1;  // -1: nobody interrupts
  std::function<StopRequest()> read = [] { return StopRequest::none; };
};

}  // namespace llem
