#include <algorithm>
#include <cmath>

#include "analysis/parts.hpp"
#include "analysis/phase_energy.hpp"
#include "analysis/scope_energy.hpp"
#include "analysis/series.hpp"

namespace llem::analysis {

namespace {

/// Of all scopes of the headline, or the first reason against one of them.
PhaseVerdict split_headline(const domain::Recording& recording, const Window& window,
                            const domain::Energy& energy) {
  const auto parts = headline_parts(recording, energy);
  if (parts.empty()) {
    return {std::nullopt, "no energy counter covers the window"};
  }
  std::optional<PhaseEnergy> sum;
  for (const domain::ScopeEnergy* part : parts) {
    const domain::Channel* channel = channel_of(recording, *part);
    if (channel == nullptr || channel->behaviour != domain::Behaviour::counter) {
      return {std::nullopt, "no energy counter covers the window"};
    }
    PhaseVerdict verdict =
        split_phases(make_counter(recording, *channel), *window.serve, window, part->gross.value);
    if (!verdict.energy || !sum) {
      sum = verdict.energy;
      if (!sum) {
        return verdict;
      }
      continue;
    }
    const PhaseEnergy& more = *verdict.energy;
    sum->prefill_j += more.prefill_j;
    sum->decode_j += more.decode_j;
    sum->u_prefill_j = std::hypot(sum->u_prefill_j, more.u_prefill_j);
    sum->u_decode_j = std::hypot(sum->u_decode_j, more.u_decode_j);
    sum->shared_j += more.shared_j;
    sum->condition_number = larger(sum->condition_number, more.condition_number);
    sum->held_out_ratio = std::max(sum->held_out_ratio, more.held_out_ratio);
  }
  return {std::move(sum), {}};
}

domain::Value value_of(double joules, double u, const domain::Value& gross) {
  domain::Value value{joules, u, std::nullopt, "counter_lsq", domain::Provenance::derived};
  if (gross.u_systematic) {
    value.u_systematic = *gross.u_systematic * std::abs(joules / gross.value);  // a gain is common
  }
  return value;
}

void fill_energy(domain::Phases& phases, const PhaseEnergy& energy, const Window& window,
                 const domain::Value& gross) {
  phases.method = "counter_lsq";
  phases.model = energy.model;
  phases.prefill_j = value_of(energy.prefill_j, energy.u_prefill_j, gross);
  phases.decode_j = value_of(energy.decode_j, energy.u_decode_j, gross);
  phases.unattributed_j = gross.value - energy.prefill_j - energy.decode_j;
  phases.shared_j = energy.shared_j;
  phases.prefill_j_per_input_token = per_count(phases.prefill_j, window.input_tokens);
  phases.decode_j_per_output_token = per_count(phases.decode_j, window.output_tokens);
  phases.condition_number = energy.condition_number;
  phases.held_out_ratio = energy.held_out_ratio;
}

}  // namespace

std::optional<domain::Phases> phases(const domain::Recording& recording, const Window& window,
                                     const std::optional<domain::Energy>& energy) {
  if (window.serve->steps.empty()) {
    return std::nullopt;
  }
  domain::Phases phases;
  for (const auto& step : window.serve->steps) {
    const double seconds = std::max(0.0, seconds_between(step.begin_ns, step.end_ns));
    if (step.prefill_tokens > 0 && step.decode_tokens > 0) {
      phases.mixed_s += seconds;
    } else if (step.prefill_tokens > 0) {
      phases.prefill_s += seconds;
    } else {
      phases.decode_s += seconds;
    }
  }
  const double in_steps = phases.prefill_s + phases.decode_s + phases.mixed_s;
  phases.between_steps_s = std::max(0.0, window.duration_s - in_steps);
  if (!energy || !energy->headline_gross_j) {
    phases.energy_refused = "no energy counter covers the window";
    return phases;
  }
  PhaseVerdict verdict = split_headline(recording, window, *energy);
  if (verdict.energy) {
    fill_energy(phases, *verdict.energy, window, *energy->headline_gross_j);
  } else {
    phases.energy_refused = std::move(verdict.refused);
  }
  return phases;
}

}  // namespace llem::analysis
