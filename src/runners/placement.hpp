#pragma once

// Owns: where a worker runs. Placing only rewrites a command line; it is pure and tested by
// comparing argv.

#include <string>
#include <variant>

#include "sys/process.hpp"

namespace llem::runners {

/// The worker is a child process on this machine.
struct LocalPlacement {};

using Placement = std::variant<LocalPlacement>;

sys::CommandLine place(const Placement& placement, sys::CommandLine worker);

}  // namespace llem::runners
