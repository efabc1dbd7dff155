#pragma once

// Owns: the order in which an experiment's runs are made: randomisation and balance over time.

#include <cstdint>
#include <vector>

#include "base/error.hpp"

namespace llem::stats {

/// One run: which treatment, and the how-manieth of it (from 1).
struct Run {
  std::int64_t treatment = 0;
  std::int64_t cycle = 1;
  bool operator==(const Run&) const = default;
};

/// Randomised complete blocks: each cycle holds every treatment once, in a random order of its own,
/// so that a drift over time falls on all treatments alike (Fisher 1935, The Design of
/// Experiments). The order of a cycle depends on seed and cycle alone.
std::vector<Run> randomised_blocks(std::int64_t treatments, std::int64_t cycles,
                                   std::uint64_t seed);

/// All cycles of the first treatment, then of the next.
std::vector<Run> sequential_order(std::int64_t treatments, std::int64_t cycles);

/// Every cycle in the order of the treatments.
std::vector<Run> interleaved_order(std::int64_t treatments, std::int64_t cycles);

/// All runs at random.
std::vector<Run> shuffled_order(std::int64_t treatments, std::int64_t cycles, std::uint64_t seed);

/// Cycles a Williams design of so many treatments takes: t, or 2t when t is odd.
std::int64_t williams_cycles(std::int64_t treatments);

/// Williams (1949), Aust. J. Sci. Res. A 2, 149: over its cycles every treatment stands at every
/// position equally often and follows every other equally often, which balances the effect of the
/// run before. Which treatment takes which row is drawn from the seed. Refused unless `cycles` is a
/// multiple of williams_cycles().
Expected<std::vector<Run>> williams_order(std::int64_t treatments, std::int64_t cycles,
                                          std::uint64_t seed);

}  // namespace llem::stats
