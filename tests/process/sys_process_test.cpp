#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "base/text.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/process_tree.hpp"
#include "sys/wait.hpp"

namespace llem::sys {
namespace {

using Clock = MonotonicTime::clock;

// Far longer than anything here takes on a loaded machine, far shorter than the children sleep.
constexpr Seconds kPatience{20};
constexpr Seconds kSoon{8};

MonotonicTime in(Seconds duration) {
  return Clock::now() + std::chrono::duration_cast<MonotonicTime::duration>(duration);
}

CommandLine shell(const std::string& script) {
  return {{"sh", "-c", script}, {}};
}

/// The child's next output up to a line break.
std::string next_line(Process& process) {
  std::string line;
  const MonotonicTime deadline = in(kPatience);
  while (true) {
    std::array<Waitable, 1> waiting{Waitable{.fd = process.output().get()}};
    if (!wait_any(waiting, deadline).value_or(false)) {
      return line + " (nothing more came)";
    }
    char letter = 0;
    if (::read(process.output().get(), &letter, 1) != 1 || letter == '\n') {
      return line;
    }
    line.push_back(letter);
  }
}

pid_t next_pid(Process& process) {
  return std::atoi(next_line(process).c_str());
}

/// One that has ended counts as dead even where init is slow to reap it.
bool lives(pid_t pid) {
  const auto entry = read_process(pid);
  return entry && !entry->ended();
}

std::vector<std::string> open_descriptors(pid_t pid) {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool is_our_child(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

Seconds time_of(const auto& action) {
  const auto begin = Clock::now();
  action();
  return Clock::now() - begin;
}

/// Whether orphans come to this process, for one test.
class Subreaper {
 public:
  Subreaper() { become_subreaper(); }

  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;

  ~Subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0UL, 0UL, 0UL, 0UL); }
};

TEST(Process, exchanges_lines_and_reports_the_exit_code) {
  auto process = Process::spawn(shell("read line; echo \"got $line\"; exit 7"));
  ASSERT_TRUE(process) << process.error().message;
  ASSERT_TRUE(process->write_all("hello\n", in(kPatience)));
  EXPECT_EQ(next_line(*process), "got hello");
  const auto status = process->wait(kPatience);
  ASSERT_TRUE(status);
  EXPECT_EQ(describe(*status), "exit code 7");
  EXPECT_EQ(describe(*process->poll()), "exit code 7");
}

TEST(Process, gets_its_variables_besides_the_inherited_ones) {
  CommandLine command = shell("echo \"$LLEM_TEST_VALUE:$HOME\"");
  command.env = {{"LLEM_TEST_VALUE", "a b"}, {"HOME", "/replaced"}};
  auto process = Process::spawn(command);
  ASSERT_TRUE(process);
  EXPECT_EQ(next_line(*process), "a b:/replaced");
}

TEST(Process, without_a_mark_has_none_of_the_programs_above_either) {
  ::setenv(kTrialVariable, "above", 1);
  const auto said = [](bool marked) {
    SpawnOptions options;
    options.marked = marked;
    auto child = Process::spawn(shell("echo \"mark $LLEM_TRIAL_PROCESS\""), options);
    EXPECT_TRUE(child);
    return next_line(*child);
  };
  EXPECT_TRUE(said(true).starts_with("mark above/"));
  EXPECT_EQ(said(false), "mark ");
  ::unsetenv(kTrialVariable);
}

TEST(Process, that_was_killed_names_the_signal) {
  auto process = Process::spawn(shell("kill -SEGV $$"));
  ASSERT_TRUE(process);
  EXPECT_EQ(describe(process->wait(kPatience).value()), "killed by SIGSEGV");
}

TEST(Process, that_runs_on_is_a_timeout_and_not_an_end) {
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(process);
  const auto status = process->wait(Seconds(0.05));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::timeout);
  EXPECT_FALSE(process->poll());
}

TEST(Process, sends_its_errors_to_a_file_that_is_emptied_first) {
  const TempDir folder = TempDir::make("llem-process-test").value();
  const Path log = folder.path() / "stderr.log";
  ASSERT_TRUE(write_file_atomic(log, "of an earlier run\n"));
  SpawnOptions options;
  options.stderr_path = log;
  auto process = Process::spawn(shell("echo oops >&2"), options);
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->wait(kPatience));
  EXPECT_EQ(read_file(log).value(), "oops\n");
}

