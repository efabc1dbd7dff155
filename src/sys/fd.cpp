#include "sys/fd.hpp"

#include <unistd.h>

namespace llem::sys {

void Fd::close() noexcept {
  if (fd_ >= 0) {
    // Linux releases the descriptor even when close(2) says EINTR: trying again could close someone
    // else's.
    ::close(std::exchange(fd_, -1));
  }
}

}  // namespace llem::sys
