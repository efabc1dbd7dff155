#pragma once

// Owns: order statistics of integers that are visited again and again instead of being held.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace llem::stats {

/// The k-th smallest value (from 0) for each k of `ranks`. `visit(take)` gives every value to
/// `take`, the same ones each time, all within [low, high]; the ranks are below their number.
/// Values are counted in bins, then again in those bins alone that hold a rank, until a bin is one
/// number wide.
template <class Visit>
std::map<std::size_t, std::int64_t> at_ranks(const std::set<std::size_t>& ranks, std::int64_t low,
                                             std::int64_t high, const Visit& visit) {
  constexpr std::uint64_t kBins = std::uint64_t{1} << 15;

  struct Part {
    std::uint64_t low;                                  // above the lowest value
    std::uint64_t width;                                // less 1
    std::size_t below;                                  // values less than its low
    std::set<std::size_t>::const_iterator first, last;  // the ranks in it
  };

  const auto base = static_cast<std::uint64_t>(low);  // unsigned: the widest range fits
  std::map<std::size_t, std::int64_t> found;
  std::vector<Part> parts{
      {0, static_cast<std::uint64_t>(high) - base, 0, ranks.begin(), ranks.end()}};
  std::vector<std::size_t> counts(kBins);
  while (!parts.empty()) {
    const Part part = parts.back();
    parts.pop_back();
    unsigned shift = 0;
    while (part.width >> shift >= kBins) {
      ++shift;
    }
    std::fill(counts.begin(), counts.end(), 0);
    visit([&](std::int64_t value) {
      const std::uint64_t above = static_cast<std::uint64_t>(value) - base - part.low;
      if (above <= part.width) {
        ++counts[above >> shift];
      }
    });
    std::size_t bin = 0;
    std::size_t below = part.below;
    for (auto rank = part.first; rank != part.last;) {
      while (below + counts[bin] <= *rank) {
        below += counts[bin++];
      }
      const std::uint64_t bin_low = part.low + (std::uint64_t{bin} << shift);
      const auto first = rank;
      while (rank != part.last && *rank < below + counts[bin]) {
        found[*rank++] = static_cast<std::int64_t>(base + bin_low);
      }
      if (shift > 0) {
        parts.push_back({bin_low, (std::uint64_t{1} << shift) - 1, below, first, rank});
      }
    }
  }
  return found;
}

}  // namespace llem::stats
