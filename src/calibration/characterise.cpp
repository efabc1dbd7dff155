#include "calibration/characterise.hpp"

#include <algorithm>
#include <optional>

#include "analysis/averaging_window.hpp"
#include "analysis/series.hpp"

namespace llem::calibration {

namespace {

/// The channel as one of which nothing is known.
domain::Channel bare(const domain::Channel& channel) {
  domain::Channel unknown = channel;
  unknown.update_period_s = unknown.averaging_window_s = unknown.lag_s = {};
  unknown.update_period_source = unknown.averaging_window_source = {};
  return unknown;
}

void note_updates(const analysis::Updates& updates, domain::SensorCalibration& sensor) {
  if (updates.period_source == domain::Knowledge::probed) {
    sensor.update_period_s = updates.period_s;
    sensor.update_period_u_s = updates.period_u_s;
  }
}

domain::SensorCalibration gauge(const domain::Recording& seen, const domain::Channel& channel,
                                std::span<const analysis::Span> loaded) {
  const auto series = analysis::make_gauge(seen, bare(channel));
  domain::SensorCalibration sensor;
  sensor.signal = channel.signal;
  note_updates(series, sensor);
  // A value that stands is no update whose time is known.
  std::vector<analysis::Tick> changes;
  std::copy_if(series.points.begin(), series.points.end(), std::back_inserter(changes),
               [](const analysis::Tick& tick) { return tick.width_s > 0; });
  sensor.readings = static_cast<std::int64_t>(changes.size());
  const auto window = sensor.update_period_s
                          ? analysis::averaging_window(changes, loaded, *sensor.update_period_s)
                          : std::nullopt;
  if (window) {
    sensor.averaging_window_s = window->seconds;
    sensor.averaging_window_u_s = window->u_seconds;
    sensor.delay_s = window->delay_s;
    sensor.explained_ratio = window->explained_ratio;
  }
  return sensor;
}

domain::SensorCalibration counter(const domain::Recording& seen, const domain::Channel& channel) {
  const auto series = analysis::make_counter(seen, bare(channel));
  domain::SensorCalibration sensor;
  sensor.signal = channel.signal;
  note_updates(series, sensor);
  sensor.readings = static_cast<std::int64_t>(series.ticks.size());
  return sensor;
}

/// From the counter's first update to its last: the load begins and ends in between.
std::optional<domain::CounterCheck> check(const domain::Recording& seen,
                                          const domain::Channel& energy,
                                          const domain::Channel& power) {
  const auto counted = analysis::make_counter(seen, energy);
  const auto sampled = analysis::make_gauge(seen, power);
  if (counted.ticks.size() < 2 || sampled.points.size() < 2 || !counted.breaks.empty()) {
    return std::nullopt;
  }
  const analysis::Tick& first = counted.ticks.front();
  const analysis::Tick& last = counted.ticks.back();
  const auto joules = analysis::held_integral(sampled.points, {first.t_ns, last.t_ns},
                                              2 * sampled.period_s + sampled.poll_s);
  if (!joules || *joules <= 0) {
    return std::nullopt;
  }
  const double counter_j = last.value - first.value;
  return domain::CounterCheck{power.signal, counter_j, *joules, counter_j / *joules};
}

/// The gauge that misses least of the time: the one that averages longest.
const domain::Channel* steadiest(const domain::Recording& seen,
                                 const std::vector<domain::SensorCalibration>& sensors) {
  const domain::Channel* best = nullptr;
  double longest = -1;
  for (std::size_t i = 0; i < seen.channels.size(); ++i) {
    const double averaged = sensors[i].averaging_window_s.value_or(0);
    if (seen.channels[i].behaviour == domain::Behaviour::gauge && averaged > longest) {
      longest = averaged;
      best = &seen.channels[i];
    }
  }
  return best;
}

}  // namespace

domain::Calibration characterise(const domain::Recording& seen,
                                 std::span<const analysis::Span> loaded) {
  domain::Calibration calibration;
  const domain::Channel* energy = nullptr;
  for (const domain::Channel& channel : seen.channels) {
    const bool counts = channel.behaviour == domain::Behaviour::counter;
    calibration.sensors.push_back(counts ? counter(seen, channel) : gauge(seen, channel, loaded));
    energy = counts ? &channel : energy;
  }
  const domain::Channel* power = steadiest(seen, calibration.sensors);
  if (energy != nullptr && power != nullptr) {
    calibration.counter = check(seen, *energy, *power);
  }
  return calibration;
}

std::vector<double> gauge_periods(const domain::Recording& seen) {
  std::vector<double> periods;
  for (const domain::Channel& channel : seen.channels) {
    if (channel.behaviour != domain::Behaviour::gauge) {
      continue;
    }
    const auto series = analysis::make_gauge(seen, bare(channel));
    if (series.period_source == domain::Knowledge::probed) {
      periods.push_back(series.period_s);
    }
  }
  return periods;
}

}  // namespace llem::calibration
