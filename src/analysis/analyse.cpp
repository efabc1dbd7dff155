#include "analysis/analyse.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "analysis/findings.hpp"
#include "analysis/joined.hpp"
#include "analysis/parts.hpp"
#include "analysis/steady_state.hpp"
#include "analysis/window.hpp"

namespace llem::analysis {

namespace {

std::vector<std::string> hardware(const domain::Recording& recording) {
  std::vector<std::string> names;
  const domain::HostRecord& host = recording.host;
  if (host.logical_cpus > 0) {
    names.push_back(fmt::format("{}, {} of {} CPUs",
                                host.cpu_model.empty() ? "unknown CPU" : host.cpu_model,
                                host.logical_cpus, host.machine_cpus));
  }
  for (const domain::Device& device : recording.devices) {
    if (device.used_gpu()) {
      const std::string_view driver = device.facts.text_or("driver_version", "");
      names.push_back(driver.empty() ? device.name
                                     : fmt::format("{}, driver {}", device.name, driver));
    }
  }
  return names;
}

domain::Identity identity(const domain::Recording& recording) {
  domain::Identity id;
  id.trial = recording.trial;
  id.cycle = recording.cycle;
  id.attempt = recording.attempt;
  id.role = recording.role;
  id.config_hash = recording.configuration.hash;
  const auto& named = recording.worker.engine;
  const auto kind = static_cast<std::size_t>(recording.configuration.deploy.engine);
  id.engine = named.empty() ? std::string(domain::words(domain::EngineKind{})[kind]) : named;
  id.engine_version = recording.worker.engine_version;
  id.hardware = hardware(recording);
  id.model = recording.configuration.model.name;
  id.model_sha256 = recording.configuration.model_sha256;
  id.started_utc = recording.anchor_begin.utc;
  id.started_unix_s = 1e-9 * static_cast<double>(recording.anchor_begin.realtime_ns);
  id.duration_s = 1e-9 * static_cast<double>(recording.anchor_end.monotonic_ns -
                                             recording.anchor_begin.monotonic_ns);
  id.tool = "llem " + recording.tool_version;
  return id;
}

/// Each window by itself first: what blurs at its edges, and the pads, are its own.
std::vector<WindowBlocks> measure_each(const domain::Recording& recording, const Windows& windows,
                                       Findings& findings) {
  std::vector<WindowBlocks> blocks;
  for (const Window& window : windows.each()) {
    WindowBlocks& b = blocks.emplace_back();
    b.window = &window;
    b.energy = energy(recording, window, findings);
    b.phases = phases(recording, window, b.energy);
    b.thermal = thermal(recording, window);
    b.host_load = host_load(recording, window);
    b.steady = steady(recording, window, b.energy);
  }
  return blocks;
}

void measure_windows(domain::TrialResult& result, const domain::Recording& recording,
                     const Windows& windows, const domain::UserFactors& factors,
                     Findings& findings) {
  const auto blocks = measure_each(recording, windows, findings);
  const Window& all = windows.all();
  result.energy = joined_energy(recording, blocks, all, findings);
  if (result.energy) {
    result.efficiency = efficiency(*result.energy, all);
    result.cost = cost(*result.energy, all, factors);
  }
  result.latency = latency(*all.serve, recording.schedule.prompts_repeat);
  result.throughput = throughput(all);
  result.lengths = lengths(all);
  result.windows = window_figures(blocks, recording.schedule.prompts_repeat);
  result.phases = joined_phases(blocks, all, result.energy);
  result.request_energy = request_energy(all, result.energy, result.phases);
  result.compute = compute(recording, all, factors.peaks);
  result.thermal = joined_thermal(blocks);
  result.host_load = joined_host_load(blocks);
  result.steady = told_steady(blocks);
}

/// Of all windows, each difference once.
std::vector<domain::ConfigDifference> all_device_differences(const domain::Recording& recording,
                                                             const Windows& windows) {
  std::vector<domain::ConfigDifference> all;
  for (const Window& window : windows.each()) {
    for (domain::ConfigDifference& difference : device_differences(recording, window)) {
      if (std::ranges::find(all, difference.name, &domain::ConfigDifference::name) == all.end()) {
        all.push_back(std::move(difference));
      }
    }
  }
  return all;
}

}  // namespace

domain::TrialResult analyse(const domain::Recording& recording,
                            const domain::UserFactors& factors) {
  Findings findings;
  domain::TrialResult result;
  result.identity = identity(recording);
  const bool completed = recording.outcome.state == domain::OutcomeState::completed;
  const Windows windows(completed ? find_windows(recording) : std::vector<Window>());
  const auto served = static_cast<std::int64_t>(windows.each().size());
  const std::int64_t asked = recording.configuration.measure.windows_per_trial;
  if (!windows.empty()) {
    measure_windows(result, recording, windows, factors, findings);
  }
  if (completed && served < asked) {
    findings.add("timeline_incomplete",
                 served == 0 ? "no window was served"
                             : fmt::format("{} of {} windows were served", served, asked));
  }
  const Window* served_window = windows.empty() ? nullptr : &windows.all();
  result.memory = memory(recording, served_window);
  result.warmup = warmup(recording);
  result.configuration = configuration_account(recording);
  if (!windows.empty()) {
    auto differences = all_device_differences(recording, windows);
    std::ranges::move(differences, std::back_inserter(result.configuration.differences));
  }
  result.overhead = overhead(recording);
  judge(recording, served_window, result, findings);
  result.validity = findings.verdict(completed);
  return result;
}

}  // namespace llem::analysis
