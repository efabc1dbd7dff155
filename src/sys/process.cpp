#include "sys/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/log.hpp"
#include "sys/affinity.hpp"
#include "sys/file.hpp"
#include "sys/process_tree.hpp"
#include "sys/sigpipe.hpp"
#include "sys/system_error.hpp"
#include "sys/wait.hpp"

namespace llem::sys {
namespace {

using Clock = MonotonicTime::clock;

// Linux 5.4 has both; the C library's own names came later.
constexpr idtype_t kByPidfd = static_cast<idtype_t>(3);  // P_PIDFD

Fd open_pidfd(pid_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
}

int send_by_pidfd(const Fd& pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0U));
}

/// A descriptor above 2, so that putting another on 0, 1 or 2 in the child cannot close it first.
Fd above_standard(Fd fd) {
  if (!fd || fd.get() > STDERR_FILENO) {
    return fd;
  }
  return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

struct Pipe {
  Fd reading;
  Fd writing;
};

Expected<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failure(ErrorKind::io, fmt::format("cannot make a pipe: {}", system_reason(errno)),
                   "too many files are open: raise the limit with `ulimit -n`");
  }
  Pipe pipe{above_standard(Fd(ends[0])), above_standard(Fd(ends[1]))};
  if (!pipe.reading || !pipe.writing) {
    return failure(ErrorKind::io, fmt::format("cannot make a pipe: {}", system_reason(errno)));
  }
  return pipe;
}

std::string make_mark() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    const auto now = Clock::now().time_since_epoch().count();
    std::memcpy(bytes.data(), &now, sizeof now);
  }
  std::string mark = fmt::format("{}-", ::getpid());
  for (const unsigned char byte : bytes) {
    mark += fmt::format("{:02x}", byte);
  }
  return mark;
}

/// An empty mark: none, not even those of the programs above us.
std::vector<std::string> child_environment(const CommandLine& command, const std::string& mark) {
  std::map<std::string, std::string> added = command.env;
  // The marks of the programs above us stay, so that they find our children too.
  const char* above = std::getenv(kTrialVariable);
  if (!mark.empty()) {
    added[kTrialVariable] =
        above != nullptr && *above != '\0' ? fmt::format("{}/{}", above, mark) : mark;
  }
  std::vector<std::string> out;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (!added.contains(std::string(name)) && name != kTrialVariable) {
      out.emplace_back(text);
    }
  }
  for (const auto& [name, value] : added) {
    out.push_back(fmt::format("{}={}", name, value));
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) {
    out.push_back(text.data());
  }
  out.push_back(nullptr);
  return out;
}

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  void put(const Fd& fd, int number) {
    posix_spawn_file_actions_adddup2(&actions_, fd.get(), number);
  }

  int run(pid_t& pid, const std::string& program, std::vector<std::string>& argv,
          std::vector<std::string>& env) {
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, pointers(argv).data(),
                         pointers(env).data());
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
};

tl::unexpected<Error> cannot_start(const std::string& program, int reason) {
  const std::string message = fmt::format("cannot start `{}`: {}", program, system_reason(reason));
  switch (reason) {
    case ENOENT:
      return failure(ErrorKind::io, message, "the interpreter named in its first line is missing",
                     "program_not_found");
    case EACCES:
      return failure(ErrorKind::io, message,
                     "make it executable (`chmod +x`), and check that its file system is not "
                     "mounted noexec");
    case ENOEXEC:
      return failure(ErrorKind::io, message, "it is no program for this machine");
    case E2BIG:
      return failure(ErrorKind::io, message, "its arguments and environment are too long");
    case EAGAIN:
    case ENOMEM:
      return failure(ErrorKind::io, message,
                     "too many processes (`ulimit -u`) or too little memory");
    default:
      return failure(ErrorKind::io, message);
  }
}

void wait_for_all(const std::vector<Fd>& pidfds, MonotonicTime deadline) {
  std::vector<Waitable> waiting;
  for (const Fd& fd : pidfds) {
    waiting.push_back({.fd = fd.get()});
  }
  for (std::size_t left = waiting.size(); left > 0;) {
    const auto outcome = wait_any(waiting, deadline);
    if (!outcome || !*outcome) {
      return;
    }
    for (Waitable& waitable : waiting) {
      if (waitable.ready) {
        waitable.fd = -1;
        --left;
      }
    }
  }
}

void reap(const Fd& pidfd) {
  siginfo_t ignored{};
  ::waitid(kByPidfd, static_cast<id_t>(pidfd.get()), &ignored, WEXITED | WNOHANG);
}

/// Handles on the live ones among `entries`, checked to be the processes that were seen; ended
/// children of ours are reaped on the way.
std::vector<Fd> open_live(const std::vector<ProcessEntry>& entries) {
  std::vector<Fd> out;
  for (const ProcessEntry& entry : entries) {
    Fd pidfd = open_pidfd(entry.pid);
    const auto now = read_process(entry.pid);
    if (!pidfd || !now || now->start_ticks != entry.start_ticks) {
      continue;
    }
    // Not by the state in the table: a process whose first thread has ended reads 'Z' while others
    // run on.
    std::array<Waitable, 1> ended{Waitable{.fd = pidfd.get()}};
    if (wait_any(ended, MonotonicTime()).value_or(false)) {
      reap(pidfd);
    } else {
      out.push_back(std::move(pidfd));
    }
  }
  return out;
}

