#include "study/plan.hpp"

#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "study/forecast.hpp"

namespace llem::study {
namespace {

const assets::ResolvedModel kModel{};
const assets::PromptSet kDataset{};

domain::Plan planned(const std::string& text) {
  const auto loaded = config::load_study(text, "study.yaml", {}, {});
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
  auto space = config::expand(*loaded, {.usable_cpus = 2},
                              [](const domain::Deploy&) { return Expected<void>(); });
  EXPECT_TRUE(space) << (space ? "" : space.error().message);
  const std::vector<PointAssets> assets(space->points.size(), {&kModel, &kDataset});
  auto plan = make_plan("study", *std::move(space), assets, "1");
  EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
  return *std::move(plan);
}

std::string sweep(const std::string& levels, const std::string& study) {
  return fmt::format("model: m\nsweep: {{deploy.batch_size: [{}]}}\nstudy: {{{}}}\n", levels,
                     study);
}

TEST(MakePlan, gives_every_configuration_every_cycle_once) {
  const domain::Plan plan = planned(sweep("1, 2, 4", "cycles: 3"));
  EXPECT_EQ(plan.configurations.size(), 3U);
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    EXPECT_EQ(plan.trials[i].index, static_cast<std::int64_t>(i));
    EXPECT_EQ(plan.trials[i].sample(), plan.trials[i].cycle);
    seen.emplace(plan.trials[i].configuration, plan.trials[i].cycle);
  }
  EXPECT_EQ(seen.size(), 9U);
  EXPECT_EQ(plan.configurations[2].label, "batch_size 4");
  EXPECT_EQ(plan.configurations[2].levels, std::vector<std::int64_t>{2});
  ASSERT_EQ(plan.factors.size(), 1U);
  EXPECT_EQ(plan.factors[0].levels, (std::vector<std::string>{"1", "2", "4"}));
}

TEST(MakePlan, merges_points_of_equal_content_under_both_labels) {
  const domain::Plan plan = planned(
      "model: m\nworkload: {sampling: {temperature: 0}}\n"
      "sweep: {workload.sampling.top_k: [10, 20], deploy.batch_size: [1, 2]}\nstudy: {cycles: "
      "2}\n");
  EXPECT_EQ(plan.configurations.size(), 2U) << "top_k has no effect without a temperature";
  EXPECT_EQ(plan.trials.size(), 4U);
  ASSERT_EQ(plan.configurations[0].same_as.size(), 1U);
  EXPECT_EQ(plan.configurations[0].same_as[0], "top_k 20, batch_size 1");
}

TEST(MakePlan, refuses_to_merge_points_that_are_measured_otherwise) {
  for (const std::string axis : {"measure.sample_hz: [10, 50]", "deploy.devices: [['0'], ['1']]"}) {
    const auto loaded = config::load_study("model: m\nsweep: {" + axis + "}\n", "s", {}, {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    auto space =
        config::expand(*loaded, {}, [](const domain::Deploy&) { return Expected<void>(); });
    ASSERT_TRUE(space) << space.error().message;
    const std::vector<PointAssets> assets(space->points.size(), {&kModel, &kDataset});
    const auto plan = make_plan("study", *std::move(space), assets, "1");
    ASSERT_FALSE(plan) << axis;
    EXPECT_EQ(plan.error().kind, ErrorKind::config);
    EXPECT_NE(plan.error().message.find(axis.substr(0, axis.find(':'))), std::string::npos);
  }
}

TEST(MakePlan, has_one_seed_for_the_same_configurations) {
  const auto seed = [](const std::string& text) { return *planned(text).study.seed; };
  EXPECT_EQ(seed(sweep("1, 2", "cycles: 3")), seed(sweep("1, 2", "cycles: 5")));
  EXPECT_NE(seed(sweep("1, 2", "cycles: 3")), seed(sweep("1, 3", "cycles: 3")));
  EXPECT_EQ(seed(sweep("1, 2", "cycles: 3, seed: 7")), 7);
}

TEST(MakePlan, puts_sentinels_before_between_and_after) {
  const domain::Plan plan = planned(sweep("1, 2", "cycles: 2, order: interleaved, sentinel: 2"));
  std::string roles;
  for (const domain::Trial& trial : plan.trials) {
    const bool sentinel = trial.role == domain::TrialRole::sentinel;
    roles += sentinel ? 's' : static_cast<char>('0' + trial.configuration);
    if (sentinel) {
      EXPECT_EQ(trial.configuration, 0);
      EXPECT_EQ(trial.sample(), 1) << "the same prompts every time";
    }
  }
  EXPECT_EQ(roles, "s01s01s");
}

TEST(MakePlan, refuses_a_latin_square_that_does_not_come_out_even) {
  const auto loaded =
      config::load_study(sweep("1, 2, 4", "cycles: 3, order: latin_square"), "s", {}, {});
  auto space = config::expand(*loaded, {}, [](const domain::Deploy&) { return Expected<void>(); });
  const std::vector<PointAssets> assets(3, {&kModel, &kDataset});
  const auto plan = make_plan("study", *std::move(space), assets, "1");
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::config);
}

TEST(MakePlan, is_made_for_the_most_cycles_that_a_precision_allows) {
  const domain::Plan plan = planned(
      "model: m\nsweep: {measure.profile: [quick, full], deploy.batch_size: [1, 2]}\n"
      "study: {precision: {relative_half_width: 0.01, max_cycles: 12}}\n");
  EXPECT_EQ(plan.study.cycles, 12);
  EXPECT_EQ(plan.trials.size(), 48U);
  EXPECT_EQ(plan.study.precision->min_cycles, 10) << "what the most careful profile starts with";
}

TEST(NeededTrials, are_those_of_the_blocks_and_the_closing_sentinel) {
  const domain::Plan plan = planned(
      "model: m\nsweep: {deploy.batch_size: [1, 2]}\nstudy: {order: interleaved, sentinel: 3, "
      "precision: {relative_half_width: 0.01, min_cycles: 3, max_cycles: 4}}\n");
  const auto needed_after = [&](std::int64_t block, domain::BlockVerdict verdict) {
    std::string text;
    const auto needed = domain::needed_trials(plan, domain::BlockDecision{block, verdict, 0});
    for (std::size_t i = 0; i < needed.size(); ++i) {
      const domain::Trial& trial = plan.trials[i];
      const bool sentinel = trial.role == domain::TrialRole::sentinel;
      const std::string name = sentinel ? "s" : std::to_string(trial.configuration);
      text += needed[i] ? name : "-";
    }
    return text;
  };
  EXPECT_EQ(needed_after(3, domain::BlockVerdict::go_on), "s010s101s01s");
  EXPECT_EQ(needed_after(3, domain::BlockVerdict::reached), "s010s101---s");
  EXPECT_EQ(needed_after(1, domain::BlockVerdict::budget_used), "s01--------s");
  EXPECT_EQ(needed_after(4, domain::BlockVerdict::maximum_used), "s010s101s01s");
  EXPECT_EQ(domain::needed_trials(plan, {}), std::vector<bool>(12, true));
}

TEST(Differences, name_the_field_of_a_single_configuration) {
  const domain::Plan before = planned("model: m\ndeploy: {batch_size: 4}\n");
  EXPECT_TRUE(differences(before, planned("model: m\ndeploy: {batch_size: 4}\n")).empty());
  const auto found = differences(before, planned("model: m\ndeploy: {batch_size: 8}\n"));
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], "deploy.batch_size 4 -> 8");
}

