#include "analysis/steady_window.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "analysis/parts.hpp"
#include "analysis/scope_energy.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

constexpr double kLeastUpdates = 20;   // of each sensor of the headline, in all stretches
constexpr double kLeastInStretch = 5;  // and in each
constexpr std::size_t kRateParts = 10;

// The power steps near both edges of a stretch, anywhere between two updates: as in
// counter_figure.cpp.
const double kSteppedEdges = std::sqrt(11.0 / 90);

/// The longest update period or averaging window among the sensors of the headline.
double slowest(const domain::Recording& recording, const domain::Energy& energy) {
  double slow_s = 0;
  for (const domain::ScopeEnergy* part : headline_parts(recording, energy)) {
    slow_s = std::max({slow_s, part->sensor.update_period_s.value_or(0),
                       part->sensor.averaging_window_s.value_or(0)});
  }
  return slow_s;
}

/// Why the sensors of the headline cannot tell the energy of the stretches; empty when they can.
std::string too_little(const domain::Recording& recording, const FullBatch& full,
                       const std::optional<domain::Energy>& energy) {
  if (!energy || !energy->headline_gross_j) {
    return "no sensor covers the window";
  }
  if (energy->headline_gross_j->source == domain::Provenance::estimated) {
    return "the energy is an estimate";
  }
  const double slow_s = slowest(recording, *energy);
  const auto shortest =
      std::ranges::min_element(full.stretches, {}, [](const Span& s) { return s.seconds(); });
  if (full.duration_s < kLeastUpdates * slow_s) {
    return fmt::format("it lasts {:.2f} s, {:g} updates of the sensor take {:.2f} s",
                       full.duration_s, kLeastUpdates, kLeastUpdates * slow_s);
  }
  if (shortest->seconds() < kLeastInStretch * slow_s) {
    return fmt::format(
        "the batch is full for {:.2f} s at a time, {:g} updates of the sensor take "
        "{:.2f} s",
        shortest->seconds(), kLeastInStretch, kLeastInStretch * slow_s);
  }
  return {};
}

/// Each stretch is measured like a window without pads. What blurs an edge does so at every one
/// alike, so that their uncertainties add.
std::optional<domain::Value> gross_of(const domain::Recording& recording, const Window& window,
                                      const FullBatch& full, const domain::Energy& whole) {
  domain::Value sum;
  sum.u_random = 0;
  const double slow_s = slowest(recording, whole);
  for (const Span& stretch : full.stretches) {
    Window part = window;
    part.span = stretch;
    part.duration_s = stretch.seconds();
    part.pad_before.reset();
    part.pad_after.reset();
    Findings said_of_the_window;
    const auto measured = energy(recording, part, said_of_the_window);
    if (!measured || !measured->headline_gross_j ||
        measured->headline_scope != whole.headline_scope) {
      return std::nullopt;
    }
    const domain::Value& gross = *measured->headline_gross_j;
    sum.value += gross.value;
    const double step_w = gross.value / part.duration_s - whole.headline_idle_w.value_or(0);
    sum.u_random = *sum.u_random + std::hypot(gross.u_random.value_or(0),
                                              std::abs(step_w) * slow_s * kSteppedEdges);
    if (gross.u_systematic) {
      sum.u_systematic = sum.u_systematic.value_or(0) + *gross.u_systematic;
    }
    sum.method = gross.method;
    sum.source = gross.source;
  }
  return sum;
}

/// With the standard error of a mean of parts that are taken as independent (batch means).
domain::Value rate_of(const FullBatch& full, const TokenClock& tokens_at, std::int64_t tokens) {
  stats::Moments rates;
  for (const Span& part : equal_parts(full, kRateParts)) {
    rates.add((tokens_at.spread_by(part.end_ns) - tokens_at.spread_by(part.begin_ns)) / part.seconds());
  }
  domain::Value rate;
  rate.value = static_cast<double>(tokens) / full.duration_s;
  if (const auto deviation = rates.standard_deviation()) {
    rate.u_random = *deviation / std::sqrt(static_cast<double>(rates.count()));
  }
  rate.method = "batch_means";
  return rate;
}

void count_steps(domain::SteadyWindow& w, const Window& window, const FullBatch& full) {
  double seconds = 0;
  double weighted = 0;
  for (const domain::StepRecord& step : window.serve->steps) {
    const bool inside = std::ranges::any_of(full.stretches, [&](const Span& s) {
      return step.begin_ns >= s.begin_ns && step.end_ns <= s.end_ns;
    });
    if (inside) {
      const double lasts = seconds_between(step.begin_ns, step.end_ns);
      seconds += lasts;
      weighted += lasts * static_cast<double>(step.sequences);
      w.input_tokens += step.prefill_tokens;
    }
  }
  w.mean_batch = seconds > 0 ? weighted / seconds : 0;
}

}  // namespace

domain::SteadyWindow steady_window(const domain::Recording& recording, const Window& window,
                                   const FullBatch& full,
                                   const std::optional<domain::Energy>& energy) {
  const TokenClock tokens_at(*window.serve);
  const auto tokens_in = [&](const std::vector<Span>& spans) {
    std::int64_t tokens = 0;
    for (const Span& span : spans) {
      tokens += tokens_at.delivered_by(span.end_ns) - tokens_at.delivered_by(span.begin_ns);
    }
    return tokens;
  };
  const auto time_of = [](const std::vector<Span>& spans) {
    double seconds = 0;
    for (const Span& span : spans) {
      seconds += span.seconds();
    }
    return seconds;
  };
  domain::SteadyWindow w;
  w.full_batch = full.sequences;
  w.stretches = static_cast<std::int64_t>(full.stretches.size());
  w.begin_s = seconds_between(window.span.begin_ns, full.stretches.front().begin_ns);
  w.end_s = seconds_between(window.span.begin_ns, full.stretches.back().end_ns);
  w.duration_s = full.duration_s;
  w.share_ratio = full.duration_s / window.duration_s;
  count_steps(w, window, full);
  w.output_tokens = tokens_in(full.stretches);
  w.output_tokens_per_s = rate_of(full, tokens_at, w.output_tokens);
  w.ramp_s = time_of(full.ramps);
  w.ramp_output_tokens = tokens_in(full.ramps);
  w.tail_s = time_of(full.tails);
  w.tail_output_tokens = tokens_in(full.tails);
  if (std::string refused = too_little(recording, full, energy); !refused.empty()) {
    w.energy_refused = std::move(refused);
    return w;
  }
  w.gross_j = gross_of(recording, window, full, *energy);
  if (!w.gross_j) {
    w.energy_refused = "the sensors of the headline do not cover it";
    return w;
  }
  w.gross_j_per_output_token = per_count(w.gross_j, w.output_tokens);
  w.mean_power_w = w.gross_j->value / w.duration_s;
  return w;
}

}  // namespace llem::analysis
