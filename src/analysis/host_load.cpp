#include <algorithm>

#include "analysis/parts.hpp"
#include "analysis/series.hpp"

namespace llem::analysis {

namespace {

std::optional<double> increase_of(const domain::Recording& recording, domain::Signal signal,
                                  const Span& span) {
  for (const auto& channel : recording.channels) {
    if (channel.signal == signal) {
      return increase(trace_of(recording, channel), span);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<domain::HostLoad> host_load(const domain::Recording& recording,
                                          const Window& window) {
  using enum domain::Signal;
  const auto busy = increase_of(recording, cpu_busy, window.span);
  const auto steal = increase_of(recording, cpu_steal, window.span);
  const auto worker = increase_of(recording, process_cpu, window.span);
  const auto switches = increase_of(recording, process_switches, window.span);
  if (!busy && !steal && !worker && !switches) {
    return std::nullopt;
  }
  const auto cpus = static_cast<double>(
      std::max<std::int64_t>(recording.host.machine_cpus, recording.host.logical_cpus));
  const double capacity_s = cpus * window.duration_s;
  domain::HostLoad load;
  load.worker_cpu_s = worker;
  if (busy && capacity_s > 0) {
    load.cpu_busy_ratio = *busy / capacity_s;
  }
  if (steal && capacity_s > 0) {
    load.cpu_steal_ratio = *steal / capacity_s;
  }
  if (worker && busy && *busy > 0) {
    load.worker_share_ratio = *worker / *busy;
  }
  if (switches) {
    load.involuntary_switches_per_s = *switches / window.duration_s;
  }
  return load;
}

}  // namespace llem::analysis