/// Adds those of `members` that left the group, once each.
void add_outside(const std::vector<ProcessEntry>& members, pid_t group, std::vector<pid_t>& pids) {
  for (const ProcessEntry& entry : members) {
    const bool again = std::find(pids.begin(), pids.end(), entry.pid) != pids.end();
    if (entry.group != group && !entry.ended() && !again) {
      pids.push_back(entry.pid);
    }
  }
}

std::vector<pid_t> live_among(const std::vector<ProcessEntry>& entries) {
  std::vector<pid_t> pids;
  for (const ProcessEntry& entry : entries) {
    if (!open_live({entry}).empty()) {
      pids.push_back(entry.pid);
    }
  }
  return pids;
}

}  // namespace

std::string describe(ExitStatus status) {
  if (status.signalled) {
    const char* name = sigabbrev_np(status.code);
    return name != nullptr ? fmt::format("killed by SIG{}", name)
                           : fmt::format("killed by signal {}", status.code);
  }
  return status.code < 0 ? "ended with an unknown status"
                         : fmt::format("exit code {}", status.code);
}

Expected<Process> Process::spawn(const CommandLine& command, const SpawnOptions& options) {
  Fd errors;
  if (!options.stderr_path.empty()) {
    errors = Fd(::open(options.stderr_path.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666));
    if (!errors) {
      return io_failure("open", options.stderr_path, errno);
    }
  }
  return spawn_with(command, options, errors);
}

