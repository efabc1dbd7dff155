#include "support/streams.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace llem::worker {

namespace {

constexpr int kExitNoStream = 71;  // EX_OSERR
// Above the numbers that shells and libraries take for themselves.
constexpr int kLowestPrivate = 10;

int private_copy(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, kLowestPrivate);
  if (copy < 0) {
    std::perror("llem worker: cannot keep the protocol stream");
    std::_Exit(kExitNoStream);
  }
  return copy;
}

}  // namespace

Streams take_streams() {
  const Streams streams{private_copy(STDIN_FILENO), private_copy(STDOUT_FILENO)};
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    std::perror("llem worker: cannot redirect the standard streams");
    std::_Exit(kExitNoStream);
  }
  if (null != STDIN_FILENO) {
    ::close(null);
  }
  ::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): cannot fail for a valid signal
  // A host that was killed must leave no engine behind. Where the parent is already gone, the
  // input's end tells.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return streams;
}

}  // namespace llem::worker
