// llem-device-guard: outlives llem and puts the GPUs back as they were, whatever becomes of llem.
// It reads its order from standard input and waits there: the kernel closes the stream when llem
// ends, however it ends.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "meters/guard_messages.hpp"
#include "meters/nvml_control.hpp"
#include "sys/file.hpp"

namespace {

using namespace llem;
using namespace std::chrono_literals;

// The guard of a llem that died a moment ago is done within this.
constexpr auto kLockPatience = 10s;
constexpr auto kLockLook = 20ms;
// Between attempts: a driver that is busy for a second is given one, more is not worth waiting for.
constexpr std::array kPauses{0ms, 50ms, 150ms, 400ms, 800ms};

/// One line without its end, or what came before the end of the stream.
std::string read_line() {
  std::string line;
  char letter = 0;
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, &letter, 1);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got != 1 || letter == '\n') {
      return line;
    }
    line.push_back(letter);
  }
}

/// False when nobody reads any more.
bool say(const base::Json& json) {
  const std::string line = base::write_json(json) + "\n";
  ssize_t written = 0;
  do {
    written = ::write(STDOUT_FILENO, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(line.size());
}

class Guard {
 public:
  explicit Guard(meters::GuardOrder order) : order_(std::move(order)) {}

  Expected<void> get_ready() {
    LLEM_ASSIGN(api_, meters::nvml::Api::open({order_.library}));
    LLEM_ASSIGN(const meters::nvml::GpuList list, meters::nvml::list_gpus(*api_));
    for (const std::string& device : order_.devices) {
      const auto gpu = std::ranges::find(list.gpus, device, &meters::nvml::Gpu::id);
      if (gpu == list.gpus.end()) {
        return failure(ErrorKind::preflight, fmt::format("the driver knows no {}", device));
      }
      LLEM_TRY(lock(device));
      LLEM_ASSIGN(auto original, meters::nvml::read_original(*api_, *gpu, order_.power_limit,
                                                             order_.sm_clock, order_.memory_clock));
      gpus_.push_back(*gpu);
      originals_.push_back(std::move(original));
    }
    return {};
  }

  /// Puts every device back, a few times over where that fails.
  meters::GuardOutcome restore() {
    meters::GuardOutcome outcome;
    outcome.originals = originals_;
    for (const auto pause : kPauses) {
      std::this_thread::sleep_for(pause);
      outcome.error.reset();
      for (std::size_t i = 0; i < gpus_.size(); ++i) {
        if (const auto done = meters::nvml::put_back(*api_, gpus_[i], originals_[i]); !done) {
          outcome.error =
              fmt::format("{}{}{} ({})", outcome.error.value_or(""), outcome.error ? "; " : "",
                          done.error().message, done.error().hint);
        }
      }
      if (!outcome.error) {
        outcome.restored = true;
        break;
      }
    }
    return outcome;
  }

  const meters::GuardOrder& order() const { return order_; }

  const std::vector<meters::OriginalState>& originals() const { return originals_; }

 private:
  /// The device may still be held by the guard of a llem that has just died: its limit is not the
  /// original one until that guard has ended. A folder that cannot be written locks nothing.
  Expected<void> lock(const std::string& device) {
    if (order_.lock_directory.empty()) {
      return {};
    }
    const sys::Path file =
        sys::Path(order_.lock_directory) / (base::file_name_from(device) + ".state.lock");
    const auto until = std::chrono::steady_clock::now() + kLockPatience;
    while (true) {
      auto held = sys::FileLock::acquire(file, fmt::format("device guard, pid {}", ::getpid()));
      if (held) {
        locks_.push_back(*std::move(held));
        return {};
      }
      if (held.error().code != "locked") {
        return {};
      }
      if (std::chrono::steady_clock::now() >= until) {
        return tl::unexpected<Error>(std::move(held).error());
      }
      std::this_thread::sleep_for(kLockLook);
    }
  }

  meters::GuardOrder order_;
  std::shared_ptr<const meters::nvml::Api> api_;
  std::vector<meters::nvml::Gpu> gpus_;
  std::vector<meters::OriginalState> originals_;
  std::vector<sys::FileLock> locks_;
};

/// To llem when it still reads, else to a file and to whoever sees standard error.
void tell(const meters::GuardOutcome& outcome, const std::string& report) {
  const base::Json json = base::write_struct(outcome);
  if (say(json)) {
    return;
  }
  if (!report.empty()) {
    // A folder that has gone with llem is no reason to fail.
    static_cast<void>(
        sys::write_file(report, base::write_json(json, base::JsonStyle::indented) + "\n"));
  }
  if (outcome.error) {
    std::fprintf(stderr, "llem-device-guard: %s\n", outcome.error->c_str());
  }
}

int watch(Guard& guard) {
  meters::GuardReady ready;
  ready.pid = ::getpid();
  if (const auto possible = guard.get_ready(); !possible) {
    ready.error = possible.error().message;
    ready.hint = possible.error().hint;
    say(base::write_struct(ready));
    return EXIT_FAILURE;
  }
  ready.originals = guard.originals();
  if (!say(base::write_struct(ready))) {
    return EXIT_SUCCESS;  // llem died before it could change anything
  }
  if (read_line() + "\n" == meters::kGuardDiscard) {
    return EXIT_SUCCESS;
  }
  const meters::GuardOutcome outcome = guard.restore();
  tell(outcome, guard.order().report);
  return outcome.restored ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// Out of reach of what is sent to llem, its group, its session or its children.
void leave() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP}) {
    ::signal(signal, SIG_IGN);
  }
  const pid_t child = ::fork();
  if (child > 0) {
    ::_exit(EXIT_SUCCESS);
  }
  ::setsid();
  [[maybe_unused]] const int stays =
      ::chdir("/");  // a folder that cannot be left is no reason to end
}

}  // namespace

int main() {
  leave();
  const auto json = base::parse_json(read_line());
  if (!json) {
    return EXIT_FAILURE;  // llem died before it said anything
  }
  auto order = base::read_json_struct<meters::GuardOrder>(*json, "order");
  if (!order) {
    meters::GuardReady ready;
    ready.error = order.error().message;
    say(base::write_struct(ready));
    return EXIT_FAILURE;
  }
  Guard guard(*std::move(order));
  return watch(guard);
}
