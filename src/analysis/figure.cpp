#include "analysis/figure.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace llem::analysis {

namespace {

std::string channel_name(const domain::Channel& channel) {
  return fmt::format("{} {}", channel.device,
                     domain::words(channel.signal)[static_cast<std::size_t>(channel.signal)]);
}

}  // namespace

double random_uncertainty(const domain::UncertaintyComponents& c) {
  double square = 0;
  for (const auto& part : {c.edge_j, c.alias_j, c.gap_j, c.time_j, c.quantum_j}) {
    square += part.value_or(0) * part.value_or(0);
  }
  return std::sqrt(square);
}

std::optional<Problem> coverage_problem(std::span<const domain::TracePoint> trace,
                                        const domain::Channel& channel, const Window& window,
                                        double tolerance_s) {
  if (trace.size() < 2) {
    return Problem{"sensor_lost",
                   fmt::format("{}: {} readings", channel_name(channel), trace.size())};
  }
  const double late = seconds_between(window.span.begin_ns, trace.front().t_ns);
  if (late > tolerance_s) {
    return Problem{"sensor_lost", fmt::format("{}: first reading {:.3f} s after the window began",
                                              channel_name(channel), late)};
  }
  const double early = seconds_between(trace.back().t_ns, window.span.end_ns);
  if (early > tolerance_s) {
    return Problem{"sensor_lost", fmt::format("{}: last reading {:.3f} s before the window ended",
                                              channel_name(channel), early)};
  }
  return std::nullopt;
}

}  // namespace llem::analysis
