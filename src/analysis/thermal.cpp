#include <algorithm>
#include <string_view>

#include "analysis/parts.hpp"
#include "analysis/series.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

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

}  // namespace

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
    d.power_limit_w = readings(recording, device.id, power_limit, window.span).low;
    d.throttle = throttle_shares(recording, device.id, window.span);
    if (d.temperature_mean_celsius || d.clock_sm_mean_hz || d.power_limit_w || d.throttle) {
      thermal.devices.push_back(std::move(d));
    }
  }
  return thermal.devices.empty() ? std::nullopt : std::optional(std::move(thermal));
}

}  // namespace llem::analysis
