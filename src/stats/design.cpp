#include "stats/design.hpp"

#include <numeric>

#include <fmt/format.h>

#include "base/random.hpp"

namespace llem::stats {

namespace {

std::vector<std::int64_t> counted(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  return numbers;
}

std::vector<std::int64_t> drawn(std::int64_t n, std::uint64_t seed, std::uint64_t block) {
  std::vector<std::int64_t> numbers = counted(n);
  base::Random(base::derive_seed(seed, "order", block)).shuffle(numbers);
  return numbers;
}

/// 0, 1, t-1, 2, t-2, …: neighbours differ by every non-zero residue of t once (t even).
std::vector<std::int64_t> zigzag(std::int64_t treatments) {
  std::vector<std::int64_t> row;
  for (std::int64_t i = 0; i < treatments; ++i) {
    const std::int64_t step = (i + 1) / 2;
    row.push_back(i % 2 == 1 ? step : (treatments - step) % treatments);
  }
  return row;
}

}  // namespace

std::vector<Run> randomised_blocks(std::int64_t treatments, std::int64_t cycles,
                                   std::uint64_t seed) {
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(treatments * cycles));
  for (std::int64_t cycle = 1; cycle <= cycles; ++cycle) {
    for (const std::int64_t treatment :
         drawn(treatments, seed, static_cast<std::uint64_t>(cycle))) {
      runs.push_back({treatment, cycle});
    }
  }
  return runs;
}

std::vector<Run> sequential_order(std::int64_t treatments, std::int64_t cycles) {
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(treatments * cycles));
  for (std::int64_t treatment = 0; treatment < treatments; ++treatment) {
    for (std::int64_t cycle = 1; cycle <= cycles; ++cycle) {
      runs.push_back({treatment, cycle});
    }
  }
  return runs;
}

std::vector<Run> interleaved_order(std::int64_t treatments, std::int64_t cycles) {
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(treatments * cycles));
  for (std::int64_t cycle = 1; cycle <= cycles; ++cycle) {
    for (std::int64_t treatment = 0; treatment < treatments; ++treatment) {
      runs.push_back({treatment, cycle});
    }
  }
  return runs;
}

std::vector<Run> shuffled_order(std::int64_t treatments, std::int64_t cycles, std::uint64_t seed) {
  std::vector<Run> runs = sequential_order(treatments, cycles);
  base::Random(base::derive_seed(seed, "order")).shuffle(runs);
  // The cycle is the how-manieth run of its treatment, and prompts go by the cycle: time decides.
  std::vector<std::int64_t> seen(static_cast<std::size_t>(treatments), 0);
  for (Run& run : runs) {
    run.cycle = ++seen[static_cast<std::size_t>(run.treatment)];
  }
  return runs;
}

std::int64_t williams_cycles(std::int64_t treatments) {
  return treatments % 2 == 0 || treatments == 1 ? treatments : 2 * treatments;
}

Expected<std::vector<Run>> williams_order(std::int64_t treatments, std::int64_t cycles,
                                          std::uint64_t seed) {
  const std::int64_t period = williams_cycles(treatments);
  if (cycles % period != 0) {
    return failure(
        ErrorKind::config,
        fmt::format("a Williams square of {} configurations takes {} cycles or a multiple, not {}",
                    treatments, period, cycles),
        fmt::format("set study.cycles to {}, or study.order to blocks",
                    (cycles / period + 1) * period),
        "order_impossible");
  }
  const std::vector<std::int64_t> row = zigzag(treatments);
  std::vector<Run> runs;
  runs.reserve(static_cast<std::size_t>(treatments * cycles));
  for (std::int64_t begin = 0; begin < cycles; begin += period) {
    const auto square = static_cast<std::uint64_t>(begin / period);
    const std::vector<std::int64_t> names = drawn(treatments, seed, 2 * square + 1);
    const std::vector<std::int64_t> rows = drawn(period, seed, 2 * square + 2);
    for (std::int64_t i = 0; i < period; ++i) {
      // An odd number of treatments takes each row forwards and backwards.
      const std::int64_t number = rows[static_cast<std::size_t>(i)];
      const bool backwards = number >= treatments;
      for (std::int64_t k = 0; k < treatments; ++k) {
        const auto at = static_cast<std::size_t>(backwards ? treatments - 1 - k : k);
        const auto treatment = static_cast<std::size_t>((row[at] + number) % treatments);
        runs.push_back({names[treatment], begin + i + 1});
      }
    }
  }
  return runs;
}

}  // namespace llem::stats
