#pragma once

// Owns: a plan: every configuration once, trials as (configuration, cycle, position).

#include <cstdint>
#include <string>
#include <vector>

#include "domain/study_config.hpp"

namespace llem::domain {

/// One point of the deployment space, with every default written out. Equal content means equal
/// hash.
struct Configuration {
  std::string hash;   // first 16 hex digits of SHA-256 over the canonical form
  std::string label;  // "batch 8", empty for a study of one
  Model model;
  std::string model_sha256;
  std::string model_path;  // resolved file on this machine; not hashed
  std::string dataset_sha256;
  std::string dataset_path;  // not hashed; empty for synthetic prompts
  Workload workload;
  Deploy deploy;
  Measure measure;
  static const base::Table& table();
};

struct Trial {
  std::int64_t index = 0;
  std::int64_t configuration = 0;  // index into Plan::configurations
  std::int64_t cycle = 1;          // from 1
  static const base::Table& table();
};

struct Plan {
  std::string schema = "plan";
  std::string schema_version = "1.0.0";
  std::string tool_version;
  std::string study_name;
  double timeout_s = 0;  // of one trial
  std::vector<Configuration> configurations;
  std::vector<Trial> trials;
  static const base::Table& table();
};

}  // namespace llem::domain
