#pragma once

// Owns: comparison of two treatments that were run side by side in blocks.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "stats/interval.hpp"

namespace llem::stats {

/// exp of the mean of d_i = ln(a_i/b_i) over n blocks, with exp(mean ± t(n−1)·s/√n): a factor
/// common to both runs of a block cancels, and the interval never reaches below zero. All values
/// positive.
struct PairedRatio {
  double ratio = 1;
  std::optional<double> log_deviation;  // s of the d_i; absent below n = 2
  std::optional<Interval> interval;     // absent below n = 3
};

PairedRatio paired_ratio(std::span<const double> a, std::span<const double> b, double level = 0.95);

/// Share of the 2ⁿ ways to exchange a and b within their blocks in which the interval of the ratio
/// leaves out 1 (Fisher 1935): where a and b are the same thing, each way is as likely as the one
/// that was run, and 1 − level is right. Up to 2¹² ways are counted all; of more, that many drawn
/// from the seed. Absent below n = 3.
std::optional<double> false_positive_rate(std::span<const double> a, std::span<const double> b,
                                          std::uint64_t seed, double level = 0.95);

/// The smallest mean difference, in standard deviations of the differences, that a t test of n
/// pairs finds with this probability (noncentral t; Cohen 1988, chapter 2). n ≥ 2.
double detectable_difference(std::size_t n, double power = 0.8, double level = 0.95);

}  // namespace llem::stats
