#pragma once

// Owns: what `study.precision` contradicts, and what is filled in where it is silent.

#include "base/error.hpp"
#include "config/config.hpp"

namespace llem::config {

/// What the study file says itself, before points are made of it.
Expected<void> check_precision(const LoadedStudy& study);

/// Writes out the defaults of `study.precision`, if there is one, and makes its maximum the number
/// of cycles.
Expected<void> resolve_precision(domain::Study& study, domain::Profile profile);

}  // namespace llem::config
