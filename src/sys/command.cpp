#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/system_error.hpp"
#include "sys/wait.hpp"

namespace llem::sys {
namespace {

constexpr std::size_t kMostOutput = std::size_t{4} << 20;

/// Takes what is there now; false when the stream has ended. What exceeds the limit is read and
/// dropped, so that the command does not wait for us.
bool drain(const Fd& fd, std::string& text) {
  std::array<char, 16384> block{};
  while (true) {
    const ssize_t got = ::read(fd.get(), block.data(), block.size());
    if (got > 0) {
      const std::size_t room = kMostOutput - std::min(kMostOutput, text.size());
      text.append(block.data(), std::min(room, static_cast<std::size_t>(got)));
      return true;
    }
    if (got < 0 && errno == EINTR) {
      continue;
    }
    return got < 0 && errno == EAGAIN;
  }
}

void drain_rest(const Fd& fd, std::string& text) {
  for (std::size_t before = text.size(); drain(fd, text) && text.size() != before;) {
    before = text.size();
  }
}

bool is_program(const Path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Expected<CommandOutput> run_command(const CommandLine& command, Seconds timeout,
                                    CommandInput input) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failure(ErrorKind::io, fmt::format("cannot make a pipe: {}", system_reason(errno)));
  }
  const Fd errors(ends[0]);
  Fd errors_of_child(ends[1]);
  ::fcntl(errors.get(), F_SETFL, O_NONBLOCK);
  LLEM_ASSIGN(Process process, Process::spawn_with(command, {}, errors_of_child));
  errors_of_child.close();
  if (input == CommandInput::none) {
    process.input().close();
  }

  const MonotonicTime deadline = deadline_after(timeout);
  CommandOutput output;
  std::array<Waitable, 3> waiting{Waitable{.fd = process.pidfd().get()},
                                  Waitable{.fd = process.output().get()},
                                  Waitable{.fd = errors.get()}};
  while (!process.poll()) {
    LLEM_ASSIGN(const bool ready, wait_any(waiting, deadline));
    if (!ready) {
      process.stop(Seconds(1));
      return failure(ErrorKind::timeout,
                     fmt::format("`{}` did not end within {:g} s", base::join(command.argv, " "),
                                 timeout.count()));
    }
    if (waiting[1].ready && !drain(process.output(), output.out)) {
      waiting[1].fd = -1;
    }
    if (waiting[2].ready && !drain(errors, output.err)) {
      waiting[2].fd = -1;
    }
  }
  output.status = *process.poll();
  // First end whoever it left behind: only then what is in the pipes is all there will be.
  process.stop(Seconds(0));
  drain_rest(process.output(), output.out);
  drain_rest(errors, output.err);
  return output;
}

std::optional<std::string> find_program(const std::string& name) {
  std::error_code error;
  if (name.find('/') != std::string::npos) {
    return is_program(name) ? std::optional(std::filesystem::absolute(name, error).string())
                            : std::nullopt;
  }
  const char* path = std::getenv("PATH");
  // What execvp(3) falls back to.
  const std::string_view folders = path != nullptr ? path : "/bin:/usr/bin";
  for (const std::string_view folder : base::split(folders, ':')) {
    const Path candidate = Path(folder.empty() ? "." : folder) / name;
    if (!name.empty() && is_program(candidate)) {
      return std::filesystem::absolute(candidate, error).string();
    }
  }
  return std::nullopt;
}

}  // namespace llem::sys
