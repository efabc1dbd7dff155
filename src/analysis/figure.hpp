#pragma once

// Owns: the energy of one window from one channel, by the best method its readings allow.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/series.hpp"
#include "domain/result.hpp"

namespace llem::analysis {

struct Problem {
  std::string_view code;
  std::string evidence;
};

struct Figure {
  double joules = 0;
  std::string_view method;
  domain::UncertaintyComponents components;
  std::int64_t polls = 0;
  std::int64_t distinct = 0;
  std::optional<double> peak_w;
};

/// A figure, or why there is none. A figure may come with problems that do not prevent it.
struct Reading {
  std::optional<Figure> figure;
  std::vector<Problem> problems;
};

/// Root sum of squares of the random components.
double random_uncertainty(const domain::UncertaintyComponents& components);

/// `idle_w` is used at the edges when the pads hold too few readings of their own.
Reading counter_figure(const domain::Recording& recording, const domain::Channel& channel,
                       const CounterSeries& series, const Window& window,
                       std::optional<double> idle_w);
Reading gauge_figure(const domain::Recording& recording, const domain::Channel& channel,
                     const GaugeSeries& series, const Window& window, std::optional<double> idle_w);

/// Why a channel's readings cannot cover the window: too few, or they end before it does.
std::optional<Problem> coverage_problem(std::span<const domain::TracePoint> trace,
                                        const domain::Channel& channel, const Window& window,
                                        double tolerance_s);

}  // namespace llem::analysis
