#include "meters/sample_ring.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "meters/lateness.hpp"

namespace llem::meters {
namespace {

std::vector<domain::Sample> numbered(int from, int count) {
  std::vector<domain::Sample> samples;
  for (int i = from; i < from + count; ++i) {
    samples.push_back({i, 0, 0, 0});
  }
  return samples;
}

std::vector<std::int64_t> drain(SampleRing& ring, std::uint64_t end) {
  std::vector<std::int64_t> times;
  ring.consume(end, [&](const domain::Sample& sample) { times.push_back(sample.t_ns); });
  return times;
}

TEST(SampleRing, hands_over_in_order_across_its_end) {
  SampleRing ring(8);
  std::vector<std::int64_t> all;
  for (int i = 0; i < 100; i += 5) {
    ring.publish(numbered(i, 5));
    for (const std::int64_t t : drain(ring, ring.published())) {
      all.push_back(t);
    }
  }
  ASSERT_EQ(all.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(ring.dropped(), 0);
}

TEST(SampleRing, drops_the_newest_when_full_and_counts_them) {
  SampleRing ring(8);
  ring.publish(numbered(0, 6));
  ring.publish(numbered(6, 6));
  EXPECT_EQ(ring.dropped(), 4);
  EXPECT_EQ(drain(ring, ring.published()).size(), 8U);
  ring.publish(numbered(12, 1));
  EXPECT_EQ(drain(ring, ring.published()), std::vector<std::int64_t>{12});
}

TEST(SampleRing, leaves_what_came_after_the_end_asked_for) {
  SampleRing ring(8);
  ring.publish(numbered(0, 2));
  const std::uint64_t end = ring.published();
  ring.publish(numbered(2, 2));
  EXPECT_EQ(drain(ring, end).size(), 2U);
  EXPECT_EQ(drain(ring, ring.published()), (std::vector<std::int64_t>{2, 3}));
}

TEST(Lateness, quantiles_are_at_most_three_per_cent_high_and_never_low) {
  LatenessHistogram histogram;
  for (std::int64_t i = 1; i <= 100'000; ++i) {
    histogram.add(i * 37);
  }
  for (const double p : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = p * 100'000 * 37;
    EXPECT_GE(static_cast<double>(histogram.quantile(p)), exact * (1 - 1e-9)) << p;
    EXPECT_LE(static_cast<double>(histogram.quantile(p)), exact * 1.0325) << p;
  }
  EXPECT_EQ(histogram.max(), 3'700'000);
  EXPECT_EQ(histogram.quantile(1), 3'700'000);
}

TEST(Lateness, holds_every_delay) {
  LatenessHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  histogram.add(-5);
  EXPECT_EQ(histogram.max(), 0);
  histogram.add(INT64_MAX);
  EXPECT_EQ(histogram.quantile(1), INT64_MAX);
}

}  // namespace
}  // namespace llem::meters
