#include "base/error.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"

namespace llem::base {
namespace {

Expected<int> half(int value) {
  if (value % 2 != 0) {
    return failure(ErrorKind::usage, "odd");
  }
  return value / 2;
}

Expected<int> quarter(int value) {
  LLEM_ASSIGN(const int once, half(value));
  LLEM_ASSIGN(const int twice, half(once));
  return twice;
}

Expected<void> check(int value) {
  LLEM_TRY(half(value));
  return {};
}

TEST(Errors, are_forwarded_by_the_macros) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_TRUE(check(2));
  EXPECT_EQ(check(3).error().kind, ErrorKind::usage);
}

TEST(Describe, shows_what_where_and_what_to_do) {
  Error error{ErrorKind::config, "unknown key `a`", "did you mean `b`?", {"s.yaml:1:2 a", "s"}, ""};
  EXPECT_EQ(describe(error),
            "error: unknown key `a`\n  at s.yaml:1:2 a\n  at s\n  hint: did you mean `b`?\n");
  EXPECT_EQ(describe(Error{ErrorKind::io, "gone", "", {}, ""}), "error: gone\n");
}

TEST(ErrorKinds, have_their_own_words) {
  EXPECT_EQ(to_string(ErrorKind::config), "config");
  EXPECT_EQ(to_string(ErrorKind::internal), "internal");
}

TEST(AssertionDeath, says_what_was_violated_and_why) {
  EXPECT_DEATH(LLEM_ASSERT(1 == 2, "numbers are distinct"), "numbers are distinct");
}

TEST(Log, passes_lines_down_to_the_threshold_and_keeps_each_on_one_line) {
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel, std::string_view line) { lines.emplace_back(line); }, LogLevel::info);
  warn("a\nb");
  info("c");
  debug("d");
  set_log_sink({}, LogLevel::info);
  warn("dropped");
  EXPECT_EQ(lines, (std::vector<std::string>{"a b", "c"}));
}

}  // namespace
}  // namespace llem::base
