#include "scripted/faults.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace llem::worker {

namespace {

constexpr int kKeptDescriptors = 3;
constexpr int kHighestClosed = 256;

void live_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  std::_Exit(0);
}

void daemonise(double seconds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    if (::fork() != 0) {
      std::_Exit(0);
    }
    for (int fd = kKeptDescriptors; fd < kHighestClosed; ++fd) {
      ::close(fd);
    }
    live_for(seconds);
  }
  ::waitpid(child, nullptr, 0);
}

[[noreturn]] void end(const Die& how) {
  if (how.signal) {
    const auto signal = static_cast<int>(*how.signal);
    ::signal(signal, SIG_DFL);  // NOLINT(cert-err33-c): SIGKILL has no handler to reset
    ::raise(signal);
  }
  std::_Exit(static_cast<int>(how.exit_code.value_or(1)));
}

}  // namespace

void Faults::begin() {
  if (script_.ignore_sigterm) {
    ::signal(SIGTERM, SIG_IGN);  // NOLINT(cert-err33-c)
  }
  if (script_.hold_stream_s > 0 && ::fork() == 0) {
    live_for(script_.hold_stream_s);
  }
  if (script_.daemonise_s > 0) {
    daemonise(script_.daemonise_s);
  }
}

Expected<void> Faults::strike(std::string_view moment) {
  if (moment == "load") {
    const std::string line(127, '#');
    for (std::int64_t left = script_.flood_stderr_bytes; left > 0; left -= 128) {
      std::fprintf(stderr, "%s\n", line.c_str());
    }
  }
  if (script_.garbage_line == moment) {
    LLEM_TRY(write_all(link_.output(), "Loading checkpoint shards: 100%\n"));
  }
  if (script_.long_line == moment) {
    LLEM_TRY(write_all(link_.output(), std::string(protocol::kMaxLine + 1, 'x') + "\n"));
  }
  if (script_.half_line == moment) {
    LLEM_TRY(write_all(link_.output(), R"({"type":"progr)"));
  }
  if (script_.die && script_.die->when == moment) {
    end(*script_.die);
  }
  if (script_.close_stream == moment) {
    ::close(link_.output());
  }
  while (script_.hang == moment || script_.close_stream == moment) {
    ::pause();
  }
  if (script_.error && script_.error->when == moment) {
    return failure(ErrorKind::engine, script_.error->message, {}, script_.error->kind);
  }
  return {};
}

}  // namespace llem::worker
