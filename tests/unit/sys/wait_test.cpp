#include "sys/wait.hpp"

#include <array>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "sys/fd.hpp"

namespace llem::sys {
namespace {

struct Pipe {
  Fd reading;
  Fd writing;
};

Pipe a_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

constexpr MonotonicTime kPast{};

TEST(WaitAny, says_that_the_deadline_has_passed) {
  const Pipe pipe = a_pipe();
  std::array<Waitable, 1> waitables{Waitable{.fd = pipe.reading.get(), .ready = true}};
  EXPECT_EQ(wait_any(waitables, kPast).value(), false);
  EXPECT_FALSE(waitables[0].ready);
}

TEST(WaitAny, marks_the_ready_ones_even_after_the_deadline) {
  const Pipe quiet = a_pipe();
  const Pipe full = a_pipe();
  ASSERT_EQ(::write(full.writing.get(), "x", 1), 1);
  std::array<Waitable, 3> waitables{Waitable{.fd = quiet.reading.get()}, Waitable{.fd = -1},
                                    Waitable{.fd = full.reading.get()}};
  EXPECT_EQ(wait_any(waitables, kPast).value(), true);
  EXPECT_FALSE(waitables[0].ready);
  EXPECT_FALSE(waitables[1].ready);
  EXPECT_TRUE(waitables[2].ready);
}

TEST(WaitAny, wakes_without_a_deadline_and_for_a_closed_end) {
  Pipe pipe = a_pipe();
  pipe.writing.close();
  std::array<Waitable, 1> waitables{Waitable{.fd = pipe.reading.get()}};
  EXPECT_EQ(wait_any(waitables, MonotonicTime::max()).value(), true);
  EXPECT_TRUE(waitables[0].ready);
}

TEST(WaitAny, waits_for_room_to_write) {
  const Pipe pipe = a_pipe();
  std::array<Waitable, 1> waitables{Waitable{.fd = pipe.writing.get(), .for_writing = true}};
  EXPECT_EQ(wait_any(waitables, kPast).value(), true);
  EXPECT_TRUE(waitables[0].ready);
}

TEST(DeadlineAfter, is_never_past_and_takes_the_unbounded_as_never) {
  const MonotonicTime before = MonotonicTime::clock::now();
  const MonotonicTime negative = deadline_after(Seconds(-5));
  EXPECT_GE(negative, before);
  EXPECT_LE(negative, MonotonicTime::clock::now());
  EXPECT_GE(deadline_after(Seconds(3600)), before + std::chrono::hours(1));
  EXPECT_EQ(deadline_after(Seconds(1e300)), MonotonicTime::max());
  EXPECT_EQ(deadline_after(Seconds::max()), MonotonicTime::max());
}

TEST(WaitAny, reports_a_closed_descriptor_as_an_error) {
  Pipe pipe = a_pipe();
  std::array<Waitable, 1> waitables{Waitable{.fd = pipe.reading.get()}};
  pipe.reading.close();
  EXPECT_FALSE(wait_any(waitables, kPast));
}

}  // namespace
}  // namespace llem::sys
