#pragma once

// Owns: finding native llama.cpp arguments that contradict the canonical name of the same choice.

#include "base/error.hpp"
#include "domain/study_config.hpp"

namespace llem::config {

/// A native argument may say what its canonical name leaves open; saying something else is an error
/// naming both. Unknown names and wrong types are the engine's to refuse.
Expected<void> check_native_conflicts(const domain::Deploy& deploy);

}  // namespace llem::config
