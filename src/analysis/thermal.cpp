#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "analysis/parts.hpp"
#include "analysis/series.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

constexpr double kMega = 1e6;
// The driver tells and sets limits in whole mW.
constexpr double kLimitTolerance = 1e-3;  // W
// Clocks go in steps of 15 MHz (7.5 MHz on some GPUs); a lock takes the step next to it.
constexpr double kClockTolerance = 15e6;  // Hz

struct Readings {
  std::optional<double> first;
  std::optional<double> mean;
  std::optional<double> low;
  std::optional<double> high;
};

const domain::Channel* find_channel(const domain::Recording& recording, std::string_view device,
                                    domain::Signal signal) {
  const auto it =
      std::find_if(recording.channels.begin(), recording.channels.end(),
                   [&](const auto& c) { return c.device == device && c.signal == signal; });
  return it == recording.channels.end() ? nullptr : &*it;
}

Readings readings(const domain::Recording& recording, std::string_view device,
                  domain::Signal signal, const Span& span) {
  const auto* channel = find_channel(recording, device, signal);
  if (channel == nullptr) {
    return {};
  }
  const auto points = within(trace_of(recording, *channel), span);
  if (points.empty()) {
    return {};
  }
  stats::Moments moments;
  Readings r{points.front().value, std::nullopt, points.front().value, points.front().value};
  for (const auto& point : points) {
    moments.add(point.value);
    r.low = std::min(*r.low, point.value);
    r.high = std::max(*r.high, point.value);
  }
  r.mean = moments.mean();
  return r;
}

std::optional<double> share(const domain::Recording& recording, std::string_view device,
                            domain::Signal signal, const Span& span) {
  const auto* channel = find_channel(recording, device, signal);
  const auto seconds =
      channel != nullptr ? increase(trace_of(recording, *channel), span) : std::nullopt;
  return seconds ? std::optional(*seconds / span.seconds()) : std::nullopt;
}

/// Adds the difference between what was asked for and what was read, in `scale` units a unit read.
void compare(const std::string& name, std::optional<double> declared, std::optional<double> read,
             double scale, double tolerance, std::vector<domain::ConfigDifference>& differences) {
  if (!declared || (read && std::abs(*read - *declared * scale) <= tolerance)) {
    return;
  }
  differences.push_back({name, *declared, read ? base::Json(*read / scale) : base::Json()});
}

}  // namespace

std::optional<PowerLimits> power_limits(const domain::Recording& recording, std::string_view device,
                                        const Span& span) {
  const auto limits = readings(recording, device, domain::Signal::power_limit, span);
  return limits.low ? std::optional(PowerLimits{*limits.low, *limits.high}) : std::nullopt;
}

std::optional<double> clock_beyond_lock(const domain::Recording& recording, std::string_view device,
                                        domain::Signal signal, std::int64_t locked_mhz,
                                        const Span& span) {
  const auto clock = readings(recording, device, signal, span);
  const double highest = kMega * static_cast<double>(locked_mhz) + kClockTolerance;
  const bool lifted = clock.low && *clock.low <= highest && *clock.high > highest;
  return lifted ? std::optional(*clock.high / kMega) : std::nullopt;
}

std::vector<domain::ConfigDifference> device_differences(const domain::Recording& recording,
                                                         const Window& window) {
  const domain::Deploy& deploy = recording.configuration.deploy;
  std::vector<domain::ConfigDifference> differences;
  for (const auto& device : recording.devices) {
    if (!device.used_gpu()) {
      continue;
    }
    const auto limits = power_limits(recording, device.id, window.span);
    compare(device.id + " power_limit_w", deploy.power_limit_w,
            limits ? std::optional(limits->low_w) : std::nullopt, 1, kLimitTolerance, differences);
    compare(device.id + " clocks.sm_mhz", deploy.clocks.sm_mhz,
            readings(recording, device.id, domain::Signal::clock_sm, window.span).mean, kMega,
            kClockTolerance, differences);
    compare(device.id + " clocks.memory_mhz", deploy.clocks.memory_mhz,
            readings(recording, device.id, domain::Signal::clock_memory, window.span).mean, kMega,
            kClockTolerance, differences);
  }
  return differences;
}

std::optional<domain::ThrottleShares> throttle_shares(const domain::Recording& recording,
                                                      std::string_view device, const Span& span) {
  using enum domain::Signal;
  domain::ThrottleShares shares;
  shares.power_ratio = share(recording, device, throttle_power, span);
  shares.sw_thermal_ratio = share(recording, device, throttle_sw_thermal, span);
  shares.hw_thermal_ratio = share(recording, device, throttle_hw_thermal, span);
  shares.brake_ratio = share(recording, device, throttle_brake, span);
  const bool any = shares.power_ratio || shares.sw_thermal_ratio || shares.hw_thermal_ratio ||
                   shares.brake_ratio;
  return any ? std::optional(shares) : std::nullopt;
}

std::optional<domain::Thermal> thermal(const domain::Recording& recording, const Window& window) {
  using enum domain::Signal;
  domain::Thermal thermal;
  for (const auto& device : recording.devices) {
    domain::DeviceThermal d;
    d.device = device.id;
    const auto temperature_c = readings(recording, device.id, temperature, window.span);
    d.temperature_start_celsius = temperature_c.first;
    d.temperature_mean_celsius = temperature_c.mean;
    d.temperature_max_celsius = temperature_c.high;
    const auto clock = readings(recording, device.id, clock_sm, window.span);
    d.clock_sm_mean_hz = clock.mean;
    d.clock_sm_min_hz = clock.low;
    if (const auto limits = power_limits(recording, device.id, window.span)) {
      d.power_limit_w = limits->low_w;
    }
    d.throttle = throttle_shares(recording, device.id, window.span);
    if (d.temperature_mean_celsius || d.clock_sm_mean_hz || d.power_limit_w || d.throttle) {
      thermal.devices.push_back(std::move(d));
    }
  }
  return thermal.devices.empty() ? std::nullopt : std::optional(std::move(thermal));
}

}  // namespace llem::analysis
