#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace llem {

enum class EventKind {
  fetch_progress,  // text: what; done, total in bytes
  study_started,   // text: run directory; total: trials
  trial_started,   // trial, cycle, text: configuration label
  phase_started,   // trial, phase; expected_s when it is known
  progress,        // trial, phase, done, total; never inside the window
  trial_finished,  // trial, text: one line of result or the reason of failure; state
  block_decided,   // cycle: so many are whole; text: how well the configurations are known; state
  rest_started,    // text: what is waited for; expected_s at most
  warning,         // text
  study_finished,  // text: run directory; state
};

/// What happens while a study runs: for a progress line, and written to events.jsonl.
struct Event {
  EventKind kind = EventKind::progress;
  std::int64_t trial = 0;  // from 1
  std::int64_t trials = 0;
  std::int64_t cycle = 0;
  std::string phase;
  std::string text;
  std::string state;  // of a trial: valid, flagged, invalid, interrupted; of a block: its verdict
  double done = 0;
  double total = 0;
  std::optional<double> expected_s;
  std::optional<double> power_w;          // of the devices used, by the last reading
  std::optional<double> tokens_per_s;     // prompt and output, in the last pass of the warm-up
  std::optional<double> remaining_low_s;  // of the study, when a trial starts
  std::optional<double> remaining_high_s;
};

using EventSink = std::function<void(const Event&)>;

/// Tells of something that does not stop the study.
inline void warn(const EventSink& events, std::string text) {
  Event event;
  event.kind = EventKind::warning;
  event.text = std::move(text);
  events(event);
}

}  // namespace llem
