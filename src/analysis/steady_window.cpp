#include "analysis/steady_window.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "analysis/joined.hpp"
#include "analysis/parts.hpp"
#include "analysis/scope_energy.hpp"
#include "analysis/series.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

constexpr double kLeastUpdates = 20;   // of each sensor of the headline, in all stretches
constexpr double kLeastInStretch = 5;  // and in each
constexpr std::size_t kRateParts = 10;

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

/// A stretch as a window without pads, with its own steps.
struct Stretch {
  domain::Serve serve;
  Window window;
};

std::vector<Stretch> stretches_of(const Window& window, const FullBatch& full) {
  const auto& steps = window.serve->steps;
  std::vector<Stretch> stretches(full.stretches.size());
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const Span& span = full.stretches[i];
    Stretch& stretch = stretches[i];
    const auto first =
        std::ranges::lower_bound(steps, span.begin_ns, {}, &domain::StepRecord::begin_ns);
    const auto last = std::ranges::lower_bound(first, steps.end(), span.end_ns, {},
                                               &domain::StepRecord::begin_ns);
    stretch.serve.steps.assign(first, last);
    stretch.window.span = span;
    stretch.window.duration_s = stretch.window.shortest_s = span.seconds();
    stretch.window.mark_u_s = window.mark_u_s;
    stretch.window.within_load = true;
    stretch.window.serve = &stretch.serve;
  }
  return stretches;
}

/// Of all sensors of the headline; absent where one does not cover every stretch.
std::optional<domain::Value> gross_of(const domain::Recording& recording, const Window& window,
                                      const FullBatch& full, const domain::Energy& energy) {
  const std::vector<Stretch> stretches = stretches_of(window, full);
  std::vector<Window> parts;
  for (const Stretch& stretch : stretches) {
    parts.push_back(stretch.window);
  }
  const double slow_s = slowest(recording, energy);
  std::optional<domain::Value> sum;
  for (const domain::ScopeEnergy* scope : headline_parts(recording, energy)) {
    auto gross = gross_of_parts(recording, *scope, parts);
    if (!gross) {
      return std::nullopt;
    }
    if (!scope->method.starts_with("counter")) {
      // The power steps near both edges of each stretch; counters have this in their edges.
      const double idle_w = scope->idle ? scope->idle->power_w : 0;
      const double step_w = std::abs(gross->value / full.duration_s - idle_w);
      const double stepped = step_w * slow_s * kSteppedEdges * static_cast<double>(parts.size());
      gross->u_random = std::hypot(*gross->u_random, stepped);
    }
    sum = sum ? plus(sum, gross) : gross;
  }
  return sum;
}

/// With the standard error of a mean of parts that are taken as independent (batch means).
domain::Value rate_of(const FullBatch& full, const TokenClock& delivery, std::int64_t tokens) {
  stats::Moments rates;
  for (const Span& part : equal_parts(full, kRateParts)) {
    rates.add((delivery.spread_by(part.end_ns) - delivery.spread_by(part.begin_ns)) /
              part.seconds());
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
    const auto after = std::ranges::upper_bound(full.stretches, step.begin_ns, {}, &Span::begin_ns);
    if (after != full.stretches.begin() && step.end_ns <= std::prev(after)->end_ns) {
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
  const TokenClock delivery(*window.serve);
  const auto tokens_in = [&](const std::vector<Span>& spans) {
    std::int64_t tokens = 0;
    for (const Span& span : spans) {
      tokens += delivery.delivered_by(span.end_ns) - delivery.delivered_by(span.begin_ns);
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
  w.output_tokens_per_s = rate_of(full, delivery, w.output_tokens);
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
