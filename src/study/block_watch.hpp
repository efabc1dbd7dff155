#pragma once

// Owns: that a study with `study.precision` decides once after each whole block whether it goes on,
// also across kills and resumes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <llem/events.hpp>

#include "analysis/precision.hpp"
#include "base/error.hpp"
#include "base/quantity.hpp"
#include "domain/plan.hpp"
#include "domain/result.hpp"
#include "domain/user_factors.hpp"
#include "store/run_directory.hpp"
#include "study/forecast.hpp"
#include "study/gather.hpp"

namespace llem::study {

/// The decision that a run directory holds; none for a plan without precision.
Expected<std::optional<domain::BlockDecision>> decision_in(const domain::Plan& plan,
                                                           const store::RunDirectory& directory);

class BlockWatch {
 public:
  /// Of a study that begins or goes on at `begin`. Without precision every trial is needed and
  /// nothing is ever decided.
  BlockWatch(const domain::Plan& plan, MonotonicTime begin);

  /// What an earlier process decided, and the time it took; its results are added to `results`.
  /// `factors` price those that were not analysed yet.
  Expected<void> take_up(const store::RunDirectory& directory, const domain::UserFactors& factors,
                         ResultsByAttempt& results);

  bool needs(std::size_t position) const { return needed_[position]; }

  /// Whether it is needed even when the study ends as soon as it can.
  bool surely_needs(std::size_t position) const { return surely_needed_[position]; }

  /// The decision that is due when every trial up to this position has ended; none within a block,
  /// and none where it was taken before.
  std::optional<domain::BlockDecision> due_at(std::size_t position, const ResultsByAttempt& results,
                                              MonotonicTime now) const;
  /// What a forecast says is left, within the budget.
  config::TimeRange left(const Forecast& forecast, MonotonicTime now) const;
  /// How well the configurations were known at the decision taken last, in words.
  std::string words(const ResultsByAttempt& results) const;
  std::string verdict() const;
  void take(const domain::BlockDecision& decision);

  const std::optional<domain::BlockDecision>& latest() const { return latest_; }

 private:
  /// Their indices; sentinels are among them.
  std::set<std::int64_t> trials_after_decision() const;
  std::vector<analysis::Knowledge> knowledge(std::int64_t blocks,
                                             const ResultsByAttempt& results) const;
  void look_ahead();

  double spent_s(MonotonicTime now) const {
    return spent_before_s_ + Seconds(now - begin_).count();
  }

  const domain::Plan& plan_;
  MonotonicTime begin_;
  double spent_before_s_ = 0;
  std::vector<std::int64_t> whole_;  // by position: the block that is whole after it, or 0
  std::vector<bool> needed_;
  std::vector<bool> surely_needed_;
  std::optional<domain::BlockDecision> latest_;
};

}  // namespace llem::study
