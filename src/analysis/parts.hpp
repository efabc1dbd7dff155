#pragma once

// Owns: one function a block of a result. Each takes the recording and what it needs, and is pure.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/findings.hpp"
#include "analysis/window.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"
#include "domain/user_factors.hpp"

namespace llem::analysis {

/// Scopes, headline and totals; absent when nothing covers the window. Sensor troubles go to
/// `findings`.
std::optional<domain::Energy> energy(const domain::Recording& recording, const Window& window,
                                     Findings& findings);
/// Every number from the same headline energy and the same counts.
std::optional<domain::Efficiency> efficiency(const domain::Energy& energy, const Window& window);

/// Absent without factors.
std::optional<domain::Cost> cost(const domain::Energy& energy, const Window& window,
                                 const domain::UserFactors& factors);

domain::Latency latency(const domain::Serve& serve, bool prompts_repeat);
domain::Throughput throughput(const Window& window);
domain::Lengths lengths(const Window& window);
/// Energy by phase is of the scopes of the headline.
std::optional<domain::Phases> phases(const domain::Recording& recording, const Window& window,
                                     const std::optional<domain::Energy>& energy);
/// MFU and MBU against the user's peaks, else the table's.
std::optional<domain::Compute> compute(const domain::Recording& recording, const Window& window,
                                       std::span<const domain::DevicePeak> peaks);
/// Each definition divides the gross energy of the headline.
std::optional<domain::RequestEnergy> request_energy(const Window& window,
                                                    const std::optional<domain::Energy>& energy,
                                                    const std::optional<domain::Phases>& phases);
domain::Memory memory(const domain::Recording& recording, const Window* window);
std::optional<domain::Thermal> thermal(const domain::Recording& recording, const Window& window);
std::optional<domain::HostLoad> host_load(const domain::Recording& recording, const Window& window);
std::optional<domain::WarmupSummary> warmup(const domain::Recording& recording);
domain::ConfigAccount configuration_account(const domain::Recording& recording);
domain::Overhead overhead(const domain::Recording& recording);

/// Shares of the span during which a device was throttled, from its counters of seconds.
std::optional<domain::ThrottleShares> throttle_shares(const domain::Recording& recording,
                                                      std::string_view device, const Span& span);

struct PowerLimits {
  double low_w = 0;
  double high_w = 0;
};

/// Lowest and highest enforced power limit of a device in the span.
std::optional<PowerLimits> power_limits(const domain::Recording& recording, std::string_view device,
                                        const Span& span);

/// The highest clock read in the span, in MHz, where another reading of it keeps to the locked one:
/// somebody lifted the lock. Absent where all readings keep to it, or none does.
std::optional<double> clock_beyond_lock(const domain::Recording& recording, std::string_view device,
                                        domain::Signal signal, std::int64_t locked_mhz,
                                        const Span& span);

/// Power limit and locked clocks that `deploy` sets, where the GPUs in use had others in the
/// window.
std::vector<domain::ConfigDifference> device_differences(const domain::Recording& recording,
                                                         const Window& window);

/// The codes that follow from a finished result.
void judge(const domain::Recording& recording, const Window* window,
           const domain::TrialResult& result, Findings& findings);

}  // namespace llem::analysis
