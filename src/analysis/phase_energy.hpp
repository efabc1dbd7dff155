#pragma once

// Owns: how much of the window's energy went into prefill and into decode
// (docs/methodology/phases.md).

#include <optional>
#include <string>
#include <vector>

#include "analysis/series.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"

namespace llem::analysis {

/// Joules over the whole window.
struct PhaseEnergy {
  double prefill_j = 0;
  double decode_j = 0;
  double u_prefill_j = 0;  // standard uncertainty, random
  double u_decode_j = 0;
  double shared_j = 0;  // of the decode: what steps that do both cost in any case
  std::optional<double> condition_number;  // absent: only sums of costs are determined
  double held_out_ratio = 0;  // residuals of updates left out of the fit over those of the fit
  std::string model;          // phase_power, step_cost
};

/// The split, or why it cannot be told.
struct PhaseVerdict {
  std::optional<PhaseEnergy> energy;
  std::string refused;
};

/// Of two parts together: absent where one is.
std::optional<double> larger(const std::optional<double>& a, const std::optional<double>& b);

/// From the updates of one energy counter and the log of steps. `gross_j` is the counter's energy
/// of the window.
PhaseVerdict split_phases(const CounterSeries& counter, const domain::Serve& serve,
                          const Window& window, double gross_j);

}  // namespace llem::analysis
