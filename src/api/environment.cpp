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
  static constexpr std::array<std::string_view, 10> kWords{
      "fetch_progress", "study_started", "trial_started", "phase_started", "progress",
      "trial_finished", "block_decided", "rest_started",  "warning",       "study_finished"};
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
  const auto number = [&json](const char* key, const std::optional<double>& value) {
    if (value) {
      json[key] = *value;
    }
  };
  number("expected_s", event.expected_s);
  number("remaining_low_s", event.remaining_low_s);
  number("remaining_high_s", event.remaining_high_s);
  return json;
}

}  // namespace llem::api
