#pragma once

// Owns: what is said below the numbers of a study: how precise they are, what is missing,
// what was left out, what drifted.

#include <string>

#include "domain/summary.hpp"
#include "report/text.hpp"

namespace llem::report {

/// Empty when the study is whole and of a fixed number of cycles, nothing was skipped and no
/// reference was repeated.
std::string study_notes(const domain::Summary& summary, const TextOptions& options);

}  // namespace llem::report
