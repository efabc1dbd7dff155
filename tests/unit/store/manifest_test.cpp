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
  const auto parsed = parse_manifest_line(R"({"v":3,"when":1,"what":"else"})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, "newer_version");
  EXPECT_EQ(parsed.error().message, "the manifest line has version 3; this program knows 2");
}

constexpr std::string_view kBlock =
    R"({"v":2,"t":"2026-11-22T14:01:01Z","owner":"host-1","block":7,"verdict":"reached","spent_s":61.5})";

TEST(BlockLine, IsReadStrictly) {
  EXPECT_TRUE(tells_of_block(kBlock));
  EXPECT_FALSE(tells_of_block(kGood));
  const auto parsed = parse_block_line(kBlock);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->block, 7);
  EXPECT_EQ(parsed->verdict, domain::BlockVerdict::reached);
  EXPECT_EQ(parsed->spent_s, 61.5);
  for (
      const std::string_view bad :
      {R"({"v":2,"t":"2026-11-22T14:01:01Z","owner":"h","block":0,"verdict":"reached","spent_s":1})",
       R"({"v":2,"t":"2026-11-22T14:01:01Z","owner":"h","block":1,"verdict":"won","spent_s":1})",
       R"({"v":2,"t":"2026-11-22T14:01:01Z","owner":"h","block":1,"verdict":"reached"})",
       R"({"v":2,"t":"now","owner":"h","block":1,"verdict":"reached","spent_s":1})",
       R"({"v":2,"t":"2026-11-22T14:01)"}) {
    EXPECT_FALSE(parse_block_line(bad)) << bad;
  }
  EXPECT_FALSE(parse_block_line(kGood));
  EXPECT_FALSE(parse_manifest_line(kBlock)) << "a program that knows of trials alone refuses it";
}

TEST(FoldBlocks, TakesTheLatestBlock) {
  using enum domain::BlockVerdict;
  const auto block = [](std::int64_t number, domain::BlockVerdict verdict) {
    return BlockLine{.t = "", .owner = "", .block = number, .verdict = verdict, .spent_s = 1};
  };
  EXPECT_FALSE(fold_blocks({}));
  const std::vector lines{block(2, go_on), block(3, reached), block(1, go_on), block(3, go_on)};
  const auto decision = fold_blocks(lines);
  ASSERT_TRUE(decision);
  EXPECT_EQ(decision->block, 3);
  EXPECT_EQ(decision->verdict, reached) << "an end stands";
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
