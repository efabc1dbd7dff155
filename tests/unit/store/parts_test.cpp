#include "store/parts.hpp"

#include <tuple>

#include <gtest/gtest.h>

namespace llem::store {
namespace {

using Rows = std::tuple<std::size_t, std::size_t, std::size_t>;

std::vector<std::vector<Rows>> all_of(std::vector<std::size_t> sizes) {
  Parts parts(std::move(sizes));
  std::vector<std::vector<Rows>> all;
  while (const auto pieces = parts.next()) {
    std::vector<Rows>& part = all.emplace_back();
    for (const Piece& piece : *pieces) {
      part.emplace_back(piece.list, piece.from, piece.to);
    }
  }
  return all;
}

TEST(Parts, are_filled_from_one_list_after_the_other) {
  constexpr std::size_t kRows = Parts::kRows;
  using All = std::vector<std::vector<Rows>>;
  EXPECT_EQ(all_of({5, 0, 7}), (All{{{0, 0, 5}, {2, 0, 7}}}));
  EXPECT_EQ(all_of({kRows}), (All{{{0, 0, kRows}}}));
  EXPECT_EQ(all_of({3, 2 * kRows, 4}), (All{{{0, 0, 3}, {1, 0, kRows - 3}},
                                            {{1, kRows - 3, 2 * kRows - 3}},
                                            {{1, 2 * kRows - 3, 2 * kRows}, {2, 0, 4}}}));
}

TEST(Parts, without_rows_are_one) {
  const std::vector<std::vector<Rows>> one(1);
  EXPECT_EQ(all_of({}), one);
  EXPECT_EQ(all_of({0, 0}), one);
}

}  // namespace
}  // namespace llem::store