TEST(Differences, name_configurations_and_settings_of_a_sweep) {
  const domain::Plan before = planned(sweep("1, 2", "cycles: 2"));
  const auto found = differences(before, planned(sweep("2, 4", "cycles: 3, seed: 1")));
  ASSERT_EQ(found.size(), 4U);
  EXPECT_TRUE(found[0].starts_with("no longer planned: batch_size 1 ("));
  EXPECT_TRUE(found[1].starts_with("new: batch_size 4 ("));
  EXPECT_EQ(found[2], "study.cycles 2 -> 3");
}

TEST(Replan, keeps_the_numbers_of_what_is_still_planned) {
  const domain::Plan before = planned(sweep("1, 2", "cycles: 2, order: interleaved"));
  const domain::Plan after =
      replan(before, planned(sweep("2, 4", "cycles: 3, order: interleaved")), 9);
  std::set<std::int64_t> numbers;
  for (const domain::Trial& trial : after.trials) {
    EXPECT_TRUE(numbers.insert(trial.index).second);
    const bool kept = after.configurations[static_cast<std::size_t>(trial.configuration)].label ==
                          "batch_size 2" &&
                      trial.cycle <= 2;
    EXPECT_EQ(trial.index < 4, kept);
    if (kept) {
      EXPECT_EQ(trial.index, 2 * trial.cycle - 1);
    }
  }
  EXPECT_EQ(after.trials.size(), 6U);
  EXPECT_EQ(*numbers.rbegin(), 12) << "four new ones, from the first number nobody had";
  EXPECT_EQ(after.trials.front().index, 1) << "what is there comes first";
}

TEST(Forecast, starts_from_declared_phases_and_tightens) {
  const domain::Plan plan = planned(sweep("1, 2", "cycles: 2"));
  Forecast forecast(plan);
  for (const domain::Trial& trial : plan.trials) {
    forecast.expect(trial.configuration);
  }
  const config::TimeRange declared = config::declared_time(plan.configurations[0].measure);
  EXPECT_DOUBLE_EQ(forecast.remaining().low_s, 4 * declared.low_s);
  EXPECT_DOUBLE_EQ(forecast.remaining().high_s, 4 * declared.high_s);
  EXPECT_GT(forecast.expected(), forecast.remaining().low_s);
  EXPECT_LT(forecast.expected(), forecast.remaining().high_s);
  // Trials of the first take 1.5 times the longest they declare.
  forecast.took(0, 1.5 * declared.high_s);
  const config::TimeRange left = forecast.remaining();
  EXPECT_DOUBLE_EQ(left.low_s, 1.5 * declared.high_s + 2 * 1.5 * declared.low_s);
  EXPECT_DOUBLE_EQ(left.high_s, 1.5 * declared.high_s + 2 * 1.5 * declared.high_s);
  forecast.took(0, 1.5 * declared.high_s);
  forecast.took(1, declared.low_s);
  EXPECT_DOUBLE_EQ(forecast.remaining().high_s, declared.low_s);
  forecast.drop(1);
  EXPECT_DOUBLE_EQ(forecast.remaining().high_s, 0);
}

TEST(Forecast, reaches_from_what_is_needed_to_what_may_be) {
  const domain::Plan plan = planned(sweep("1, 2", "cycles: 2"));
  Forecast forecast(plan);
  forecast.expect(0);
  forecast.expect(1);
  forecast.expect_perhaps(0);
  const config::TimeRange declared = config::declared_time(plan.configurations[0].measure);
  EXPECT_DOUBLE_EQ(forecast.remaining().low_s, 2 * declared.low_s);
  EXPECT_DOUBLE_EQ(forecast.remaining().high_s, 3 * declared.high_s);
  forecast.expect_nothing();
  EXPECT_EQ(forecast.remaining().high_s, 0);
}

}  // namespace
}  // namespace llem::study