TEST(Process, starts_with_no_blocked_signal_no_ignored_one_and_three_descriptors) {
  sigset_t everything;
  sigset_t before;
  sigfillset(&everything);
  ::pthread_sigmask(SIG_SETMASK, &everything, &before);
  struct sigaction ignore{};
  struct sigaction handled{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGUSR1, &ignore, &handled);
  const int leaking = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  auto process = Process::spawn(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status; read line"));
  ::close(leaking);
  ::sigaction(SIGUSR1, &handled, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(process);
  EXPECT_EQ(next_line(*process), "SigBlk:\t0000000000000000");
  // 32 and 33 are the C library's own: posix_spawn(3) of glibc ignores them.
  const std::string ignored = next_line(*process);
  EXPECT_TRUE(ignored == "SigIgn:\t0000000000000000" || ignored == "SigIgn:\t0000000180000000")
      << ignored;
  EXPECT_EQ(open_descriptors(process->pid()), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(Process, leads_its_own_session_and_group) {
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(process);
  EXPECT_EQ(::getsid(process->pid()), process->pid());
  EXPECT_EQ(::getpgid(process->pid()), process->pid());
}

TEST(Process, runs_on_the_cpus_it_was_given_and_leaves_ours_alone) {
  cpu_set_t before;
  CPU_ZERO(&before);
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  int first = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(first), &before)) {
    ++first;
  }
  SpawnOptions options;
  options.cpu_affinity = std::to_string(first);
  auto process = Process::spawn(shell("grep Cpus_allowed_list /proc/self/status"), options);
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_EQ(next_line(*process), "Cpus_allowed_list:\t" + options.cpu_affinity);
  cpu_set_t after;
  CPU_ZERO(&after);
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Process, that_dies_at_once_turns_writing_into_an_error_without_a_signal) {
  auto process = Process::spawn({{"true"}, {}});
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->wait(kPatience));
  const auto outcome = process->write_all("{\"type\":\"load\"}\n", in(kPatience));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "closed_pipe");
  EXPECT_NE(outcome.error().message.find("exit code 0"), std::string::npos)
      << outcome.error().message;
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGPIPE));
  EXPECT_TRUE(process->stop(Seconds(1)).hunted.empty());
}

TEST(Process, that_does_not_read_is_a_timeout) {
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(process);
  const auto outcome = process->write_all(std::string(1 << 20, 'x'), in(Seconds(0.1)));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::timeout);
}

TEST(Process, takes_long_input_in_pieces) {
  auto process = Process::spawn({{"wc", "-c"}, {}});
  ASSERT_TRUE(process);
  ASSERT_TRUE(process->write_all(std::string(1'000'003, 'x'), in(kPatience)));
  process->input().close();
  EXPECT_EQ(base::trim(next_line(*process)), "1000003");
  EXPECT_FALSE(process->write_all("more", MonotonicTime::max()));
}

