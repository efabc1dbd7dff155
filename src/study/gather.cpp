#include "study/gather.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "analysis/analyse.hpp"

namespace llem::study {

namespace {

bool interrupted(const domain::TrialResult& result) {
  return std::ranges::any_of(result.validity.codes, [](const domain::ValidityCode& code) {
    return code.code == "interrupted";
  });
}

Expected<domain::TrialResult> result_of(const store::Attempt& attempt,
                                        const domain::UserFactors& factors) {
  if (auto result = store::read_result(attempt.path)) {
    return result;
  }
  LLEM_ASSIGN(const domain::Recording recording, store::read_recording(attempt.path));
  return analysis::analyse(recording, factors);
}

}  // namespace

std::vector<domain::TrialResult> kept_results(const domain::Plan& plan,
                                              std::vector<domain::TrialResult> results) {
  std::unordered_map<std::int64_t, std::size_t> positions;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    positions.emplace(plan.trials[i].index, i);
  }
  std::erase_if(results, [&](const domain::TrialResult& result) {
    return !positions.contains(result.identity.trial);
  });
  std::ranges::stable_sort(results, {}, [&](const domain::TrialResult& result) {
    return std::pair(positions.at(result.identity.trial), result.identity.attempt);
  });
  std::vector<domain::TrialResult> kept;
  kept.reserve(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const bool followed =
        i + 1 < results.size() && results[i + 1].identity.trial == results[i].identity.trial;
    if (!followed || !interrupted(results[i])) {
      kept.push_back(std::move(results[i]));
    }
  }
  return kept;
}

Expected<Gathered> gather(const domain::Plan& plan, const store::RunDirectory& directory,
                          ResultsByAttempt known, const domain::UserFactors& factors,
                          const EventSink& events) {
  LLEM_ASSIGN(const auto attempts, directory.attempts());
  std::vector<domain::TrialResult> results;
  std::vector<std::string> unread;
  results.reserve(attempts.size());
  for (const store::Attempt& attempt : attempts) {
    if (!attempt.recorded || known.contains({attempt.trial, attempt.attempt})) {
      continue;
    }
    auto result = result_of(attempt, factors);
    if (result) {
      results.push_back(*std::move(result));
    } else {
      unread.push_back(fmt::format("`{}` is left out of the summary: {}", attempt.path.string(),
                                   result.error().message));
      warn(events, unread.back());
    }
  }
  for (auto& [key, result] : known) {
    results.push_back(std::move(result));
  }
  return Gathered{kept_results(plan, std::move(results)), std::move(unread)};
}

}  // namespace llem::study
