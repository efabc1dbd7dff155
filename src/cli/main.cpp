#include "cli/arguments.hpp"
#include "cli/commands.hpp"

int main(int argc, char** argv) {
  const llem::cli::Parsed parsed = llem::cli::parse(argc, argv);
  return parsed.done ? parsed.exit_code : llem::cli::execute(parsed.arguments);
}
