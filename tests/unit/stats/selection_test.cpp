#include "stats/selection.hpp"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace llem::stats {
namespace {

using Integers = std::vector<std::int64_t>;

/// Compares with sorting, at the given ranks.
void expect_as_sorted(Integers values, const std::set<std::size_t>& ranks) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const auto found = at_ranks(
      ranks, *low, *high, [&](auto take) { std::for_each(values.begin(), values.end(), take); });
  std::sort(values.begin(), values.end());
  ASSERT_EQ(found.size(), ranks.size());
  for (const auto& [rank, value] : found) {
    ASSERT_EQ(value, values[rank]) << "rank " << rank << " of " << values.size();
  }
}

TEST(AtRanks, agree_with_sorting) {
  base::Random random(7);
  for (int round = 0; round < 60; ++round) {
    Integers values(1 + random.below(300));
    const std::uint64_t range = std::uint64_t{1} << random.below(50);
    for (std::int64_t& value : values) {
      value = static_cast<std::int64_t>(random.below(range)) - 1000;
    }
    std::set<std::size_t> ranks{0, values.size() - 1};
    for (int i = 0; i < 8; ++i) {
      ranks.insert(random.below(values.size()));
    }
    expect_as_sorted(values, ranks);
  }
}

TEST(AtRanks, find_equal_values_and_far_ones) {
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  expect_as_sorted({5}, {0});
  expect_as_sorted({5, 5, 5, 5}, {0, 1, 3});
  expect_as_sorted({kHighest, 0, kLowest, 7, 7, 8}, {0, 1, 2, 3, 4, 5});
}

}  // namespace
}  // namespace llem::stats
