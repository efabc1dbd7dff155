#include "study/progress.hpp"

#include <gtest/gtest.h>

#include "study/gather.hpp"

namespace llem::study {
namespace {

using store::TrialState;

domain::Plan a_plan(std::int64_t trials) {
  domain::Plan plan;
  plan.configurations.resize(1);
  for (std::int64_t i = 0; i < trials; ++i) {
    plan.trials.push_back({i, 0, i + 1});
  }
  return plan;
}

TrialProgress one(const std::map<std::int64_t, store::TrialStatus>& manifest,
                  const std::vector<store::Attempt>& attempts) {
  return progress_of(a_plan(1), manifest, attempts).front();
}

TEST(Progress, of_a_trial_nobody_touched_is_open) {
  const TrialProgress trial = one({}, {});
  EXPECT_EQ(trial.standing, Standing::open);
  EXPECT_EQ(trial.next_attempt, 1);
}

TEST(Progress, follows_the_manifest_where_a_recording_is) {
  const std::vector<store::Attempt> recorded{{0, 1, "a1", true}};
  EXPECT_EQ(one({{0, {TrialState::done, 1, {}}}}, recorded).standing, Standing::done);
  EXPECT_EQ(one({{0, {TrialState::failed, 1, {}}}}, recorded).standing, Standing::failed);
  EXPECT_EQ(one({{0, {TrialState::failed, 1, {}}}}, recorded).failures, 1);
  EXPECT_EQ(one({{0, {TrialState::interrupted, 1, {}}}}, recorded).standing, Standing::open);
  EXPECT_EQ(one({{0, {TrialState::interrupted, 1, {}}}}, recorded).next_attempt, 2);
}

TEST(Progress, takes_over_a_recording_the_manifest_does_not_tell_of) {
  const std::vector<store::Attempt> recorded{{0, 1, "a1", true}};
  for (const auto state : {TrialState::started, TrialState::recorded}) {
    const TrialProgress trial = one({{0, {state, 1, {}}}}, recorded);
    EXPECT_EQ(trial.standing, Standing::recorded);
    EXPECT_EQ(trial.recording, store::Path("a1"));
  }
  EXPECT_EQ(one({}, recorded).standing, Standing::recorded);
}

TEST(Progress, believes_no_manifest_line_without_its_recording) {
  const TrialProgress trial = one({{0, {TrialState::done, 1, {}}}}, {{0, 1, "a1", false}});
  EXPECT_EQ(trial.standing, Standing::open);
  EXPECT_EQ(trial.next_attempt, 2);
  EXPECT_EQ(one({{0, {TrialState::done, 3, {}}}}, {}).next_attempt, 4);
}

TEST(Progress, gives_an_attempt_a_number_nobody_had) {
  const TrialProgress trial =
      one({{0, {TrialState::failed, 2, {}}}}, {{0, 1, "a1", true}, {0, 5, "a5", false}});
  EXPECT_EQ(trial.next_attempt, 6);
}

domain::TrialResult a_result(std::int64_t trial, std::int64_t attempt, bool interrupted) {
  domain::TrialResult result;
  result.identity.trial = trial;
  result.identity.attempt = attempt;
  if (interrupted) {
    result.validity.codes.push_back({"interrupted", "invalid", "", ""});
  }
  return result;
}

TEST(KeptResults, leave_out_interrupted_attempts_that_were_followed_and_trials_of_no_plan) {
  const auto kept = kept_results(
      a_plan(3), {a_result(2, 1, true), a_result(1, 2, false), a_result(1, 1, true),
                  a_result(7, 1, false), a_result(0, 1, false), a_result(0, 2, false)});
  std::vector<std::pair<std::int64_t, std::int64_t>> names;
  for (const auto& result : kept) {
    names.emplace_back(result.identity.trial, result.identity.attempt);
  }
  EXPECT_EQ(names,
            (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {0, 2}, {1, 2}, {2, 1}}));
}

}  // namespace
}  // namespace llem::study
