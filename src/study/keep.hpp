#pragma once

// Owns: that what was recorded of a trial gets a written form, whatever is in it.

#include <string>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"
#include "domain/user_factors.hpp"
#include "store/run_directory.hpp"

namespace llem::study {

/// A failed trial of which nothing but its failure is kept: a recording like any other, without
/// traces.
domain::Recording failed_recording(const domain::Recording& trial, std::string code,
                                   std::string message);

/// Writes what was recorded; where that has no written form the trial failed, and the study goes
/// on.
Expected<void> keep_recording(const store::Path& place, domain::Recording& recording);

/// Analyses and writes; a result that has no written form is that of a failed trial.
Expected<domain::TrialResult> keep_result(const store::Path& place,
                                          const domain::Recording& recording,
                                          const domain::UserFactors& factors);

}  // namespace llem::study
