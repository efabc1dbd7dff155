#include "study/progress.hpp"

#include <algorithm>
#include <unordered_map>

namespace llem::study {

namespace {

struct Found {
  std::int64_t highest = 0;
  const store::Attempt* latest_recorded = nullptr;
  std::int64_t recorded = 0;
};

std::unordered_map<std::int64_t, Found> found_in(std::span<const store::Attempt> attempts) {
  std::unordered_map<std::int64_t, Found> found;
  found.reserve(attempts.size());
  for (const store::Attempt& attempt : attempts) {
    Found& entry = found[attempt.trial];
    entry.highest = std::max(entry.highest, attempt.attempt);
    if (attempt.recorded) {
      ++entry.recorded;
      if (entry.latest_recorded == nullptr || attempt.attempt > entry.latest_recorded->attempt) {
        entry.latest_recorded = &attempt;
      }
    }
  }
  return found;
}

Standing standing_of(const store::TrialStatus& status, const store::Attempt& recorded) {
  if (status.attempt != recorded.attempt) {
    // The manifest knows a later attempt without a recording, or none at all: the recording speaks.
    return Standing::recorded;
  }
  switch (status.state) {
    case store::TrialState::done:
      return Standing::done;
    case store::TrialState::failed:
      return Standing::failed;
    case store::TrialState::interrupted:
      return Standing::open;
    case store::TrialState::planned:
    case store::TrialState::started:
    case store::TrialState::recorded:
      break;
  }
  return Standing::recorded;
}

}  // namespace

std::vector<TrialProgress> progress_of(const domain::Plan& plan,
                                       const std::map<std::int64_t, store::TrialStatus>& manifest,
                                       std::span<const store::Attempt> attempts) {
  const auto found = found_in(attempts);
  std::vector<TrialProgress> progress;
  progress.reserve(plan.trials.size());
  for (const domain::Trial& trial : plan.trials) {
    TrialProgress& entry = progress.emplace_back();
    const auto line = manifest.find(trial.index);
    const store::TrialStatus status = line == manifest.end() ? store::TrialStatus{} : line->second;
    const auto there = found.find(trial.index);
    entry.next_attempt =
        std::max(status.attempt, there == found.end() ? 0 : there->second.highest) + 1;
    if (there == found.end() || there->second.latest_recorded == nullptr) {
      continue;
    }
    const store::Attempt& recorded = *there->second.latest_recorded;
    entry.standing = standing_of(status, recorded);
    entry.recording = recorded.path;
    entry.failures = entry.standing == Standing::failed ? there->second.recorded : 0;
  }
  return progress;
}

}  // namespace llem::study
