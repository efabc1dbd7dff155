#pragma once

// Owns: the comparison of a deployment with itself.

#include <cstdint>
#include <vector>

#include "domain/self_test.hpp"

namespace llem::analysis {

/// Of trials of one configuration, in any order; successive ones make a pair. A pair with an
/// invalid trial is left out, a metric with fewer than three pairs is absent. Which trial is called
/// A is drawn from the seed.
std::vector<domain::Noise> noise_of(std::vector<const domain::TrialResult*> trials,
                                    std::uint64_t seed);

}  // namespace llem::analysis
