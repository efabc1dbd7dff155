#include "analysis/analyse.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "analysis/findings.hpp"
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
    if (device.kind == "gpu" && device.used) {
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

void measure_window(domain::TrialResult& result, const domain::Recording& recording,
                    const Window& window, const domain::CostFactors& factors, Findings& findings) {
  result.energy = energy(recording, window, findings);
  if (result.energy) {
    result.efficiency = efficiency(*result.energy, window);
    result.cost = cost(*result.energy, window, factors);
  }
  result.latency = latency(*window.serve, recording.schedule.prompts_repeat);
  result.throughput = throughput(window);
  result.lengths = lengths(window);
  result.phases = phases(recording, window, result.energy);
  result.request_energy = request_energy(window, result.energy, result.phases);
  result.compute = compute(recording, window);
  result.thermal = thermal(recording, window);
  result.steady = steady(recording, window, result.energy);
  result.host_load = host_load(recording, window);
}

}  // namespace

domain::TrialResult analyse(const domain::Recording& recording,
                            const domain::CostFactors& factors) {
  Findings findings;
  domain::TrialResult result;
  result.identity = identity(recording);
  const bool completed = recording.outcome.state == domain::OutcomeState::completed;
  const auto window = completed ? find_window(recording) : std::nullopt;
  if (window) {
    measure_window(result, recording, *window, factors, findings);
  } else if (completed) {
    findings.add("timeline_incomplete", "no window was served");
  }
  const Window* served_window = window ? &*window : nullptr;
  result.memory = memory(recording, served_window);
  result.warmup = warmup(recording);
  result.configuration = configuration_account(recording);
  if (window) {
    auto differences = device_differences(recording, *window);
    std::ranges::move(differences, std::back_inserter(result.configuration.differences));
  }
  result.overhead = overhead(recording);
  judge(recording, served_window, result, findings);
  result.validity = findings.verdict(completed);
  return result;
}

}  // namespace llem::analysis
