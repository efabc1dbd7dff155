#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "analysis/analyse.hpp"
#include "study/block_watch.hpp"
#include "study/drive.hpp"
#include "study/gather.hpp"
#include "study/keep.hpp"

namespace llem::study {

Expected<DriveOutcome> analyse_again(store::RunDirectory& directory,
                                     const domain::UserFactors& factors) {
  LLEM_ASSIGN(const domain::Plan plan, directory.read_plan());
  LLEM_ASSIGN(const auto decision, decision_in(plan, directory));
  LLEM_ASSIGN(const auto attempts, directory.attempts());
  if (std::ranges::none_of(attempts, &store::Attempt::recorded)) {
    return failure(ErrorKind::io, fmt::format("`{}` holds no recording", directory.path().string()),
                   "name a run directory with at least one finished trial");
  }
  DriveOutcome outcome;
  std::vector<domain::TrialResult> results;
  for (const store::Attempt& attempt : attempts) {
    if (!attempt.recorded) {
      continue;
    }
    const auto recording = store::read_recording(attempt.path);
    if (!recording) {
      outcome.unread.push_back(
          fmt::format("`{}`: {}", attempt.path.string(), recording.error().message));
      // What an earlier analysis said of it stands: nothing better can be had.
      if (auto before = store::read_result(attempt.path)) {
        results.push_back(*std::move(before));
      }
      continue;
    }
    LLEM_ASSIGN(results.emplace_back(), keep_result(attempt.path, *recording, factors));
  }
  if (results.empty()) {
    return failure(ErrorKind::io, outcome.unread.front(), "no recording here can be read");
  }
  results = kept_results(plan, std::move(results));
  outcome.summary = analysis::summarise(plan, results, decision);
  LLEM_TRY(directory.write_summary(outcome.summary));
  LLEM_TRY(directory.write_results_table(results));
  return outcome;
}

}  // namespace llem::study
