#include "cli/signals.hpp"

#include <csignal>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace llem::cli {

namespace {

/// Those that whoever started this program did not ask it to ignore (nohup ignores SIGHUP). A
/// blocked signal would be queued even where it is ignored.
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action{};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      sigaddset(&set, signal);
    }
  }
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = stop_signals();
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  // A reader that went away is an error of write(2), not the end of a measurement.
  std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

void Signals::hold() {
  if (fd_ < 0) {
    return;  // blocked and unread they would be lost
  }
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Interrupts Signals::interrupts() {
  return {fd_, [this] {
            signalfd_siginfo info{};
            if (read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
              return StopRequest::none;
            }
            if (first_ == 0) {
              first_ = static_cast<int>(info.ssi_signo);
              return StopRequest::stop;
            }
            return StopRequest::kill;
          }};
}

int Signals::exit_code() const {
  return 128 + (first_ == 0 ? SIGINT : first_);
}

}  // namespace llem::cli
