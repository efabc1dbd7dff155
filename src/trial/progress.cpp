// What a recorder tells while it works.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "trial/recorder.hpp"

namespace llem::trial {

engines::Hooks Recorder::hooks() {
  engines::Hooks hooks;
  hooks.interrupts = ports_.interrupts;
  hooks.tick = [this] { sampler_->drain(recording_.traces); };
  hooks.progress = [this](const protocol::Progress& progress) {
    Event event = phase_event(EventKind::progress);
    event.done = progress.done;
    event.total = progress.total;
    ports_.events(event);
  };
  hooks.warning = [this](const protocol::Warning& warning) { warn(warning.code, warning.text); };
  return hooks;
}

void Recorder::warn(const std::string& code, const std::string& text) {
  recording_.notes.push_back({code, text});
  Event event = phase_event(EventKind::warning);
  event.text = text;
  ports_.events(event);
}

Event Recorder::phase_event(EventKind kind) const {
  Event event;
  event.kind = kind;
  event.trial = spec_.trial + 1;
  event.trials = spec_.trials;
  event.cycle = spec_.cycle;
  event.phase = std::string(words(current_phase_)[static_cast<std::size_t>(current_phase_)]);
  return event;
}

std::optional<double> Recorder::latest_power() const {
  std::optional<double> sum;
  std::vector<std::string> counted;  // one power channel a device
  const std::vector<domain::Channel>& channels = sampler_->channels();
  for (std::size_t i = 0; i < recording_.traces.size() && i < channels.size(); ++i) {
    const domain::Channel& channel = channels[i];
    const bool power = channel.signal == domain::Signal::power_instant ||
                       channel.signal == domain::Signal::power ||
                       channel.signal == domain::Signal::power_average;
    if (power && !recording_.traces[i].empty() &&
        std::ranges::find(counted, channel.device) == counted.end()) {
      counted.push_back(channel.device);
      sum = sum.value_or(0) + recording_.traces[i].back().value;
    }
  }
  return sum;
}

std::optional<double> Recorder::latest_rate() const {
  if (recording_.warmup.blocks.empty()) {
    return std::nullopt;
  }
  const domain::WarmupBlock& block = recording_.warmup.blocks.back();
  return static_cast<double>(block.tokens) / seconds_between(block.t_begin_ns, block.t_end_ns);
}

}  // namespace llem::trial
