#include <gtest/gtest.h>

#include "store/run_directory.hpp"

namespace llem::store {
namespace {

constexpr std::string_view kGood =
    R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host-4100","trial":7,"attempt":1,"state":"started"})";

ManifestLine line(std::string t, std::int64_t trial, std::int64_t attempt, TrialState state,
                  std::string owner = "host-1") {
  return {.t = std::move(t),
          .owner = std::move(owner),
          .trial = trial,
          .attempt = attempt,
          .state = state,
          .reason = {}};
}

std::string reason_for(std::string_view text) {
  const auto parsed = parse_manifest_line(text);
  return parsed ? "" : parsed.error().message;
}

TEST(ManifestLine, IsReadStrictly) {
  const auto parsed = parse_manifest_line(kGood);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->trial, 7);
  EXPECT_EQ(parsed->state, TrialState::started);
  EXPECT_EQ(parsed->owner, "host-4100");
  EXPECT_FALSE(parsed->reason);

  for (
      const std::string_view bad :
      {R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host","trial":7,"attempt":1})",
       R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host","trial":-1,"attempt":1,"state":"done"})",
       R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host","trial":1,"attempt":0,"state":"done"})",
       R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host","trial":1,"attempt":1,"state":"won"})",
       R"({"v":1,"t":"2026-11-22T14:01:01Z","owner":"host","trial":1,"attempt":1,"state":"done","x":1})",
       R"({"v":1,"t":"yesterday","owner":"host","trial":1,"attempt":1,"state":"done"})",
       R"({"v":1,"t":"2026-11-22 14:01:01Z","owner":"host","trial":1,"attempt":1,"state":"done"})",
       R"({"v":"1","t":"2026-11-22T14:01:01Z","owner":"host","trial":1,"attempt":1,"state":"done"})",
       R"({"v":1,"t":"2026-11-22T14:01)", "[]", "null", ""}) {
    EXPECT_NE(reason_for(bad), "") << bad;
  }
}

TEST(ManifestLine, ANewerVersionIsRefusedByName) {
  const auto parsed = parse_manifest_line(R"({"v":2,"when":1,"what":"else"})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, "newer_version");
  EXPECT_EQ(parsed.error().message, "the manifest line has version 2; this program knows 1");
}

TEST(FoldManifest, TakesTheLatestStateOfEachTrial) {
  const std::vector lines{line("2026-11-22T14:01:01Z", 0, 1, TrialState::started),
                          line("2026-11-22T14:01:01.500Z", 0, 1, TrialState::recorded),
                          line("2026-11-22T14:01:02Z", 0, 1, TrialState::done),
                          line("2026-11-22T14:01:03Z", 1, 1, TrialState::started)};
  const auto states = fold_manifest(lines);
  ASSERT_EQ(states.size(), 2U);
  EXPECT_EQ(states.at(0).state, TrialState::done);
  EXPECT_EQ(states.at(1).state, TrialState::started);
  EXPECT_FALSE(states.contains(2));
}

TEST(FoldManifest, OwnersMergeByTimeAndDuplicatesChangeNothing) {
  const ManifestLine started = line("2026-11-22T14:01:01Z", 0, 1, TrialState::started, "a-1");
  ManifestLine failed = line("2026-11-22T14:01:05Z", 0, 1, TrialState::failed, "b-2");
  failed.reason = "engine_died";
  const std::vector lines{failed, failed, started, started};
  const auto states = fold_manifest(lines);
  EXPECT_EQ(states.at(0).state, TrialState::failed);
  EXPECT_EQ(states.at(0).reason, "engine_died");
}

TEST(FoldManifest, ALaterAttemptWinsWhateverTheClockSaid) {
  const std::vector lines{line("2026-11-22T15:00:00Z", 0, 1, TrialState::failed, "a-1"),
                          line("2026-11-22T14:00:00Z", 0, 2, TrialState::done, "b-2")};
  const auto states = fold_manifest(lines);
  EXPECT_EQ(states.at(0).state, TrialState::done);
  EXPECT_EQ(states.at(0).attempt, 2);
}

TEST(FoldManifest, AnOwnersOrderHoldsAcrossAClockSetBack) {
  const std::vector lines{line("2026-11-22T14:01:05Z", 0, 1, TrialState::started),
                          line("2026-11-22T14:01:00Z", 0, 1, TrialState::done)};
  EXPECT_EQ(fold_manifest(lines).at(0).state, TrialState::done);
}

}  // namespace
}  // namespace llem::store
