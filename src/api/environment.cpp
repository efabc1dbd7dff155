#include "api/environment.hpp"

#include <array>

#include <fmt/format.h>
#include <llem/version.hpp>

#include "api/environment_document.hpp"
#include "base/field_io.hpp"
#include "base/text.hpp"
#include "domain/recording.hpp"
#include "sys/clock.hpp"
#include "sys/host.hpp"

namespace llem::api {

base::Json environment_json(const meters::MeterSet& meters) {
  const sys::HostFacts host = sys::read_host_facts(sys::system_root());
  Environment out;
  out.tool_version = std::string(version());
  out.read_utc = sys::utc_text(sys::read_clock_anchor().realtime_ns);
  out.host = {host.hostname,
              host.kernel,
              host.os,
              host.cpu_model,
              host.logical_cpus,
              host.machine_cpus,
              host.memory_bytes,
              host.cgroup_version,
              host.governor,
              host.smt,
              host.turbo,
              host.hypervisor,
              host.container,
              host.cgroup_memory_limit_bytes,
              host.cgroup_cpu_limit};
  out.devices = meters.devices;
  for (const meters::MeterFinding& finding : meters.findings) {
    out.meters.push_back({finding.meter, finding.state, finding.detail, finding.accuracy});
  }
  return base::write_struct(out);
}

std::string_view event_word(EventKind kind) {
  static constexpr std::array<std::string_view, 8> kWords{
      "fetch_progress", "study_started",  "trial_started", "phase_started",
      "progress",       "trial_finished", "warning",       "study_finished"};
  return kWords[static_cast<std::size_t>(kind)];
}

base::Json event_json(const Event& event) {
  base::Json json = base::Json::object({{"t", sys::utc_text(sys::read_clock_anchor().realtime_ns)},
                                        {"event", event_word(event.kind)}});
  if (event.trial > 0) {
    json["trial"] = event.trial;
    json["trials"] = event.trials;
    json["cycle"] = event.cycle;
  }
  const auto text = [&json](const char* key, const std::string& value) {
    if (!value.empty()) {
      json[key] = value;
    }
  };
  text("phase", event.phase);
  text("state", event.state);
  text("text", event.text);
  if (event.expected_s) {
    json["expected_s"] = *event.expected_s;
  }
  return json;
}

PlanOutcome describe_plan(const domain::Plan& plan, const study::PointPrediction& point,
                          const std::vector<std::string>& notes, const std::string& root,
                          std::int64_t cycles) {
  const domain::Configuration& c = plan.configurations.front();
  const auto count = static_cast<double>(cycles);
  const predict::MemoryFit& memory = point.memory;
  const std::string_view batching =
      words(c.deploy.batching)[static_cast<std::size_t>(c.deploy.batching)];
  PlanOutcome out;
  out.text = fmt::format("plan          {} ({} configuration, {} cycles, {} trials)\n",
                         plan.study_name, plan.configurations.size(), cycles, plan.trials.size());
  out.text +=
      fmt::format("configuration {} · {} · {} batching, batch {} · {} requests a pass · {}\n",
                  c.model.name, words(c.deploy.engine)[static_cast<std::size_t>(c.deploy.engine)],
                  batching, c.deploy.batch_size, c.workload.requests, c.workload.dataset.name);
  out.text += fmt::format(
      "time          {} to {}, plus loading the model and finishing the last pass of each window\n",
      base::format_duration(count * point.shortest_s),
      base::format_duration(count * point.longest_s));
  if (memory.total_bytes > 0) {
    out.text += fmt::format(
        "memory        {} of {} ({} weights, {} KV cache): {}\n",
        base::format_bytes(memory.total_bytes), base::format_bytes(memory.available_bytes),
        base::format_bytes(memory.weights_bytes), base::format_bytes(memory.kv_cache_bytes),
        memory.fits ? "fits" : "does not fit");
  }
  for (const std::string& assumption : memory.assumptions) {
    out.text += fmt::format("              assumed: {}\n", assumption);
  }
  for (const std::string& note : notes) {
    out.text += fmt::format("note          {}\n", note);
  }
  out.text += fmt::format("would write   {}/{}-<time>-{}/\n", root,
                          base::file_name_from(plan.study_name), c.hash.substr(0, 8));
  base::Json json = base::Json::object({{"schema", "dry_run"},
                                        {"schema_version", "1.0.0"},
                                        {"plan", base::write_struct(plan)},
                                        {"predicted_shortest_s", count * point.shortest_s},
                                        {"predicted_longest_s", count * point.longest_s},
                                        {"memory_fits", memory.fits},
                                        {"memory_total_bytes", memory.total_bytes},
                                        {"memory_available_bytes", memory.available_bytes},
                                        {"results_dir", root}});
  base::Json listed = base::Json::array();
  for (const std::string& note : notes) {
    listed.push_back(note);
  }
  json["notes"] = std::move(listed);
  out.json = base::write_json(json, base::JsonStyle::indented);
  return out;
}

}  // namespace llem::api
