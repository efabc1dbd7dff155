#include "api/environment_document.hpp"

#include <array>

namespace llem::api {

using base::field;
using base::Table;

const Table& HostEnvironment::table() {
  using H = HostEnvironment;
  static constexpr std::array fields{
      field<&H::hostname>("hostname", "Name of the machine"),
      field<&H::kernel>("kernel", "Release of the kernel"),
      field<&H::os>("os", "Operating system"),
      field<&H::cpu_model>("cpu_model", "Model of the CPU"),
      field<&H::logical_cpus>("logical_cpus", "CPUs that this process may use"),
      field<&H::machine_cpus>("machine_cpus", "CPUs online in the machine"),
      field<&H::memory_bytes>("memory_bytes", "Memory of the machine", {.unit = "bytes"}),
      field<&H::cgroup_version>("cgroup_version", "Control groups: 1, 2, or 0 when unknown"),
      field<&H::governor>("governor", "CPU frequency governor"),
      field<&H::smt>("smt", "Whether cores run two threads"),
      field<&H::turbo>("turbo", "Whether clocks may exceed the base clock"),
      field<&H::hypervisor>("hypervisor", "Hypervisor under this machine"),
      field<&H::container>("container", "Container around this process"),
      field<&H::cgroup_memory_limit_bytes>("cgroup_memory_limit_bytes",
                                           "Memory limit of the control group", {.unit = "bytes"}),
      field<&H::cgroup_cpu_limit>("cgroup_cpu_limit", "CPU limit of the control group, in CPUs")};
  static constexpr Table table{"host_environment", "The machine", fields};
  return table;
}

const Table& MeterEnvironment::table() {
  using M = MeterEnvironment;
  static constexpr std::array<std::string_view, 3> kStates{"ok", "degraded", "missing"};
  static constexpr std::array fields{
      field<&M::meter>("meter", "Family of sensors"),
      field<&M::state>("state", "Whether it works", {.allowed = kStates}),
      field<&M::detail>("detail", "Devices and resolution, or what is wrong"),
      field<&M::accuracy>("accuracy", "What it means for the numbers")};
  static constexpr Table table{"meter_environment", "One family of sensors", fields};
  return table;
}

const Table& Environment::table() {
  using E = Environment;
  static constexpr std::array<std::string_view, 1> kSchema{"environment"};
  static constexpr std::array fields{
      field<&E::schema>("schema", "Name of this document's schema",
                        {.required = true, .allowed = kSchema}),
      field<&E::schema_version>("schema_version", "Version of that schema", {.required = true}),
      field<&E::tool_version>("tool_version", "Version of the program that wrote it"),
      field<&E::read_utc>("read_utc", "When, UTC"),
      field<&E::host>("host", "The machine", {.required = true}),
      field<&E::devices>("devices", "Devices with sensors"),
      field<&E::meters>("meters", "What was found of each family of sensors")};
  static constexpr Table table{"environment", "Where a study ran", fields};
  return table;
}

}  // namespace llem::api
