#pragma once

// Owns: the rest between two trials.

#include <functional>
#include <optional>
#include <span>
#include <string>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "base/error.hpp"
#include "domain/study_config.hpp"
#include "meters/meter.hpp"

namespace llem::study {

/// The highest temperature of the devices in use, in degrees Celsius; absent when no sensor tells.
std::optional<double> hottest(meters::MeterSet& meters);

struct RestInputs {
  const domain::Gap& gap;
  std::optional<double> start_celsius;  // hottest() when the study began
  Interrupts interrupts;
  std::function<bool()> skip;  // asked about five times a second
  EventSink events;
};

/// Waits as `gap` says; for a temperature only where one could be read when the study began.
Expected<StopRequest> rest_between(const RestInputs& inputs, meters::MeterSet& meters);

/// Announces `text` and waits until `enough`, which is asked once a second, for at most so long.
Expected<StopRequest> rest_until(const RestInputs& inputs, std::string text, Seconds longest,
                                 const std::function<bool()>& enough);

}  // namespace llem::study
