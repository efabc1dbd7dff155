#include "sys/process_tree.hpp"

#include <algorithm>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sys/process.hpp"

namespace llem::sys {
namespace {

constexpr pid_t kSelf = 100;
constexpr Leader kLeader{200, 5000};

ProcessEntry a_process(pid_t pid, pid_t parent, pid_t session, std::uint64_t start = 6000) {
  return {pid, parent, session, session, 'S', start};
}

const ProcessEntry kHost = a_process(kSelf, 1, kSelf, 1000);
const ProcessEntry kLeaderEntry = a_process(200, kSelf, 200, 5000);

bool no_mark(pid_t) {
  return false;
}

std::vector<pid_t> pids_of(const std::vector<ProcessEntry>& entries) {
  std::vector<pid_t> out;
  for (const ProcessEntry& entry : entries) {
    out.push_back(entry.pid);
  }
  std::sort(out.begin(), out.end());
  return out;
}

using Pids = std::vector<pid_t>;

TEST(ProcessStat, reads_the_fields_behind_any_program_name) {
  const auto entry = parse_process_stat(
      "4711 (a) S (b c) R 12 13 14 0 -1 4194304 88 0 0 0 1 2 0 0 20 0 1 0 987654321 2703360 200");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->pid, 4711);
  EXPECT_EQ(entry->state, 'R');
  EXPECT_EQ(entry->parent, 12);
  EXPECT_EQ(entry->group, 13);
  EXPECT_EQ(entry->session, 14);
  EXPECT_EQ(entry->start_ticks, 987654321U);
}

TEST(ProcessStat, refuses_broken_lines) {
  EXPECT_FALSE(parse_process_stat(""));
  EXPECT_FALSE(parse_process_stat("4711 (sh) S 1 2"));
  EXPECT_FALSE(parse_process_stat("x (sh) S 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 7"));
}

TEST(ProcessStat, reads_this_process) {
  const auto entry = read_process(::getpid());
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->parent, ::getppid());
  EXPECT_EQ(entry->session, ::getsid(0));
  EXPECT_FALSE(entry->ended());
}

TEST(Mark, is_found_among_those_of_programs_above_and_below) {
  const std::string text = std::string("A=1\0", 4) + kTrialVariable + "=7-aa/8-bb" + '\0' + "B=2";
  EXPECT_TRUE(environment_has_mark(text, "7-aa"));
  EXPECT_TRUE(environment_has_mark(text, "8-bb"));
  EXPECT_FALSE(environment_has_mark(text, "7-a"));
  EXPECT_FALSE(environment_has_mark(text, "7-aa/8-bb"));
  EXPECT_FALSE(environment_has_mark("A=7-aa", "7-aa"));
  EXPECT_FALSE(environment_has_mark("", "7-aa"));
}

TEST(Members, are_those_in_the_group_or_session_whoever_their_parent_is) {
  const ProcessEntry orphan = a_process(210, 1, 200);
  ProcessEntry own_group = a_process(211, 1, 200);
  own_group.group = 211;
  EXPECT_EQ(
      pids_of(members_of({kHost, kLeaderEntry, orphan, own_group}, kLeader, {}, kSelf, no_mark)),
      (Pids{210, 211}));
}

TEST(Members, are_descendants_in_sessions_of_their_own_in_any_order) {
  const ProcessEntry grandchild = a_process(150, 300, 150);  // the numbers have wrapped round
  const ProcessEntry child = a_process(300, 200, 300);
  EXPECT_EQ(
      pids_of(members_of({kHost, grandchild, kLeaderEntry, child}, kLeader, {}, kSelf, no_mark)),
      (Pids{150, 300}));
}

TEST(Members, are_never_the_host_nor_its_other_children) {
  const ProcessEntry other_child = a_process(400, kSelf, kSelf);
  const ProcessEntry other_daemon = a_process(401, kSelf, 401);
  const ProcessEntry of_daemon = a_process(402, 401, 401);
  EXPECT_TRUE(members_of({kHost, kLeaderEntry, other_child, other_daemon, of_daemon}, kLeader, {},
                         kSelf, no_mark)
                  .empty());
  EXPECT_TRUE(members_of({kHost}, kLeader, {}, kSelf, [](pid_t) { return true; }).empty());
}

TEST(Members, are_daemons_with_the_mark_and_all_below_them) {
  const ProcessEntry daemon = a_process(500, 1, 499);
  const ProcessEntry below = a_process(501, 500, 501);
  const auto marked = [](pid_t pid) { return pid == 500; };
  EXPECT_EQ(pids_of(members_of({kHost, daemon, below}, kLeader, {}, kSelf, marked)),
            (Pids{500, 501}));
}

TEST(Members, seen_before_count_only_while_they_are_the_same_process) {
  const ProcessEntry seen = a_process(600, 200, 600);
  const ProcessEntry now = a_process(600, 1, 600);
  const ProcessEntry another = a_process(600, 1, 600, 7000);
  EXPECT_EQ(pids_of(members_of({kHost, now}, kLeader, {seen}, kSelf, no_mark)), Pids{600});
  EXPECT_TRUE(members_of({kHost, another}, kLeader, {seen}, kSelf, no_mark).empty());
}

TEST(Members, are_never_older_than_the_leader) {
  const ProcessEntry older = a_process(700, 1, 200, 4999);
  EXPECT_TRUE(members_of({kHost, kLeaderEntry, older}, kLeader, {}, kSelf, no_mark).empty());
}

TEST(Members, are_not_those_of_a_stranger_who_got_the_leader_s_pid) {
  const ProcessEntry stranger = a_process(200, 1, 200, 9000);
  const ProcessEntry of_stranger = a_process(800, 200, 200, 9001);
  const ProcessEntry ours = a_process(801, 1, 801);
  const auto marked = [](pid_t pid) { return pid == 801; };
  EXPECT_EQ(pids_of(members_of({kHost, stranger, of_stranger, ours}, kLeader, {}, kSelf, marked)),
            Pids{801});
}

TEST(Descendants, are_live_and_at_any_depth) {
  ProcessEntry zombie = a_process(203, 200, 200);
  zombie.state = 'Z';
  EXPECT_EQ(descendants_of({a_process(202, 201, 9), kHost, kLeaderEntry, a_process(201, 200, 9),
                            zombie, a_process(900, 1, 1)},
                           kSelf),
            (Pids{200, 201, 202}));
}

}  // namespace
}  // namespace llem::sys
