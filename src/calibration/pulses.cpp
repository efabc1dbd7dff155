#include "calibration/pulses.hpp"

#include <algorithm>
#include <array>

namespace llem::calibration {

namespace {

constexpr Seconds kShortest{0.005};
constexpr Seconds kLongest{0.035};
constexpr std::array kPeriods{2.0 / 3, 3.0 / 4, 4.0 / 5, 6.0 / 5, 5.0 / 4, 4.0 / 3, 5.0, 20.0};
constexpr double kReadings = 40;  // of each wave
constexpr double kWaves = 2.5;    // at least: what is seen of the longest

Seconds between(Seconds low, Seconds high, base::Random& random) {
  return low + random.uniform() * (high - low);
}

}  // namespace

std::vector<Pulse> irregular_pulses(Seconds length, base::Random& random) {
  std::vector<Pulse> pulses;
  for (Seconds passed{0}; passed < length;) {
    pulses.push_back({between(kShortest, kLongest, random), between(kShortest, kLongest, random)});
    passed += pulses.back().off + pulses.back().on;
  }
  return pulses;
}

std::vector<Pulse> square_waves(Seconds sensor_period, base::Random& random) {
  std::vector<Pulse> pulses;
  for (const double periods : kPeriods) {
    const Seconds half = periods / 2 * sensor_period;
    const double waves = std::max(kReadings / periods, kWaves);
    for (double wave = 0; wave < waves; ++wave) {
      const Seconds rest = wave == 0 ? between(Seconds(0), sensor_period, random) : Seconds(0);
      pulses.push_back({half + rest, half});
    }
  }
  return pulses;
}

}  // namespace llem::calibration
