#pragma once

#include <cstdint>
#include <string>

#include <llem/error.hpp>
#include <llem/export.hpp>
#include <llem/study.hpp>

namespace llem {

struct SelfTestOptions {
  /// One configuration. Empty: a small model with short phases. `study.cycles` is set to twice the
  /// pairs.
  StudySource source;
  std::int64_t pairs = 10;
  /// A run directory to evaluate instead of measuring: one configuration in six cycles or more.
  std::string directory;
  RunOptions run;
};

struct SelfTestOutcome {
  std::string directory;
  bool interrupted = false;
  std::string stopped;          // why the run ended before its plan; empty when it did not
  bool said_something = false;  // at least one metric has three pairs
  std::string text;
  std::string json;
};

/// Measures one deployment many times and compares it with itself, as two deployments would be
/// compared: how noisy this machine is, how often a comparison errs, which differences can be seen.
LLEM_API Expected<SelfTestOutcome> self_test(const SelfTestOptions& options);

}  // namespace llem