TEST(Stop, lets_a_polite_child_finish_its_work) {
  auto process =
      Process::spawn(shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(process);
  ASSERT_EQ(next_line(*process), "up");
  EXPECT_TRUE(process->stop(kPatience).hunted.empty());
  EXPECT_EQ(next_line(*process), "bye");
  EXPECT_EQ(describe(*process->poll()), "exit code 3");
}

TEST(Stop, kills_a_child_that_ignores_the_polite_signal) {
  auto process = Process::spawn(shell("trap '' TERM; echo up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(process);
  ASSERT_EQ(next_line(*process), "up");
  const pid_t pid = process->pid();
  EXPECT_LT(time_of([&] { process->stop(Seconds(0.2)); }), kSoon);
  EXPECT_EQ(describe(*process->poll()), "killed by SIGKILL");
  EXPECT_FALSE(lives(pid));
}

TEST(Stop, tells_of_a_process_that_outlives_sigkill) {
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(process);
  const pid_t pid = process->pid();
  // A traced process that halts on its way out stands for one that is stuck in a driver.
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT), 0);
  std::string log;
  base::set_log_sink([&log](base::LogLevel, std::string_view line) { log += line; },
                     base::LogLevel::warning);
  const Stopped stopped = process->stop(Seconds(0), Seconds(0.2));
  base::set_log_sink({}, base::LogLevel::error);
  EXPECT_NE(log.find(std::to_string(pid)), std::string::npos) << "whoever drops it, it is told";
  EXPECT_EQ(stopped.survivors, std::vector<pid_t>{pid});
  EXPECT_TRUE(stopped.hunted.empty());
  EXPECT_TRUE(lives(pid));
  EXPECT_EQ(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr), 0);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

TEST(Stop, knows_of_nothing_that_outlives_sigkill_where_nothing_does) {
  auto process = Process::spawn(shell("sleep 300 & echo up; wait"));
  ASSERT_TRUE(process);
  ASSERT_EQ(next_line(*process), "up");
  EXPECT_TRUE(process->stop(Seconds(0)).survivors.empty());
}

TEST(Stop, ends_children_that_outlive_their_leader_in_the_group) {
  auto process =
      Process::spawn(shell("(trap '' TERM; echo ready; exec sleep 300) & echo $!; wait"));
  ASSERT_TRUE(process);
  std::string first = next_line(*process);
  std::string second = next_line(*process);
  const pid_t child = std::atoi((first == "ready" ? second : first).c_str());
  ASSERT_TRUE(lives(child));
  EXPECT_TRUE(process->stop(Seconds(5)).hunted.empty());
  EXPECT_FALSE(lives(child));
}

// Daemons as they are made: a child forks, starts a session and leaves; the parent's end does not
// reach them.
constexpr const char* kDaemon =
    "(setsid sh -c 'echo $$; exec sleep 300 </dev/null >/dev/null 2>&1' &) ; ";

TEST(Stop, hunts_down_a_daemon_while_its_leader_lives) {
  const Subreaper subreaper;
  auto process = Process::spawn(shell(std::string(kDaemon) + "exec sleep 300"));
  ASSERT_TRUE(process);
  const pid_t daemon = next_pid(*process);
  ASSERT_TRUE(lives(daemon));
  ASSERT_NE(::getsid(daemon), process->pid());
  EXPECT_EQ(process->stop(Seconds(1)).hunted, std::vector<pid_t>{daemon});
  EXPECT_FALSE(lives(daemon));
  EXPECT_FALSE(is_our_child(daemon));  // reaped, not left as a zombie
  EXPECT_TRUE(descendants().empty());
}

TEST(Stop, hunts_down_a_daemon_whose_leader_is_long_gone) {
  const Subreaper subreaper;
  auto process = Process::spawn(shell(std::string(kDaemon) + "exit 0"));
  ASSERT_TRUE(process);
  const pid_t daemon = next_pid(*process);
  ASSERT_TRUE(process->wait(kPatience));
  ASSERT_TRUE(lives(daemon));
  EXPECT_EQ(process->stop(Seconds(1)).hunted, std::vector<pid_t>{daemon});
  EXPECT_FALSE(lives(daemon));
  EXPECT_TRUE(descendants().empty());
}

TEST(Stop, hunts_down_a_daemon_without_being_its_reaper) {
  auto process = Process::spawn(shell(std::string(kDaemon) + "exit 0"));
  ASSERT_TRUE(process);
  const pid_t daemon = next_pid(*process);
  ASSERT_TRUE(process->wait(kPatience));
  EXPECT_EQ(process->stop(Seconds(0)).hunted, std::vector<pid_t>{daemon});
  EXPECT_FALSE(lives(daemon));
}

TEST(Stop, finds_a_child_that_shed_session_and_environment_through_its_parent) {
  const Subreaper subreaper;
  auto process = Process::spawn(shell("setsid env -i sh -c 'echo $$; exec sleep 300' & wait"));
  ASSERT_TRUE(process);
  const pid_t child = next_pid(*process);
  ASSERT_TRUE(lives(child));
  EXPECT_EQ(process->stop(Seconds(1)).hunted, std::vector<pid_t>{child});
  EXPECT_FALSE(lives(child));
}

TEST(Stop, spares_other_children_of_this_program) {
  const Subreaper subreaper;
  auto bystander = Process::spawn(shell(std::string(kDaemon) + "exec sleep 300"));
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(bystander && process);
  const pid_t daemon = next_pid(*bystander);
  const pid_t plain = ::fork();  // a child the program made itself
  if (plain == 0) {
    ::execlp("sleep", "sleep", "300", nullptr);
    ::_exit(127);
  }
  EXPECT_TRUE(process->stop(Seconds(1)).hunted.empty());
  EXPECT_TRUE(lives(bystander->pid()));
  EXPECT_TRUE(lives(daemon));
  EXPECT_TRUE(lives(plain));
  ::kill(plain, SIGKILL);
  EXPECT_EQ(::waitpid(plain, nullptr, 0), plain);
}

TEST(Stop, finds_grandchildren_of_a_program_that_marks_its_own_children) {
  const Subreaper subreaper;
  // What a nested program's child looks like: its own mark after ours, its own session, no parent.
  auto process = Process::spawn(shell("export LLEM_TRIAL_PROCESS=$LLEM_TRIAL_PROCESS/nested; " +
                                      std::string(kDaemon) + "exit 0"));
  ASSERT_TRUE(process);
  const pid_t daemon = next_pid(*process);
  ASSERT_TRUE(process->wait(kPatience));
  EXPECT_EQ(process->stop(Seconds(0)).hunted, std::vector<pid_t>{daemon});
}

TEST(Stop, does_nothing_the_second_time) {
  auto process = Process::spawn({{"sleep", "300"}, {}});
  ASSERT_TRUE(process);
  process->stop(Seconds(1));
  EXPECT_TRUE(process->stop(Seconds(1)).hunted.empty());
  process->signal_group(SIGKILL);
  EXPECT_EQ(describe(*process->poll()), "killed by SIGTERM");
}

TEST(Stop, works_where_the_program_lets_the_kernel_reap) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGCHLD, &ignore, &before);
  auto process = Process::spawn({{"sleep", "300"}, {}});
  const bool started = process.has_value();
  const pid_t pid = started ? process->pid() : -1;
  if (started) {
    process->stop(Seconds(1));
  }
  ::sigaction(SIGCHLD, &before, nullptr);
  ASSERT_TRUE(started);
  EXPECT_FALSE(lives(pid));
  EXPECT_EQ(describe(*process->poll()), "ended with an unknown status");
}

