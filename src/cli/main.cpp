#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <unistd.h>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"

namespace {

/// A closed standard descriptor would go to the next file that is opened, and what is meant for a
/// terminal into that file. What is opened here refuses what it is not for.
void occupy_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) < 0 &&
        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
      std::_Exit(70);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  try {
    const llem::cli::Parsed parsed = llem::cli::parse(argc, argv);
    return parsed.done ? parsed.exit_code : llem::cli::execute(parsed.arguments);
  } catch (const std::exception& exception) {
    llem::cli::say("error: internal: {}\n", exception.what());
    return 70;
  }
}
