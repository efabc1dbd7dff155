#include "base/random.hpp"

#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace llem::base {
namespace {

// The expected words come from a Python transcription of the authors' C sources (prng.di.unimi.it,
// splitmix64.c and xoshiro256starstar.c) with integers masked to 64 bits.
TEST(Random, gives_the_reference_sequence_of_seed_zero) {
  Random random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4U);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452aU);
  EXPECT_EQ(random.next(), 0x1a5f849d4933e6e0U);
  EXPECT_EQ(random.next(), 0x6aa594f1262d2d2cU);
  EXPECT_EQ(random.next(), 0xbba5ad4a1f842e59U);
}

TEST(Random, gives_the_reference_sequence_of_other_seeds) {
  Random small(42);
  EXPECT_EQ(small.next(), 0x15780b2e0c2ec716U);
  EXPECT_EQ(small.next(), 0x6104d9866d113a7eU);
  Random largest(~std::uint64_t{0});
  EXPECT_EQ(largest.next(), 0x8f5520d52a7ead08U);
  EXPECT_EQ(largest.next(), 0xc476a018caa1802dU);
}

TEST(Random, takes_the_upper_53_bits_for_a_uniform_number) {
  Random random(7);
  EXPECT_EQ(random.uniform(), 0.7005764821796896);
  EXPECT_EQ(random.uniform(), 0.2787512294737843);
  EXPECT_EQ(random.uniform(), 0.8396274618764198);
}

TEST(Random, draws_integers_below_a_bound_by_the_reference_method) {
  Random random(7);
  for (const std::uint64_t expected : {7U, 2U, 8U, 9U, 9U, 8U, 0U, 1U, 4U, 1U, 5U, 7U}) {
    EXPECT_EQ(random.below(10), expected);
  }
  // Nearly half of all words are rejected at this bound.
  Random rejecting(7);
  EXPECT_EQ(rejecting.below((1ULL << 63) + 1), 6461677535414237997U);
  EXPECT_EQ(rejecting.below((1ULL << 63) + 1), 7744196453246319819U);
  EXPECT_EQ(rejecting.below((1ULL << 63) + 1), 9049029322324588832U);
  EXPECT_EQ(rejecting.below((1ULL << 63) + 1), 9139072988219048332U);
}

TEST(Random, shuffles_by_the_reference_order) {
  std::vector<int> items{0, 1, 2, 3, 4, 5, 6, 7};
  Random(3).shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{6, 0, 3, 7, 2, 1, 4, 5}));
}

TEST(Random, draws_every_integer_equally_often) {
  Random random(1);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) {
    ++counts[random.below(7)];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10'000, 400);  // four standard deviations of a binomial count are 370
  }
}

TEST(Random, draws_normal_numbers_of_the_right_moments_and_tails) {
  Random random(2);
  constexpr int kDraws = 100'000;
  double sum = 0;
  double squares = 0;
  int beyond = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    beyond += std::abs(x) > 1.959964 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.013);
  EXPECT_NEAR(squares / kDraws, 1, 0.018);
  EXPECT_NEAR(beyond / double{kDraws}, 0.05, 0.003);
}

// Reference: int.from_bytes(hashlib.sha256(b"42/sample/0").digest()[:8], "big") in Python.
TEST(DeriveSeed, is_the_head_of_a_hash_of_seed_purpose_and_block) {
  EXPECT_EQ(derive_seed(42, "sample"), 0xdcb03425f2137ca3U);
  EXPECT_EQ(derive_seed(42, "lengths", 3), 0xf48da3ad945bd080U);
  EXPECT_EQ(derive_seed(~std::uint64_t{0}, "sampling", 1), 0x5cd5109ddb487eafU);
}

}  // namespace
}  // namespace llem::base
