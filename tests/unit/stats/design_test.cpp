#include "stats/design.hpp"

#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace llem::stats {
namespace {

std::string text_of(const std::vector<stats::Run>& runs) {
  std::string text;
  for (const stats::Run& run : runs) {
    text += static_cast<char>('a' + run.treatment);
    text += std::to_string(run.cycle);
    text += ' ';
  }
  return text;
}

void expect_each_once(const std::vector<stats::Run>& runs, std::int64_t treatments,
                      std::int64_t cycles) {
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  for (const stats::Run& run : runs) {
    EXPECT_TRUE(run.treatment >= 0 && run.treatment < treatments);
    EXPECT_TRUE(run.cycle >= 1 && run.cycle <= cycles);
    EXPECT_TRUE(seen.emplace(run.treatment, run.cycle).second);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(treatments * cycles));
}

TEST(Design, orders_without_chance_are_as_their_names_say) {
  EXPECT_EQ(text_of(sequential_order(3, 2)), "a1 a2 b1 b2 c1 c2 ");
  EXPECT_EQ(text_of(interleaved_order(3, 2)), "a1 b1 c1 a2 b2 c2 ");
}

TEST(Design, random_orders_are_the_same_on_every_machine) {
  EXPECT_EQ(text_of(randomised_blocks(5, 3, 42)), "e1 d1 a1 b1 c1 e2 b2 d2 c2 a2 c3 e3 b3 d3 a3 ");
  EXPECT_EQ(text_of(shuffled_order(4, 3, 42)), "d1 c1 d2 c2 c3 b1 a1 d3 b2 a2 a3 b3 ");
  EXPECT_EQ(text_of(*williams_order(4, 4, 42)), "c1 d1 b1 a1 b2 c2 a2 d2 a3 b3 d3 c3 d4 a4 c4 b4 ");
}

TEST(Design, blocks_hold_every_treatment_once_and_do_not_depend_on_the_number_of_cycles) {
  const auto runs = randomised_blocks(7, 6, 1);
  expect_each_once(runs, 7, 6);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(runs[i].cycle, static_cast<std::int64_t>(i / 7) + 1);
  }
  const auto longer = randomised_blocks(7, 9, 1);
  EXPECT_TRUE(std::equal(runs.begin(), runs.end(), longer.begin()));
  EXPECT_NE(text_of(runs), text_of(randomised_blocks(7, 6, 2)));
}

TEST(Design, shuffled_numbers_the_runs_of_a_treatment_in_time) {
  const auto runs = shuffled_order(4, 5, 9);
  expect_each_once(runs, 4, 5);
  std::map<std::int64_t, std::int64_t> last;
  for (const stats::Run& run : runs) {
    EXPECT_EQ(run.cycle, ++last[run.treatment]);
  }
}

TEST(Design, williams_squares_balance_position_and_predecessor) {
  for (const std::int64_t treatments : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12}) {
    const std::int64_t period = williams_cycles(treatments);
    for (const std::int64_t cycles : {period, 2 * period}) {
      const auto runs = williams_order(treatments, cycles, 3);
      ASSERT_TRUE(runs);
      expect_each_once(*runs, treatments, cycles);
      std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> positions;
      std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> followers;
      for (std::size_t i = 0; i < runs->size(); ++i) {
        const auto position = static_cast<std::int64_t>(i) % treatments;
        ++positions[{(*runs)[i].treatment, position}];
        if (position > 0) {
          ++followers[{(*runs)[i - 1].treatment, (*runs)[i].treatment}];
        }
      }
      for (const auto& [where, count] : positions) {
        EXPECT_EQ(count, cycles / treatments) << treatments << " treatments";
      }
      EXPECT_EQ(followers.size(), static_cast<std::size_t>(treatments * (treatments - 1)));
      for (const auto& [pair, count] : followers) {
        EXPECT_EQ(count, cycles / treatments) << treatments << " treatments";
      }
    }
  }
}

TEST(Design, williams_square_refuses_other_numbers_of_cycles) {
  EXPECT_FALSE(williams_order(4, 5, 1));
  const auto odd = williams_order(3, 3, 1);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().message,
            "a Williams square of 3 configurations takes 6 cycles or a multiple, not 3");
  EXPECT_EQ(odd.error().hint, "set study.cycles to 6, or study.order to blocks");
}

}  // namespace
}  // namespace llem::stats
