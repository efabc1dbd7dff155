#pragma once

// Owns: the verbs: library calls in, text and exit codes out.

#include "cli/arguments.hpp"

namespace llem::cli {

/// 0 ok; 1 some trials failed; 2 usage or configuration; 3 preflight; 4 every trial failed; 5
/// input/output; 70 internal; 128 + signal when interrupted.
int execute(const Arguments& arguments);

int exit_code(ErrorKind kind);

}  // namespace llem::cli
