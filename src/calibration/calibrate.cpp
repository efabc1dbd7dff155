#include "calibration/calibrate.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/random.hpp"
#include "calibration/characterise.hpp"
#include "calibration/pulses.hpp"
#include "meters/sampler.hpp"
#include "sys/clock.hpp"
#include "sys/wait.hpp"

namespace llem::calibration {

namespace {

constexpr double kPollHz = 1000;
constexpr Seconds kIdle{1};           // before and after all load
constexpr Seconds kProbe{1};          // irregular load at a time, until every period is known
constexpr Seconds kLongestProbe{15};  // ten updates of a sensor that is refreshed every second
constexpr double kAlike = 0.1;        // periods that one set of waves serves
constexpr double kUsualPeriod = 0.1;  // s, of most sensors
constexpr std::uint64_t kSeed = 1;    // the same load on every machine

bool of_power(const domain::Channel& channel) {
  using enum domain::Signal;
  return channel.signal == energy || channel.signal == power || channel.signal == power_instant ||
         channel.signal == power_average;
}

Seconds length_of(const std::vector<Pulse>& pulses) {
  Seconds sum{0};
  for (const Pulse& pulse : pulses) {
    sum += pulse.off + pulse.on;
  }
  return sum;
}

class Session {
 public:
  Session(const std::vector<meters::Meter*>& sensors, CalibrationPorts& ports)
      : ports_(ports), sampler_(sensors, kPollHz) {
    seen_.channels = sampler_.channels();
    sampler_.start();
  }

  Expected<void> rest(Seconds length) {
    const MonotonicTime until = sys::deadline_after(length);
    const int fd = ports_.interrupts.fd;
    std::array<sys::Waitable, 1> waits{sys::Waitable{fd, false, false}};
    LLEM_ASSIGN(const bool woken, sys::wait_any(waits, until));
    if (woken && ports_.interrupts.read() != StopRequest::none) {
      return failure(ErrorKind::interrupted, "the calibration was interrupted; nothing is kept");
    }
    sampler_.drain(seen_.traces);
    return {};
  }

  Expected<void> drive(const std::vector<Pulse>& pulses) {
    for (const Pulse& pulse : pulses) {
      LLEM_TRY(rest(pulse.off));
      const std::int64_t begin = to_ns(sys::MonotonicClock().now());
      LLEM_TRY(ports_.load.burst(pulse.on));
      loaded_.push_back({begin, to_ns(sys::MonotonicClock().now())});
    }
    return {};
  }

  void stop() {
    sampler_.stop();
    sampler_.drain(seen_.traces);
  }

  /// What has been seen so far.
  const domain::Recording& seen() const { return seen_; }

  domain::Calibration result() const {
    domain::Calibration calibration = characterise(seen_, loaded_);
    const domain::SamplerRecord statistics = sampler_.statistics();
    calibration.sample_hz = statistics.achieved_hz.value_or(0);
    calibration.duration_s = statistics.duration_s;
    return calibration;
  }

 private:
  CalibrationPorts& ports_;
  domain::Recording seen_;
  std::vector<analysis::Span> loaded_;
  meters::Sampler sampler_;  // ends first: declared last
};

/// Each once, from short to long.
std::vector<double> unlike(std::vector<double> periods) {
  std::sort(periods.begin(), periods.end());
  const auto alike = [](double a, double b) { return b - a <= kAlike * a; };
  periods.erase(std::unique(periods.begin(), periods.end(), alike), periods.end());
  return periods;
}

std::size_t gauges(const domain::Recording& seen) {
  return static_cast<std::size_t>(
      std::count_if(seen.channels.begin(), seen.channels.end(),
                    [](const auto& c) { return c.behaviour == domain::Behaviour::gauge; }));
}

}  // namespace

std::vector<meters::Meter*> sensors_of(const meters::MeterSet& set, std::string_view device) {
  std::vector<meters::Meter*> sensors;
  for (const auto& meter : set.meters) {
    const auto channels = meter->channels();
    if (std::any_of(channels.begin(), channels.end(),
                    [&](const auto& c) { return c.device == device && of_power(c); })) {
      sensors.push_back(meter.get());
    }
  }
  return sensors;
}

Expected<domain::Calibration> calibrate(const std::vector<meters::Meter*>& sensors, int repeats,
                                        CalibrationPorts& ports) {
  base::Random random(kSeed);
  Session session(sensors, ports);
  LLEM_TRY(session.rest(kIdle));
  ports.say("update periods: irregular load");
  std::vector<double> periods;
  for (Seconds probed{0}; probed < kLongestProbe && periods.size() < gauges(session.seen());
       probed += kProbe) {
    LLEM_TRY(session.drive(irregular_pulses(kProbe, random)));
    LLEM_TRY(session.rest(Seconds(0)));
    periods = gauge_periods(session.seen());
  }
  periods = unlike(std::move(periods));
  for (int repeat = 1; repeat <= repeats; ++repeat) {
    for (const double period : periods) {
      const auto waves = square_waves(Seconds(period), random);
      ports.say(fmt::format("averaging windows: square waves around {:.0f} ms, {} of {}, {:.0f} s",
                            period * 1e3, repeat, repeats, length_of(waves).count()));
      LLEM_TRY(session.drive(waves));
    }
  }
  // Until the slowest has shown the end of the load.
  LLEM_TRY(session.rest(kIdle + 20 * Seconds(periods.empty() ? 0 : periods.back())));
  session.stop();
  return session.result();
}

Seconds expected_duration(int repeats) {
  base::Random random(kSeed);
  return 2 * kIdle + kProbe + repeats * length_of(square_waves(Seconds(kUsualPeriod), random)) +
         20 * Seconds(kUsualPeriod);
}

}  // namespace llem::calibration
