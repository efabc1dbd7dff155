#include <algorithm>
#include <functional>
#include <string>

#include "analysis/parts.hpp"
#include "analysis/series.hpp"

namespace llem::analysis {

namespace {

using Figure = std::optional<domain::MemoryFigure>;

bool used_gpu(const domain::Recording& recording, const domain::Channel& channel) {
  const auto it = std::find_if(recording.devices.begin(), recording.devices.end(),
                               [&](const auto& d) { return d.id == channel.device; });
  return it != recording.devices.end() && it->used_gpu();
}

std::optional<double> highest(std::span<const domain::TracePoint> points) {
  if (points.empty()) {
    return std::nullopt;
  }
  return std::max_element(points.begin(), points.end(),
                          [](const auto& a, const auto& b) { return a.value < b.value; })
      ->value;
}

std::optional<double> latest(std::span<const domain::TracePoint> points) {
  return points.empty() ? std::nullopt : std::optional(points.back().value);
}

/// Sum over the devices used; absent when one of them was not read.
template <class Pick>
Figure over_devices(const domain::Recording& recording, const Span& span, Pick&& pick,
                    const char* source) {
  double sum = 0;
  bool any = false;
  for (const auto& channel : recording.channels) {
    if (channel.signal != domain::Signal::memory_used || !used_gpu(recording, channel)) {
      continue;
    }
    const auto bytes = pick(within(trace_of(recording, channel), span));
    if (!bytes) {
      return std::nullopt;
    }
    sum += *bytes;
    any = true;
  }
  return any ? Figure(domain::MemoryFigure{sum, source}) : std::nullopt;
}

Figure reported(const std::optional<std::int64_t>& bytes, const char* source) {
  if (!bytes) {
    return std::nullopt;
  }
  return domain::MemoryFigure{static_cast<double>(*bytes), source};
}

Figure resident_peak(const domain::Recording& recording, const Span& span) {
  for (const auto& channel : recording.channels) {
    if (channel.signal == domain::Signal::process_rss) {
      const auto bytes = highest(within(trace_of(recording, channel), span));
      return bytes ? Figure(domain::MemoryFigure{*bytes, "resident set, sampled in the window"})
                   : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

domain::Memory memory(const domain::Recording& recording, const Window* window) {
  domain::Memory m;
  if (const auto idle = phase_span(recording, domain::PhaseName::loaded_idle)) {
    m.device_after_load_bytes =
        over_devices(recording, *idle, latest, "driver, all processes, model loaded and idle");
  }
  if (window != nullptr) {
    m.device_peak_bytes = over_devices(recording, window->span, highest,
                                       "driver, all processes, highest reading in the window");
    m.host_rss_peak_bytes = resident_peak(recording, window->span);
  }
  const auto& worker = recording.worker;
  m.engine_after_load_bytes = reported(worker.memory_after_load_bytes, "engine's own account");
  m.kv_cache_bytes = reported(worker.kv_cache_bytes, "engine's own account");
  m.compute_buffer_bytes = reported(worker.compute_buffer_bytes, "engine's own account");
  m.weights_bytes = reported(recording.model.bytes, "model file");
  m.host_rss_hwm_bytes = reported(worker.peak_rss_bytes, "process high-water mark");
  return m;
}

}  // namespace llem::analysis