Expected<Process> Process::spawn_with(const CommandLine& command, const SpawnOptions& options,
                                      const Fd& stderr_end) {
  if (command.argv.empty() || command.argv[0].empty()) {
    return failure(ErrorKind::internal, "a command without a program");
  }
  const std::string& name = command.argv[0];
  const auto program = find_program(name);
  if (!program) {
    const bool is_path = name.find('/') != std::string::npos;
    return failure(ErrorKind::io,
                   fmt::format("cannot start `{}`: {}", name,
                               is_path ? "no such executable file" : "no such program in PATH"),
                   is_path ? "check the path, and that the file is executable"
                           : fmt::format("install it, or add its directory to PATH (now `{}`)",
                                         std::getenv("PATH") != nullptr ? std::getenv("PATH") : ""),
                   "program_not_found");
  }
  const Fd errors =
      stderr_end ? Fd(::fcntl(stderr_end.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) : Fd();
  LLEM_ASSIGN(Pipe to_child, make_pipe());
  LLEM_ASSIGN(Pipe from_child, make_pipe());
  ::fcntl(from_child.reading.get(), F_SETFL, O_NONBLOCK);

  SpawnSettings settings;
  settings.put(to_child.reading, STDIN_FILENO);
  settings.put(from_child.writing, STDOUT_FILENO);
  if (errors) {
    settings.put(errors, STDERR_FILENO);
  }
  Process process;
  process.name_ = Path(name).filename().string();
  process.mark_ = make_mark();
  std::vector<std::string> argv = command.argv;
  std::vector<std::string> env = child_environment(command, options.marked ? process.mark_ : "");
  {
    LLEM_ASSIGN(const AffinityScope affinity, AffinityScope::enter(options.cpu_affinity));
    if (const int reason = settings.run(process.pid_, *program, argv, env); reason != 0) {
      process.pid_ = -1;
      return cannot_start(name, reason);
    }
  }
  process.pidfd_ = open_pidfd(process.pid_);
  if (!process.pidfd_) {
    const int reason = errno;
    ::kill(-process.pid_, SIGKILL);
    ::waitpid(process.pid_, nullptr, 0);
    process.pid_ = -1;
    return failure(ErrorKind::io,
                   fmt::format("cannot watch the process of `{}`: {}", name, system_reason(reason)),
                   reason == ENOSYS ? "Linux 5.4 or later is needed" : "");
  }
  if (const auto entry = read_process(process.pid_)) {
    process.start_ticks_ = entry->start_ticks;
  }
  process.input_ = std::move(to_child.writing);
  process.output_ = std::move(from_child.reading);
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      name_(std::move(other.name_)),
      mark_(std::move(other.mark_)),
      start_ticks_(other.start_ticks_),
      pidfd_(std::move(other.pidfd_)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      status_(other.status_),
      stopped_(other.stopped_) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(name_, other.name_);
  std::swap(mark_, other.mark_);
  std::swap(start_ticks_, other.start_ticks_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(input_, other.input_);
  std::swap(output_, other.output_);
  std::swap(status_, other.status_);
  std::swap(stopped_, other.stopped_);
  return *this;
}

Process::~Process() {
  stop(Seconds(0));
}

Expected<void> Process::write_all(std::string_view text, MonotonicTime deadline) {
  // A pipe that polls as writable takes this much without blocking (pipe(7), PIPE_BUF).
  constexpr std::size_t kAtOnce = 4096;
  const SigpipeGuard guard;
  if (!input_) {
    return failure(ErrorKind::internal, fmt::format("the input of `{}` is already closed", name_),
                   {}, "closed_pipe");
  }
  while (!text.empty()) {
    std::array<Waitable, 1> waiting{Waitable{.fd = input_.get(), .for_writing = true}};
    LLEM_ASSIGN(const bool ready, wait_any(waiting, deadline));
    if (!ready) {
      return failure(ErrorKind::timeout,
                     fmt::format("`{}` (process {}) does not read its input", name_, pid_));
    }
    const ssize_t written = ::write(input_.get(), text.data(), std::min(text.size(), kAtOnce));
    if (written < 0 && errno != EINTR && errno != EAGAIN) {
      const int reason = errno;
      const bool closed = reason == EPIPE || reason == EBADF;
      const auto status = poll();
      return failure(ErrorKind::io,
                     fmt::format("cannot write to `{}` (process {}): {}", name_, pid_,
                                 status   ? describe(*status)
                                 : closed ? "it has closed its input"
                                          : system_reason(reason)),
                     {}, closed ? "closed_pipe" : "");
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

std::optional<ExitStatus> Process::poll() {
  if (status_ || pid_ < 0) {
    return status_;
  }
  siginfo_t info{};
  int outcome = 0;
  do {
    // WNOWAIT leaves the process in the table, which keeps its pid from being given to another.
    outcome =
        ::waitid(kByPidfd, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG | WNOWAIT);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0) {
    status_ = ExitStatus{false, -1};
  } else if (info.si_pid == pid_ && info.si_code != CLD_TRAPPED) {  // a debugger's stop is no end
    status_ = ExitStatus{info.si_code != CLD_EXITED, info.si_status};
  }
  return status_;
}

Expected<ExitStatus> Process::wait(Seconds limit) {
  if (!status_) {
    std::array<Waitable, 1> waiting{Waitable{.fd = pidfd_.get()}};
    LLEM_TRY(wait_any(waiting, deadline_after(limit)));
  }
  if (const auto status = poll()) {
    return *status;
  }
  return failure(ErrorKind::timeout, fmt::format("`{}` (process {}) still runs after {:g} s", name_,
                                                 pid_, limit.count()));
}

void Process::signal_group(int signal) {
  if (pid_ < 0 || stopped_) {
    return;
  }
  const auto status = poll();
  if (!status || status->code >= 0) {  // else somebody reaped it and the number may be another's
    ::kill(-pid_, signal);
  }
}

Stopped Process::stop(Seconds grace, Seconds kill_limit) {
  // What the leader leaves behind in its group gets a short part of the grace only: it has lost its
  // master.
  constexpr Seconds kOrphanGrace{0.5};
  if (pid_ < 0 || stopped_) {
    return {};
  }
  const pid_t self = ::getpid();
  std::vector<ProcessEntry> known;
  const auto look = [&] {
    auto members = members_of(read_process_table(), {pid_, start_ticks_}, known, self,
                              [&](pid_t pid) { return process_has_mark(pid, mark_); });
    known.insert(known.end(), members.begin(), members.end());
    return members;
  };
  // While the tree hangs together, those who left the session are found by their parents: remember
  // them now.
  look();
  if (grace > Seconds(0)) {
    const MonotonicTime end = deadline_after(grace);
    signal_group(SIGTERM);
    std::array<Waitable, 1> waiting{Waitable{.fd = pidfd_.get()}};
    static_cast<void>(wait_any(waiting, end));
    auto members = look();
    std::erase_if(members, [&](const ProcessEntry& entry) { return entry.group != pid_; });
    wait_for_all(open_live(members), std::min(end, deadline_after(kOrphanGrace)));
  }
  Stopped stopped;
  const MonotonicTime limit = deadline_after(kill_limit);
  while (true) {
    signal_group(SIGKILL);
    const auto members = look();
    std::vector<Fd> targets = open_live(members);
    for (const Fd& target : targets) {
      send_by_pidfd(target, SIGKILL);
    }
    add_outside(members, pid_, stopped.hunted);
    wait_for_all(targets, limit);
    for (const Fd& target : targets) {
      reap(target);
    }
    std::array<Waitable, 1> waiting{Waitable{.fd = pidfd_.get()}};
    const auto ended = wait_any(waiting, limit);
    if (targets.empty() && ended && *ended) {
      break;
    }
    if (Clock::now() >= limit) {
      stopped.survivors = live_among(members);
      break;
    }
  }
  if (!poll()) {
    stopped.survivors.push_back(pid_);
  }
  stopped_ = true;
  reap(pidfd_);
  for (const pid_t pid : stopped.survivors) {
    base::warn(fmt::format("process {} of `{}` outlived SIGKILL", pid, name_));
  }
  return stopped;
}

void become_subreaper() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
}

std::vector<pid_t> descendants() {
  return descendants_of(read_process_table(), ::getpid());
}

}  // namespace llem::sys
