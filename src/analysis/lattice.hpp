#pragma once

// Owns: how often a sensor updates and on which grid, found in the times at which its readings
// change (docs/methodology/energy.md).

#include <cstdint>
#include <optional>
#include <span>

#include "domain/channel.hpp"

namespace llem::analysis {

struct Period {
  double seconds = 0;
  double u_seconds = 0;  // standard uncertainty
};

/// Updates at origin + first_s + k·period_s for every integer k.
struct Lattice {
  std::int64_t origin_ns = 0;
  double first_s = 0;
  Period period;

  double at(std::int64_t k) const { return first_s + static_cast<double>(k) * period.seconds; }
};

/// Absent when changes are too few, polls too rare, or the updates lie on no grid.
std::optional<Lattice> fit_lattice(std::span<const domain::TracePoint> trace);

/// The mean time between updates; absent when polls are too rare, or when the sensor shows so few
/// values that an update may go unnoticed.
std::optional<Period> mean_period(std::span<const domain::TracePoint> trace);

/// The reading that update k published: what a poll saw before the next half period was over;
/// absent when none did.
std::optional<double> reading_of(std::span<const domain::TracePoint> trace, const Lattice& lattice,
                                 std::int64_t k);

}  // namespace llem::analysis
