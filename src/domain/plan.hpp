#pragma once

// Owns: a plan: every configuration once, trials as (configuration, cycle, position).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/study_config.hpp"

namespace llem::domain {

/// Something that varies over the study: an axis of `sweep`, a `zip`, a factor of `variants`, or
/// the entries of `experiments`.
struct Factor {
  std::string name;  // dotted path, or the name of a variant; paths of a zip by " + "
  std::vector<std::string> levels;  // as they are shown, in the order of the file
  static const base::Table& table();
};

/// A point that is not measured, and why.
struct SkippedPoint {
  std::string label;
  std::string reason;
  static const base::Table& table();
};

/// One point of the deployment space, with every default written out. Equal content means equal
/// hash.
struct Configuration {
  std::string hash;                  // first 16 hex digits of SHA-256 over the canonical form
  std::string label;                 // "batch_size 8, threads 2"; empty for a study of one
  std::vector<std::string> same_as;  // labels of further points with the same content
  std::vector<std::int64_t> levels;  // one a factor: index of its level, -1 where it has no effect
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

enum class TrialRole { measured, sentinel };
std::span<const std::string_view> words(TrialRole);

struct Trial {
  std::int64_t index = 0;
  std::int64_t configuration = 0;  // index into Plan::configurations
  std::int64_t cycle = 1;          // from 1; for a sentinel its own count
  TrialRole role = TrialRole::measured;

  /// Which sample of prompts is asked: the cycle, so that the trials of a block share one; always
  /// the first for a sentinel.
  std::int64_t sample() const { return role == TrialRole::sentinel ? 1 : cycle; }

  static const base::Table& table();
};

struct Plan {
  std::string schema = "plan";
  std::string schema_version = "1.0.0";
  std::string tool_version;
  std::string study_name;
  Study study;  // resolved: order, gaps, limits
  std::vector<Factor> factors;
  std::vector<SkippedPoint> skipped;
  std::vector<Configuration> configurations;
  std::vector<Trial> trials;
  static const base::Table& table();
};

/// What a study with `study.precision` decides after a whole block: every configuration once.
enum class BlockVerdict { go_on, reached, budget_used, maximum_used };
std::span<const std::string_view> words(BlockVerdict);

struct BlockDecision {
  std::int64_t block = 0;  // so many are whole
  BlockVerdict verdict = BlockVerdict::go_on;
  double spent_s = 0;  // since the first trial, without the time between processes

  bool ends() const { return verdict != BlockVerdict::go_on; }
};

/// One entry a trial of the plan. After a decision that ends the study only the trials of its
/// blocks are needed, the sentinels among them, and the sentinel that closes the plan.
std::vector<bool> needed_trials(const Plan& plan, const std::optional<BlockDecision>& decision);

/// The same study planned twice has the same one: paths and times do not enter.
std::string plan_hash(const Plan& plan);

}  // namespace llem::domain
