#pragma once

// Owns: the results of a run directory that count towards its summary.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <llem/events.hpp>

#include "base/error.hpp"
#include "domain/plan.hpp"
#include "domain/result.hpp"
#include "domain/user_factors.hpp"
#include "store/run_directory.hpp"

namespace llem::study {

/// By trial and attempt.
using ResultsByAttempt = std::map<std::pair<std::int64_t, std::int64_t>, domain::TrialResult>;

/// Results of trials that the plan still holds, in its order, each attempt once. An interrupted
/// attempt counts only while none has followed it.
std::vector<domain::TrialResult> kept_results(const domain::Plan& plan,
                                              std::vector<domain::TrialResult> results);

struct Gathered {
  std::vector<domain::TrialResult> results;
  std::vector<std::string> unread;  // recordings that cannot be read, and why
};

/// `known` and, from disk, what other processes or earlier runs left in the directory. A recording
/// that cannot be read is told through `events`, named and left out.
Expected<Gathered> gather(const domain::Plan& plan, const store::RunDirectory& directory,
                          ResultsByAttempt known, const domain::UserFactors& factors,
                          const EventSink& events);

}  // namespace llem::study
