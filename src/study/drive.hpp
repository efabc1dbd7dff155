#pragma once

// Owns: driving the trials of a plan, one after another, and keeping the run directory true at
// every moment.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "domain/plan.hpp"
#include "domain/summary.hpp"
#include "domain/user_factors.hpp"
#include "meters/meter.hpp"
#include "runners/placement.hpp"
#include "store/run_directory.hpp"
#include "sys/process.hpp"

namespace llem::study {

/// What a configuration is measured with. Non-owning.
struct Means {
  const domain::ModelFacts* model = nullptr;
  const std::vector<std::string>* prompts = nullptr;
  bool dataset_substituted = false;
  sys::CommandLine worker;
  meters::MeterSet* meters = nullptr;
};

struct DriveInputs {
  const domain::Plan& plan;
  std::string tool_version;      // of this program; the plan may be of another
  std::span<const Means> means;  // one a configuration
  runners::Placement placement;
  store::Shard shard;
  bool retry_failed = false;  // trials that failed are run again
  domain::UserFactors factors{};
  bool lock_devices = true;  // wait while another study measures on the same devices
  Interrupts interrupts;
  std::function<bool()> skip_rest = [] { return false; };
  EventSink events;
};

struct DriveOutcome {
  domain::Summary summary;
  bool interrupted = false;
  std::vector<std::string> unread;  // recordings that could not be analysed again, and why
};

/// Runs every trial that is not done, of its shard. Failures of a trial are rows; an error is only
/// what keeps results from being kept (a full disk).
Expected<DriveOutcome> drive(const DriveInputs& inputs, store::RunDirectory& directory);

/// Recomputes results and summary of a run directory from its recordings. A torn recording keeps
/// the result it had, if any, and is named in `unread`.
Expected<DriveOutcome> analyse_again(store::RunDirectory& directory,
                                     const domain::UserFactors& factors = {});

}  // namespace llem::study
