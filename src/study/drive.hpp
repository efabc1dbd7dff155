#pragma once

// Owns: driving the trials of a plan, one after another, and keeping the run directory true at
// every moment.

#include <string>
#include <vector>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "domain/plan.hpp"
#include "domain/result.hpp"
#include "meters/meter.hpp"
#include "runners/placement.hpp"
#include "store/run_directory.hpp"
#include "sys/process.hpp"

namespace llem::study {

struct DriveInputs {
  const domain::Plan& plan;
  const domain::ModelFacts& model;
  const std::vector<std::string>& prompts;
  bool dataset_substituted = false;
  sys::CommandLine worker;
  runners::Placement placement;
  Interrupts interrupts;
  EventSink events;
};

struct DriveOutcome {
  domain::Summary summary;
  std::vector<domain::TrialResult> results;
  bool interrupted = false;
  std::vector<std::string> unread;  // recordings that could not be analysed again, and why
};

/// Runs every trial. Failures of a trial are rows; an error is only what keeps results from being
/// kept (a full disk).
Expected<DriveOutcome> drive(const DriveInputs& inputs, meters::MeterSet& meters,
                             store::RunDirectory& directory);

/// Recomputes results and summary of a run directory from its recordings. A torn recording keeps
/// the result it had, if any, and is named in `unread`.
Expected<DriveOutcome> analyse_again(store::RunDirectory& directory);

}  // namespace llem::study
