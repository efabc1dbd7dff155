#pragma once

// Owns: readings as series that energy can be taken from (docs/methodology/energy.md).

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/lattice.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"

namespace llem::analysis {

/// The readings of a channel; empty when none were stored.
std::span<const domain::TracePoint> trace_of(const domain::Recording& recording,
                                             const domain::Channel& channel);

/// A step of power at a boundary that lies anywhere between two updates is blurred by x·(1 − x)·T,
/// x uniform in [0, 1]: mean T/6, variance T²/180 an edge. Both edges err to the same side, so the
/// root mean square of two is T·√(1/9 + 1/90).
inline const double kSteppedEdges = std::sqrt(11.0 / 90);

struct Tick {
  std::int64_t t_ns = 0;  // best estimate of when the sensor published the value
  double value = 0;
  double width_s = 0;  // of the interval in which it can have been
};

/// Mean power of a stretch and its standard uncertainty, autocorrelation included.
struct PowerMean {
  double watts = 0;
  double u_watts = 0;
  double seconds = 0;
  /// Standard deviation of the power over one update, beyond what the placing of updates explains.
  double spread_w = 0;
};

/// When a sensor updates and when it was asked.
struct Updates {
  double period_s = 0;               // as probed, else as known before, else the median seen
  std::optional<double> period_u_s;  // of a probed one
  std::optional<domain::Knowledge> period_source;
  double poll_s = 0;  // between polls at most times
};

/// An energy counter as its updates, unwrapped, in joules since its first reading.
struct CounterSeries : Updates {
  std::vector<Tick> ticks;
  std::vector<std::int64_t> breaks;  // times at which it ran backwards
};

/// A power gauge as its change points (a value that stands longer than the period counts again).
struct GaugeSeries : Updates {
  std::vector<Tick> points;
  std::optional<Lattice> lattice;
  std::optional<double> averaging_s;  // exactly so many updates where it is near that
  std::optional<double> lag_s;        // time constant of a first-order response
};

CounterSeries make_counter(const domain::Recording& recording, const domain::Channel& channel);
GaugeSeries make_gauge(const domain::Recording& recording, const domain::Channel& channel);

/// Standard uncertainty of a tick's time: anywhere in its interval, as likely here as there.
double timing_u(const Tick& tick);

/// The tick whose value holds at t; the first one before all. There must be one.
const Tick& held_at(std::span<const Tick> ticks, std::int64_t t_ns);

/// First index at or after t, and one past the last index at or before t.
std::size_t first_at_or_after(std::span<const Tick> ticks, std::int64_t t_ns);
std::size_t end_at_or_before(std::span<const Tick> ticks, std::int64_t t_ns);

/// The first tick that cannot lie before t, and one past the last one that cannot lie after it,
/// wherever in their intervals they were.
std::size_t first_surely_after(std::span<const Tick> ticks, std::int64_t t_ns);
std::size_t end_surely_before(std::span<const Tick> ticks, std::int64_t t_ns);

/// Linear between neighbours; absent outside them.
std::optional<double> value_at(std::span<const Tick> ticks, std::int64_t t_ns);
/// Trapezoids with interpolated boundaries; outside the points the nearest value holds for at most
/// `hold_s`.
std::optional<double> integral(std::span<const Tick> points, const Span& span, double hold_s);
/// Each value holds until the next one.
std::optional<double> held_integral(std::span<const Tick> points, const Span& span, double hold_s);

bool broken_within(const CounterSeries& series, const Span& span);

std::optional<PowerMean> mean_power(const CounterSeries& series, const Span& span);
std::optional<PowerMean> mean_power(const GaugeSeries& series, const Span& span);

/// Energy of a stretch when a rough edge does not matter (loading, warm-up).
std::optional<double> rough_energy(const CounterSeries& series, const Span& span);
std::optional<double> rough_energy(const GaugeSeries& series, const Span& span);

/// Increase over a span of a counter of something else (seconds of CPU, of throttling): linear
/// between readings, and scaled to the span when readings cover at least half of it.
std::optional<double> increase(std::span<const domain::TracePoint> trace, const Span& span);
/// Readings within the span.
std::span<const domain::TracePoint> within(std::span<const domain::TracePoint> trace,
                                           const Span& span);

}  // namespace llem::analysis
