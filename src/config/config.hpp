#pragma once

// Owns: from text to a checked StudyConfig, and to configurations with every default written out.
// Pure: files are read by the caller.

#include <cstdint>
#include <functional>
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
#include "domain/user_factors.hpp"

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

/// Engines that a study names and this version lacks, with what is said of points that need one.
using MissingEngines = std::map<std::string, Error, std::less<>>;

struct LoadedStudy {
  domain::StudyConfig config;
  Origins origins;
  base::Tree tree;   // what `config` was read from: the file over its bases, under the overrides
  std::string text;  // as given; generated from the flags when there was no file
  std::string file;
  std::vector<std::string> files;  // this one, then the bases beneath it; marks count into it
  std::vector<std::string> notes;  // how a file of the Python predecessor was read
  MissingEngines missing;          // a point that names one is skipped
};

/// Reads a file that `base` names, relative to the file that names it; the path comes back for
/// errors and for the next one.
struct BaseFile {
  std::string text;
  std::string path;
};

using ReadBase =
    std::function<Expected<BaseFile>(const std::string& name, const std::string& from)>;

/// Reads a study file's text (empty text: from overrides alone), merges it over its bases and
/// applies overrides. An override of a swept path is refused. A file of the Python predecessor is
/// translated first; one whose only engine this version lacks is refused, unless an override names
/// another.
Expected<LoadedStudy> load_study(std::string_view text, std::string_view file,
                                 const std::vector<Override>& overrides, const ReadBase& read_base);

struct ConvertedStudy {
  std::string yaml;
  std::vector<std::string> notes;
  bool runs_here = true;  // an engine that it names is in this version
};

/// A study file of the Python predecessor in our grammar, with the overrides applied. Refuses a
/// file that is not the predecessor's, and what `load_study` refuses but a missing engine.
Expected<ConvertedStudy> convert_study(std::string_view text, std::string_view file,
                                       const std::vector<Override>& overrides,
                                       const ReadBase& read_base);

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

struct TimeRange {
  double low_s = 0;
  double high_s = 0;
};

/// The phases a trial declares, from the shortest warm-up to the longest; load and the end of the
/// last pass come on top. `measure` is resolved.
TimeRange declared_time(const domain::Measure& measure);

/// One point of the space a study spans.
struct Point {
  domain::StudyConfig config;        // resolved; without the members that span the space
  std::string label;                 // "batch_size 8, threads 2"; empty when nothing varies
  std::vector<std::int64_t> levels;  // one a factor, -1 where it has no effect
};

struct Space {
  std::vector<domain::Factor> factors;
  std::vector<Point> points;  // in the order of the file, last axis fastest
  std::vector<domain::SkippedPoint> skipped;
};

/// What no field table knows: whether an engine can do what a deployment asks.
using DeployCheck = std::function<Expected<void>(const domain::Deploy&)>;

inline constexpr std::int64_t kMostPoints = 1'000'000;

/// The points of `sweep`, `zip`, `variants`, `exclude`, `include` and `experiments`, each resolved
/// and checked; a point that cannot be is skipped with its reason, and an error only when none is
/// left. Errors name the place in the file.
Expected<Space> expand(const LoadedStudy& study, const DefaultInputs& inputs,
                       const DeployCheck& check, std::int64_t most_points = kMostPoints);

/// Raised whenever a default that the hash leaves out changes its meaning: hashes of both sides
/// then differ.
inline constexpr std::string_view kDefaultsVersion = "1";

/// Content hash of a configuration (see docs/decisions): the first 16 hex digits of SHA-256 over
/// the canonical JSON of what determines the measurement; names, paths, devices, meters, policies
/// and the study block are excluded. The configuration is resolved.
std::string content_hash(const domain::Configuration& configuration);

/// The user's configuration file and environment, every key with its origin.
/// What a kilowatt-hour emits, from the user; nothing stands in for it.
struct Carbon {
  std::optional<double> g_per_kwh;
  std::optional<std::string> source;
  static const base::Table& table();
};

struct UserConfig {
  std::optional<std::string> results_dir;
  std::vector<std::string> model_dirs;
  std::optional<std::string> log;  // error, warning, info, debug
  std::optional<Carbon> carbon;
  std::optional<double> pue;
  std::optional<double> price_per_kwh;
  std::optional<std::string> currency;
  std::vector<domain::DevicePeak> peaks;
  static const base::Table& table();
};

Expected<UserConfig> load_user_config(std::string_view text, std::string_view file);

/// A commented study file to start from.
std::string initial_study(std::string_view model, std::string_view engine);

}  // namespace llem::config
