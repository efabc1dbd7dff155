#pragma once

// Owns: the windows of one trial together. Energies, times and counts are sums over the windows, so
// that every rate is a ratio of sums; with one window each block is that window's, unchanged.

#include <optional>
#include <vector>

#include "analysis/findings.hpp"
#include "analysis/window.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

/// What is read off the sensors for one window.
struct WindowBlocks {
  const Window* window = nullptr;
  std::optional<domain::Energy> energy;
  std::optional<domain::Phases> phases;
  std::optional<domain::Thermal> thermal;
  std::optional<domain::HostLoad> host_load;
  domain::Steady steady;
};

/// A mean over the windows weighted by their length; absent where one of them has no value.
class TimedMean {
 public:
  void add(const std::optional<double>& value, double seconds);
  std::optional<double> get() const;

 private:
  bool whole_ = true;
  double sum_ = 0;
  double seconds_ = 0;
};

/// The sum of a value over two windows: random uncertainties in quadrature, systematic ones
/// linearly. Absent where one has none.
std::optional<domain::Value> plus(std::optional<domain::Value> a,
                                  const std::optional<domain::Value>& b);

/// Scopes that every window has. Random uncertainties in quadrature; systematic ones, edges without
/// pads, and the uncertainty of one idle power, linearly. No headline where windows differ in what
/// it covers.
std::optional<domain::Energy> joined_energy(const domain::Recording& recording,
                                            const std::vector<WindowBlocks>& blocks,
                                            const Window& all, Findings& findings);

/// Sums; refused where one window's are, or were fitted by another model.
std::optional<domain::Phases> joined_phases(const std::vector<WindowBlocks>& blocks,
                                            const Window& all,
                                            const std::optional<domain::Energy>& energy);

/// Means and shares weighted by the length of the windows.
std::optional<domain::Thermal> joined_thermal(const std::vector<WindowBlocks>& blocks);
std::optional<domain::HostLoad> joined_host_load(const std::vector<WindowBlocks>& blocks);

/// That of the first window that was not steady itself, else of the first.
domain::Steady told_steady(const std::vector<WindowBlocks>& blocks);

/// Each window by itself.
std::vector<domain::WindowFigures> window_figures(const std::vector<WindowBlocks>& blocks,
                                                  bool prompts_repeat);

}  // namespace llem::analysis
