#pragma once

// Owns: the energy of one scope: method choice, idle, net, cross-check.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/findings.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

/// The channels by which one scope of one device can be measured, in the recording's order.
struct ScopeChannels {
  std::string device;
  domain::Scope kind = domain::Scope::host;
  std::vector<const domain::Channel*> counters;
  std::vector<const domain::Channel*> gauges;  // best first
};

std::vector<ScopeChannels> scopes_of(const domain::Recording& recording);

/// The counter or the gauge by which a scope was measured; null for an estimate.
const domain::Channel* channel_of(const domain::Recording& recording,
                                  const domain::ScopeEnergy& scope);

/// The scopes that the headline sums up.
std::vector<const domain::ScopeEnergy*> headline_parts(const domain::Recording& recording,
                                                       const domain::Energy& energy);

/// Absent when no channel covers the window: never 0. Scopes that no total counts raise no codes.
std::optional<domain::ScopeEnergy> scope_energy(const domain::Recording& recording,
                                                const ScopeChannels& channels, const Window& window,
                                                Findings& findings);

/// Gross energy of parts of the window from the channel that measured it, each its own figure.
/// Random uncertainties of the parts are added: what blurs an edge does so at every one alike.
/// Absent where the channel does not cover one.
std::optional<domain::Value> gross_of_parts(const domain::Recording& recording,
                                            const domain::ScopeEnergy& scope,
                                            std::span<const Window> parts);

/// ±50 % (95 %) from the machine's CPU load, for a machine without a sensor; absent without that
/// load.
std::optional<domain::ScopeEnergy> host_estimate(const domain::Recording& recording,
                                                 const Window& window);

/// Subtracts idle power × window exactly, so that the identity holds on every result.
domain::Value net_of(const domain::ScopeEnergy& scope, const Window& window);

/// Energy divided by a count taken as exact; its uncertainties scale along.
domain::Value per(const domain::Value& energy, double count);

/// Absent when the energy is, or when nothing was counted.
std::optional<domain::Value> per_count(const std::optional<domain::Value>& energy,
                                       std::int64_t count);

}  // namespace llem::analysis
