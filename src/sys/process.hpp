#pragma once

// Owns: child processes in their own session and process group, their pipes, and their certain end.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "sys/fd.hpp"

namespace llem::sys {

struct CommandLine {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // added to (or replacing in) the inherited environment
};

struct ExitStatus {
  bool signalled = false;
  int code =
      0;  // exit code, or the signal's number; -1 when other code of this program took the status
};

/// What the shell would say: "exit code 3", "killed by SIGSEGV".
std::string describe(ExitStatus status);

struct CommandOutput {
  ExitStatus status;
  std::string out;
  std::string err;
};

/// What a command reads: nothing; or a pipe that stays empty and ends with this process, so that
/// the command can notice.
enum class CommandInput { none, held };

/// Every child carries this environment variable, its value unique to the child (after those of the
/// programs above it, separated by '/'): what marks a process as ours when it has left group and
/// session.
inline constexpr const char* kTrialVariable = "LLEM_TRIAL_PROCESS";

struct SpawnOptions {
  /// The child's standard error goes to this file (made or truncated); empty: inherited.
  std::string stderr_path;
  /// CPUs the child may run on, as in "0-3,8"; empty: inherited.
  std::string cpu_affinity;
  /// Whether the child carries kTrialVariable. One without it, in a session of its own and left by
  /// its parent, is found by no stop(), of this program or of one above it.
  bool marked = true;
};

/// Longer than a process needs to give back its memory; one stuck in a driver cannot be waited for.
inline constexpr Seconds kKillLimit{5};

/// What it took to end a process and all it started.
struct Stopped {
  std::vector<pid_t> hunted;     // had left its group and were killed
  std::vector<pid_t> survivors;  // live on, SIGKILL notwithstanding: stuck in the kernel
};

/// A child whose stdin and stdout are pipes of ours. It leads a new session; all descendants stay
/// in its process group unless they leave it themselves (stop() finds those too). It starts with no
/// signal blocked, every signal at its default and no descriptor but 0, 1 and 2.
class Process {
 public:
  static Expected<Process> spawn(const CommandLine& command, const SpawnOptions& options = {});
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  /// stop() without grace, unless it was called.
  ~Process();

  pid_t pid() const { return pid_; }

  /// Becomes readable when the process has ended.
  const Fd& pidfd() const { return pidfd_; }

  /// Our end of the child's stdin (blocking; write with write_all) and stdout (non-blocking).
  Fd& input() { return input_; }

  Fd& output() { return output_; }

  /// Writes to the child's stdin; a child that no longer reads is an error (code "closed_pipe") and
  /// raises no SIGPIPE.
  Expected<void> write_all(std::string_view text, MonotonicTime deadline);

  /// The status when it has ended. Its pid stays reserved until stop() or destruction, so that no
  /// signal of ours can reach a stranger.
  std::optional<ExitStatus> poll();
  /// Fails with kind timeout when it still runs after `limit`.
  Expected<ExitStatus> wait(Seconds limit);
  void signal_group(int signal);
  /// SIGTERM to the group, up to `grace`, then SIGKILL, up to `kill_limit`; afterwards no process
  /// of the group or session is left but those returned as survivors. Those outside the group
  /// (daemonised children) are known by their session, by their parents, or by the mark in their
  /// environment (kTrialVariable); one that shed all three before stop() was called stays alive.
  /// The second call does nothing.
  Stopped stop(Seconds grace, Seconds kill_limit = kKillLimit);

 private:
  friend Expected<CommandOutput> run_command(const CommandLine& command, Seconds timeout,
                                             CommandInput input);
  static Expected<Process> spawn_with(const CommandLine& command, const SpawnOptions& options,
                                      const Fd& stderr_end);
  Process() = default;

  pid_t pid_ = -1;
  std::string name_;
  std::string mark_;
  std::uint64_t start_ticks_ = 0;
  Fd pidfd_;
  Fd input_;
  Fd output_;
  std::optional<ExitStatus> status_;
  bool stopped_ = false;
};

/// Makes this process the reaper of orphaned descendants (PR_SET_CHILD_SUBREAPER), so that none
/// escapes.
void become_subreaper();
/// Live descendants of this process, by walking /proc.
std::vector<pid_t> descendants();

/// Runs a short command to its end without input and collects its output (the first 4 MiB each).
/// What it leaves running is killed.
Expected<CommandOutput> run_command(const CommandLine& command, Seconds timeout,
                                    CommandInput input = CommandInput::none);

/// The absolute path of a program in $PATH; a name with a slash is a path.
std::optional<std::string> find_program(const std::string& name);

}  // namespace llem::sys
