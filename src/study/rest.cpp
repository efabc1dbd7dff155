#include "study/rest.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engines/worker_engine.hpp"
#include "sys/clock.hpp"
#include "sys/wait.hpp"

namespace llem::study {

namespace {

constexpr Seconds kLook{0.2};
constexpr Seconds kAskPeriod{1};

MonotonicTime now() {
  return sys::MonotonicClock().now();
}

void announce(const RestInputs& inputs, std::string text, double seconds) {
  Event event;
  event.kind = EventKind::rest_started;
  event.text = std::move(text);
  event.expected_s = seconds;
  inputs.events(event);
}

/// Until `until`, an interrupt, a wish to skip, or `enough`, which is asked once a second.
Expected<StopRequest> wait(const RestInputs& inputs, MonotonicTime until,
                           const std::function<bool()>& enough) {
  MonotonicTime look = now();
  while (now() < until && !inputs.skip()) {
    if (now() >= look) {
      if (enough()) {
        break;
      }
      look = sys::deadline_after(kAskPeriod);
    }
    LLEM_ASSIGN(const StopRequest request,
                engines::wait_until(std::min(until, sys::deadline_after(kLook)),
                                    {.interrupts = inputs.interrupts}));
    if (request != StopRequest::none) {
      return request;
    }
  }
  return StopRequest::none;
}

}  // namespace

std::optional<double> hottest(meters::MeterSet& meters) {
  std::optional<double> highest;
  for (const auto& meter : meters.meters) {
    const auto channels = meter->channels();
    const bool thermal = std::ranges::any_of(channels, [](const domain::Channel& channel) {
      return channel.signal == domain::Signal::temperature;
    });
    if (!thermal) {
      continue;
    }
    domain::SampleBlock block;
    meter->read(0, block);
    for (std::size_t i = 0; i < block.size; ++i) {
      const domain::Sample& sample = block.samples[i];
      if (channels[sample.channel].signal == domain::Signal::temperature) {
        highest = std::max(highest.value_or(sample.value), sample.value);
      }
    }
  }
  return highest;
}

Expected<StopRequest> rest_between(const RestInputs& inputs, meters::MeterSet& meters) {
  const domain::Gap& gap = inputs.gap;
  if (gap.seconds) {
    if (*gap.seconds <= 0) {
      return StopRequest::none;
    }
    announce(inputs, "", *gap.seconds);
    return wait(inputs, sys::deadline_after(Seconds(*gap.seconds)), [] { return false; });
  }
  if (!gap.temperature_within_c || !inputs.start_celsius) {
    return StopRequest::none;
  }
  const double goal = *inputs.start_celsius + *gap.temperature_within_c;
  const auto cool = [&meters, goal] { return hottest(meters).value_or(goal) <= goal; };
  if (cool()) {
    return StopRequest::none;
  }
  return rest_until(inputs, fmt::format("until {:.0f} degrees Celsius", goal), Seconds(*gap.max_s),
                    cool);
}

Expected<StopRequest> rest_until(const RestInputs& inputs, std::string text, Seconds longest,
                                 const std::function<bool()>& enough) {
  announce(inputs, std::move(text), longest.count());
  return wait(inputs, sys::deadline_after(longest), enough);
}

}  // namespace llem::study
