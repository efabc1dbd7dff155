#pragma once

// Owns: when a device is loaded and when not, so that its sensors show their properties. Pure.

#include <cstdint>
#include <vector>

#include "base/quantity.hpp"
#include "base/random.hpp"

namespace llem::calibration {

struct Pulse {
  Seconds off;  // first idle so long
  Seconds on;
};

/// Idle and work of 5 to 35 ms each at random, for about `length`: in step with no sensor, so that
/// each of its readings differs from the one before.
std::vector<Pulse> irregular_pulses(Seconds length, base::Random& random);

/// Square waves of Yang, Adamek and Armour (SC'24, arXiv 2312.02741, section 4.3): periods of 2/3
/// to 4/3 of a sensor's own, each after a random rest, which tell windows up to its period; and of
/// 5 and 20 times that, which tell longer ones.
std::vector<Pulse> square_waves(Seconds sensor_period, base::Random& random);

}  // namespace llem::calibration
