#pragma once

// Owns: from text to a checked StudyConfig, and to configurations with every default written out.
// Pure: files are read by the caller.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/tree.hpp"
#include "domain/plan.hpp"
#include "domain/study_config.hpp"

namespace llem::config {

/// YAML (JSON is YAML) to a tree: one document, no tags, no duplicate keys, anchors allowed,
/// nesting bounded.
Expected<base::Tree> parse_yaml(std::string_view text, std::string_view file);

/// A value given outside the file: `--set deploy.batch_size=8` or a flag standing for one. The
/// value is YAML.
struct Override {
  std::string path;
  std::string value;
  std::string origin;  // "--set", "--batch-size": named in errors
};

/// Where each value of the effective configuration came from: "study.yaml:12:3", "--set", "user
/// configuration", "default".
using Origins = std::map<std::string, std::string>;

struct LoadedStudy {
  domain::StudyConfig config;
  Origins origins;
  std::string text;  // as given; generated from the flags when there was no file
  std::string file;
};

/// Reads a study file's text (empty text: from overrides alone) and applies overrides.
Expected<LoadedStudy> load_study(std::string_view text, std::string_view file,
                                 const std::vector<Override>& overrides);

/// The error with the origin of each path its context names put before it: "deploy.threads" becomes
/// "study.yaml:7:12 deploy.threads". For what `resolve` refuses, which knows paths only.
Error with_origins(Error error, const Origins& origins);

/// Facts of the machine and the model that dynamic defaults depend on.
struct DefaultInputs {
  std::int64_t usable_cpus = 1;
};

/// Fills every optional that has a default (profile, presets, lengths, threads), and checks what no
/// single field can: one length rule, warm-up min <= max, uniform ranges in order, engine blocks of
/// another engine, flags that contradict native arguments.
Expected<domain::StudyConfig> resolve(domain::StudyConfig config, const DefaultInputs& inputs);

/// Raised whenever a default that the hash leaves out changes its meaning: hashes of both sides
/// then differ.
inline constexpr std::string_view kDefaultsVersion = "1";

/// Content hash of a configuration (see docs/decisions): the first 16 hex digits of SHA-256 over
/// the canonical JSON of what determines the measurement; names, paths, devices, meters, policies
/// and the study block are excluded. The configuration is resolved.
std::string content_hash(const domain::Configuration& configuration);

/// The user's configuration file and environment, every key with its origin.
struct UserConfig {
  std::optional<std::string> results_dir;
  std::vector<std::string> model_dirs;
  std::optional<std::string> log;  // error, warning, info, debug
  static const base::Table& table();
};

Expected<UserConfig> load_user_config(std::string_view text, std::string_view file);

/// A commented study file to start from.
std::string initial_study(std::string_view model, std::string_view engine);

}  // namespace llem::config
