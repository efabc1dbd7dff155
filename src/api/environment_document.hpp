#pragma once

// Owns: the shape of environment.json.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "domain/recording.hpp"

namespace llem::api {

struct HostEnvironment {
  std::string hostname;
  std::string kernel;
  std::string os;
  std::string cpu_model;
  std::int64_t logical_cpus = 0;
  std::int64_t machine_cpus = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t cgroup_version = 0;
  std::optional<std::string> governor;
  std::optional<bool> smt;
  std::optional<bool> turbo;
  std::optional<std::string> hypervisor;
  std::optional<std::string> container;
  std::optional<std::int64_t> cgroup_memory_limit_bytes;
  std::optional<double> cgroup_cpu_limit;
  static const base::Table& table();
};

struct MeterEnvironment {
  std::string meter;
  std::string state;
  std::string detail;
  std::string accuracy;
  static const base::Table& table();
};

struct Environment {
  std::string schema = "environment";
  std::string schema_version = "1.0.0";
  std::string tool_version;
  std::string read_utc;
  HostEnvironment host;
  std::vector<domain::Device> devices;
  std::vector<MeterEnvironment> meters;
  static const base::Table& table();
};

}  // namespace llem::api
