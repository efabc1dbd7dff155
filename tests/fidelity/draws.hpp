#pragma once

// Owns: random draws that are the same on every compiler: the page of results is checked against
// them.

#include <cmath>
#include <cstdint>
#include <random>

namespace llem::fidelity {

/// The standard fixes the engine's numbers but not those of its distributions.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : engine_(seed) {}

  double uniform(double low = 0, double high = 1) {
    return low + (high - low) * static_cast<double>(engine_() >> 11U) * 0x1p-53;
  }

  /// Box and Muller (1958).
  double normal(double mean, double deviation) {
    constexpr double kTurn = 6.283185307179586;
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return mean + deviation * radius * std::cos(kTurn * uniform());
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace llem::fidelity
