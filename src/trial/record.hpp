#pragma once

// Owns: recording one trial: the one room where a clock, threads, devices and a process meet. It
// returns a Recording whatever happened; the outcome says how it ended. Takes: everything that has
// an effect, through Ports. Does not know: where results go, how they are analysed, other trials.

#include <cstdint>
#include <string>
#include <vector>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "domain/recording.hpp"
#include "meters/meter.hpp"
#include "runners/placement.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace llem::trial {

/// What is measured, and where its files go.
struct TrialSpec {
  const domain::Configuration& configuration;
  std::int64_t trial = 0;
  std::int64_t trials = 1;
  std::int64_t cycle = 1;
  std::int64_t attempt = 1;
  domain::TrialRole role = domain::TrialRole::measured;
  std::int64_t sample = 1;    // which sample of prompts is asked, from 1
  Seconds timeout{600};       // of the whole trial
  domain::Timeouts timeouts;  // of its phases; empty ones end with the trial
  sys::Path directory;
  sys::CommandLine worker;
  const std::vector<std::string>& prompts;  // of the data set; empty for synthetic prompts
  std::vector<domain::Note> notes;          // known before the trial began
};

/// Non-owning; outlives the call.
struct Ports {
  meters::MeterSet& meters;
  runners::Placement placement;
  Interrupts interrupts;
  EventSink events;
};

domain::Recording record(const TrialSpec& spec, Ports& ports);

}  // namespace llem::trial
