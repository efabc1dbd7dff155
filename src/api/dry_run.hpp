#pragma once

// Owns: what a study would do, as text and as a document. Private to this module.

#include <string>

#include <llem/study.hpp>

namespace llem::api {

/// Fetches, starts and writes nothing. Trials of earlier runs below `root` with the same
/// configuration sharpen the predicted time.
Expected<PlanOutcome> describe_study(const Study& study, const std::string& root,
                                     const RunOptions& options);

}  // namespace llem::api
