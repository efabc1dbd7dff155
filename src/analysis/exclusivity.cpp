#include "analysis/exclusivity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "analysis/series.hpp"
#include "base/text.hpp"

namespace llem::analysis {

namespace {

// Within the window: half of what a small CUDA context takes (about 0.5 GiB on data-centre GPUs),
// and more than an engine that has warmed up still allocates.
constexpr double kChangedBytes = 0x1p28;

/// Processes on a device as listed at one moment. Where the engine's own is among them, the
/// driver's process numbers are ours, and the rest is somebody else's; else nothing is known.
struct Listing {
  std::int64_t t_ns = 0;
  bool tells = false;
  double own_bytes = 0;
  std::vector<std::string> others;
};

Listing listing(const domain::Recording& recording, const std::string& device, std::int64_t from_ns,
                std::int64_t to_ns) {
  Listing list;
  for (const domain::DeviceProcess& process : recording.device_processes) {
    // A display server draws on many GPUs and computes on none.
    if (process.device != device || process.kind == "graphics" || process.t_ns < from_ns ||
        process.t_ns >= to_ns) {
      continue;
    }
    list.tells = list.tells || process.own;
    const double bytes = static_cast<double>(process.memory_bytes.value_or(0));
    if (process.own) {
      list.own_bytes += bytes;
    } else {
      list.others.push_back(fmt::format("{} ({:.1f} GiB)", process.pid, bytes / 0x1p30));
    }
  }
  return list;
}

struct Range {
  double low;
  double high;
};

/// Of a device's memory in use; absent without a reading.
std::optional<Range> range_of(std::span<const domain::TracePoint> points) {
  if (points.empty()) {
    return std::nullopt;
  }
  const auto [low, high] = std::ranges::minmax_element(points, {}, &domain::TracePoint::value);
  return Range{low->value, high->value};
}

/// From the last reading before the window, which was before or in its pad, to the end of the pad
/// after it.
std::span<const domain::TracePoint> around(std::span<const domain::TracePoint> memory,
                                           const Window& w) {
  const auto later =
      std::ranges::upper_bound(memory, w.span.begin_ns, {}, &domain::TracePoint::t_ns);
  const std::int64_t from = later == memory.begin() ? w.span.begin_ns : std::prev(later)->t_ns;
  return within(memory, {from, w.pad_after.value_or(w.span).end_ns});
}

void judge_device(const domain::Recording& r, const domain::Device& device,
                  std::span<const domain::TracePoint> memory, const Window& w, Findings& f) {
  const auto load = phase_span(r, domain::PhaseName::load);
  const auto before =
      load ? within(memory, {INT64_MIN, load->begin_ns}) : std::span<const domain::TracePoint>();
  if (!before.empty() && before.back().value > kForeignBytes) {
    f.add("residual_memory", fmt::format("{}: {:.1f} GiB before the engine started", device.id,
                                         before.back().value / 0x1p30));
  }
  const Listing begin = listing(r, device.id, 0, w.span.begin_ns);
  const Listing end = listing(r, device.id, w.span.end_ns, INT64_MAX);
  for (const auto& [list, when] : {std::pair(&begin, "before"), std::pair(&end, "after")}) {
    if (list->tells && !list->others.empty()) {
      f.add("foreign_process", fmt::format("{}: process {} beside the engine just {} the window",
                                           device.id, base::join(list->others, ", "), when));
    }
  }
  const double grown = begin.tells && end.tells ? std::abs(end.own_bytes - begin.own_bytes) : 0;
  const auto during = range_of(around(memory, w));
  if (during && during->high - during->low > kChangedBytes + grown) {
    f.add("foreign_process",
          fmt::format("{}: memory in use between {:.2f} and {:.2f} GiB around the window",
                      device.id, during->low / 0x1p30, during->high / 0x1p30));
  }
  const auto loaded = phase_span(r, domain::PhaseName::loaded_idle);
  const auto after_load = loaded ? within(memory, *loaded) : std::span<const domain::TracePoint>();
  // Where processes are listed they say more; buffers of the first requests come in between.
  if (during && !after_load.empty() && !begin.tells &&
      during->low - after_load.back().value > kForeignBytes) {
    f.add("foreign_process", fmt::format("{}: {:.2f} GiB more in use than after loading", device.id,
                                         (during->low - after_load.back().value) / 0x1p30));
  }
}

}  // namespace

void judge_exclusivity(const domain::Recording& recording, const Window& window,
                       Findings& findings) {
  for (const auto& device : recording.devices) {
    if (!device.used_gpu()) {
      continue;
    }
    std::span<const domain::TracePoint> memory;
    for (const auto& channel : recording.channels) {
      if (channel.device == device.id && channel.signal == domain::Signal::memory_used) {
        memory = trace_of(recording, channel);
      }
    }
    judge_device(recording, device, memory, window, findings);
  }
}

}  // namespace llem::analysis