TEST(Process, takes_its_tree_with_it_when_it_is_dropped) {
  const Subreaper subreaper;
  pid_t leader = -1;
  pid_t daemon = -1;
  {
    auto process = Process::spawn(shell(std::string(kDaemon) + "exec sleep 300"));
    ASSERT_TRUE(process);
    leader = process->pid();
    daemon = next_pid(*process);
  }
  EXPECT_FALSE(lives(leader));
  EXPECT_FALSE(lives(daemon));
  EXPECT_TRUE(descendants().empty());
}

TEST(Descendants, shows_the_whole_tree_below_us) {
  const Subreaper subreaper;
  auto process = Process::spawn(shell("sleep 300 & echo $!; wait"));
  ASSERT_TRUE(process);
  const pid_t grandchild = next_pid(*process);
  const auto found = descendants();
  EXPECT_NE(std::find(found.begin(), found.end(), process->pid()), found.end());
  EXPECT_NE(std::find(found.begin(), found.end(), grandchild), found.end());
}

TEST(RunCommand, collects_both_streams_and_the_status) {
  const auto output = run_command(shell("cat; echo out; echo err >&2; exit 4"), kPatience);
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(output->status.code, 4);
}

TEST(RunCommand, lets_a_command_see_that_we_are_still_here) {
  const auto script = shell("timeout 0.3 cat; echo $?");
  EXPECT_EQ(run_command(script, kPatience)->out, "0\n");
  EXPECT_EQ(run_command(script, kPatience, CommandInput::held)->out, "124\n");
}

TEST(RunCommand, is_not_delayed_by_a_grandchild_that_holds_the_output_open) {
  pid_t grandchild = -1;
  const Seconds taken = time_of([&] {
    const auto output = run_command(shell("sleep 300 & echo $!"), kPatience);
    ASSERT_TRUE(output) << output.error().message;
    grandchild = std::atoi(output->out.c_str());
    EXPECT_EQ(output->status.code, 0);
  });
  EXPECT_LT(taken, kSoon);
  EXPECT_GT(grandchild, 0);
}

TEST(RunCommand, keeps_the_beginning_of_endless_output_and_lets_the_rest_go) {
  const auto output = run_command(
      shell("head -c 6000000 /dev/zero; head -c 5000000 /dev/zero >&2; echo end >&2"), kPatience);
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(output->out.size(), std::size_t{4} << 20);
  EXPECT_EQ(output->err.size(), std::size_t{4} << 20);
  EXPECT_EQ(output->status.code, 0);
}

TEST(RunCommand, gives_up_at_its_deadline) {
  const Seconds taken = time_of([&] {
    const auto output = run_command({{"sleep", "300"}, {}}, Seconds(0.1));
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().kind, ErrorKind::timeout);
    EXPECT_NE(output.error().message.find("`sleep 300`"), std::string::npos);
  });
  EXPECT_LT(taken, kSoon);
}

TEST(RunCommand, of_a_missing_program_says_what_to_do) {
  const auto output = run_command({{"llem-no-such-program"}, {}}, kPatience);
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, "program_not_found");
}

TEST(FileLock, is_not_held_by_a_child_that_outlives_us) {
  const TempDir folder = TempDir::make("llem-process-test").value();
  auto process = [&] {
    const auto lock = FileLock::acquire(folder.path() / "lock", "first");
    EXPECT_TRUE(lock);
    return Process::spawn({{"sleep", "300"}, {}});
  }();
  ASSERT_TRUE(process);
  EXPECT_TRUE(FileLock::acquire(folder.path() / "lock", "second"));
}

}  // namespace
}  // namespace llem::sys
