#include "analysis/steady_state.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "analysis/full_batch.hpp"
#include "analysis/scope_energy.hpp"
#include "analysis/series.hpp"
#include "analysis/steady_window.hpp"
#include "stats/moments.hpp"
#include "stats/regression.hpp"
#include "stats/steady.hpp"

namespace llem::analysis {

namespace {

// Each limit has its line in docs/methodology/warmup.md.
constexpr stats::SteadyCriteria kLimits;
constexpr std::size_t kFewestForVariation = 3;
constexpr double kDegreesPerMinute = 1;
constexpr std::size_t kFewestBlocks = 5;  // of a window
constexpr double kUpdatesPerBlock = 5;    // of every sensor of the headline, for its power
constexpr double kEqualWork = 0.001;      // blocks whose tokens vary less did the same
constexpr std::size_t kParts = 10;        // of the time with a full batch
constexpr std::size_t kIntervals = 100;   // of it, for MSER-5
constexpr std::size_t kFewestForMser = 50;
constexpr double kLargestEffect = 0.01;
constexpr double kGrownContext = 0.1;  // over the time with a full batch, per sequence
constexpr double kClearEffect = 4;     // standard errors

struct Block {
  Span span;
  double tokens = 0;
};

using Blocks = std::vector<Block>;

std::vector<Block> warmup_blocks(const domain::Recording& recording) {
  const auto& all = recording.warmup.blocks;
  const std::size_t judged = judged_blocks(recording);
  Blocks blocks;
  for (std::size_t i = all.size() - std::min(all.size(), judged);
       i < all.size() && all.size() >= judged; ++i) {
    blocks.push_back({{all[i].t_begin_ns, all[i].t_end_ns}, static_cast<double>(all[i].tokens)});
  }
  return blocks;
}

double tokens_of(const domain::RequestRecord& request) {
  return served(request) ? static_cast<double>(request.prompt_tokens + request.output_tokens) : 0;
}

Blocks passes(const Window& window) {
  Blocks blocks;
  for (const Span& span : pass_spans(window)) {
    blocks.push_back({span, 0});
  }
  for (const auto& request : window.serve->requests) {
    const auto after = std::upper_bound(
        blocks.begin(), blocks.end(), request.submitted_ns,
        [](std::int64_t t, const Block& block) { return t < block.span.begin_ns; });
    if (after != blocks.begin()) {
      std::prev(after)->tokens += tokens_of(request);
    }
  }
  return blocks;
}

/// Whole batches: one begins when all requests before it are done. Any that is smaller than the
/// largest is left out.
Blocks batches(const Window& window) {
  std::vector<const domain::RequestRecord*> requests;
  for (const auto& request : window.serve->requests) {
    requests.push_back(&request);
  }
  std::ranges::stable_sort(requests, {}, &domain::RequestRecord::started_ns);
  Blocks blocks;
  std::vector<std::size_t> sizes;
  std::int64_t done_ns = 0;
  for (const auto* request : requests) {
    if (blocks.empty() || request->started_ns >= done_ns) {
      if (!blocks.empty()) {
        blocks.back().span.end_ns = request->started_ns;
      }
      blocks.push_back({{request->started_ns, window.span.end_ns}, 0});
      sizes.push_back(0);
    }
    blocks.back().tokens += tokens_of(*request);
    ++sizes.back();
    done_ns = std::max(done_ns, request->end_ns);
  }
  const std::size_t whole = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
  Blocks kept;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (sizes[i] == whole) {
      kept.push_back(blocks[i]);
    }
  }
  return kept;
}

Blocks intervals(const Window& window, const FullBatch& full, std::size_t count) {
  const TokenClock delivery(*window.serve);
  Blocks blocks;
  for (const Span& part : equal_parts(full, count)) {
    blocks.push_back({part, delivery.spread_by(part.end_ns) - delivery.spread_by(part.begin_ns)});
  }
  return blocks;
}

struct Series {
  std::vector<double> t_s;
  std::vector<double> values;
};

/// Context per sequence in the steps of each block.
Series contexts(const Window& window, const Blocks& blocks) {
  std::vector<double> tokens(blocks.size());
  std::vector<double> sequences(blocks.size());
  for (const domain::StepRecord& step : window.serve->steps) {
    const auto after = std::ranges::upper_bound(blocks, step.begin_ns, {},
                                                [](const Block& b) { return b.span.begin_ns; });
    if (after == blocks.begin() || step.end_ns > std::prev(after)->span.end_ns) {
      continue;
    }
    const auto i = static_cast<std::size_t>(std::prev(after) - blocks.begin());
    tokens[i] += static_cast<double>(step.context_tokens);
    sequences[i] += static_cast<double>(step.sequences);
  }
  Series series;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (sequences[i] > 0) {
      series.t_s.push_back(seconds_between(blocks.front().span.begin_ns, blocks[i].span.begin_ns));
      series.values.push_back(tokens[i] / sequences[i]);
    }
  }
  return series;
}

/// Why the parts of the time with a full batch do unlike work: where all sequences began together,
/// their contexts grow together, and a step over longer ones takes longer. Empty when they are
/// alike.
std::string unlike_work(const Window& window, const FullBatch& full) {
  const Series series = contexts(window, intervals(window, full, kParts));
  const auto trend = stats::trend_of(series.t_s, series.values);
  if (!trend || trend->mean <= 0) {
    return {};
  }
  const double grown = trend->slope * trend->span / trend->mean;
  return trend->significant && std::abs(grown) > kGrownContext
             ? fmt::format("contexts grow by {:.0f} % while the batch is full", 100 * grown)
             : std::string();
}

double middle_s(const Span& span, std::int64_t origin_ns) {
  return seconds_between(origin_ns, span.begin_ns) + span.seconds() / 2;
}

Series rates(const Blocks& blocks) {
  Series series;
  for (const Block& block : blocks) {
    if (block.span.seconds() > 0) {
      series.t_s.push_back(middle_s(block.span, blocks.front().span.begin_ns));
      series.values.push_back(block.tokens / block.span.seconds());
    }
  }
  return series;
}

std::string verdict_of(double value, double limit, bool clear) {
  return std::abs(value) <= limit ? "met" : clear ? "failed" : "within_noise";
}

std::optional<domain::SteadyCriterion> drift(const Series& series, std::string quantity,
                                             const char* over) {
  const auto trend = stats::trend_of(series.t_s, series.values);
  if (!trend || trend->mean <= 0) {
    return std::nullopt;
  }
  domain::SteadyCriterion c{std::move(quantity),        over, "1", 0, {},
                            kLimits.max_relative_slope, 0,    {},  {}};
  const double scale = trend->span / trend->mean;
  c.value = trend->slope * scale;
  c.u = trend->u_slope * scale;
  c.n = static_cast<std::int64_t>(trend->n);
  c.verdict = verdict_of(c.value, c.limit, trend->significant);
  return c;
}

/// Blocks that do unlike work differ in rate however steady the machine is.
bool equal_work(const Blocks& blocks) {
  stats::Moments tokens;
  for (const Block& block : blocks) {
    tokens.add(block.tokens);
  }
  return tokens.standard_deviation().value_or(0) <= kEqualWork * tokens.mean();
}

std::optional<domain::SteadyCriterion> variation(const Series& series, const char* over) {
  const auto all = stats::moments(series.values);
  if (all.count() < kFewestForVariation || all.mean() <= 0) {
    return std::nullopt;
  }
  domain::SteadyCriterion c{"throughput_variation", over, "1", 0, {}, kLimits.max_cv, 0, {}, {}};
  c.value = *all.standard_deviation() / all.mean();
  c.n = static_cast<std::int64_t>(all.count());
  c.verdict = verdict_of(c.value, c.limit, true);
  return c;
}

/// Mean power of each block over all scopes of the headline; empty when a sensor updates too rarely
/// for the blocks, or leaves one out.
Series powers(const domain::Recording& recording, const domain::Energy& energy,
              const Blocks& blocks) {
  Series series;
  series.values.resize(blocks.size(), 0);
  for (const Block& block : blocks) {
    series.t_s.push_back(middle_s(block.span, blocks.front().span.begin_ns));
  }
  const auto parts = headline_parts(recording, energy);
  for (const domain::ScopeEnergy* part : parts) {
    const domain::Channel* channel = channel_of(recording, *part);
    if (channel == nullptr) {
      return {};
    }
    const bool counts = channel->behaviour == domain::Behaviour::counter;
    const auto counter = counts ? make_counter(recording, *channel) : CounterSeries{};
    const auto gauge = counts ? GaugeSeries{} : make_gauge(recording, *channel);
    const double slow = std::max(counts ? counter.period_s : gauge.period_s,
                                 channel->averaging_window_s.value_or(0));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Span& span = blocks[i].span;
      const auto joules = counts ? rough_energy(counter, span) : rough_energy(gauge, span);
      if (!joules || span.seconds() < kUpdatesPerBlock * slow) {
        return {};
      }
      series.values[i] += *joules / span.seconds();
    }
  }
  return parts.empty() ? Series{} : series;
}

/// Of the device in use that warms or cools fastest. A reading is known to its last digit, which
/// over the span leaves this much slope.
std::optional<domain::SteadyCriterion> temperature(const domain::Recording& recording,
                                                   const Span& span, const char* over) {
  std::optional<domain::SteadyCriterion> steepest;
  for (const domain::Channel& channel : recording.channels) {
    const auto device = std::ranges::find(recording.devices, channel.device, &domain::Device::id);
    if (channel.signal != domain::Signal::temperature || device == recording.devices.end() ||
        !device->used) {
      continue;
    }
    Series series;
    for (const auto& point : within(trace_of(recording, channel), span)) {
      series.t_s.push_back(seconds_between(span.begin_ns, point.t_ns));
      series.values.push_back(point.value);
    }
    const auto trend = stats::trend_of(series.t_s, series.values);
    if (!trend) {
      continue;
    }
    const double digit = channel.resolution.value_or(0) / trend->span;
    domain::SteadyCriterion c{"temperature_slope", over, "degC/min",     0, {},
                              kDegreesPerMinute,   0,    channel.device, {}};
    c.value = 60 * trend->slope;
    c.u = 60 * std::max(trend->u_slope, digit);
    c.n = static_cast<std::int64_t>(trend->n);
    c.verdict =
        verdict_of(c.value, c.limit, trend->significant && std::abs(trend->slope) > 2 * digit);
    if (!steepest || std::abs(c.value) > std::abs(steepest->value)) {
      steepest = std::move(c);
    }
  }
  return steepest;
}

void add(domain::Steady& steady, std::optional<domain::SteadyCriterion> criterion) {
  if (criterion) {
    steady.criteria.push_back(std::move(*criterion));
  }
}

void judge_blocks(domain::Steady& steady, const domain::Recording& recording,
                  const std::optional<domain::Energy>& energy, const Blocks& blocks,
                  const char* over, bool equal) {
  if (blocks.empty()) {
    return;
  }
  const Series series = rates(blocks);
  add(steady, drift(series, "throughput_drift", over));
  if (equal) {
    add(steady, variation(series, over));
  }
  if (energy) {
    add(steady, drift(powers(recording, *energy, blocks), "power_drift", over));
  }
}

/// Whole passes where there are enough; else whole batches, or parts of the time in which a
/// continuously filled batch is full.
Blocks window_blocks(const domain::Recording& recording, const Window& window,
                     const FullBatchVerdict& full, bool& whole) {
  Blocks blocks = passes(window);
  whole = true;
  if (blocks.size() >= kFewestBlocks) {
    return blocks;
  }
  if (recording.configuration.deploy.batching == domain::Batching::static_batches) {
    blocks = batches(window);
    whole = equal_work(blocks);
    return blocks.size() >= kFewestBlocks ? blocks : Blocks{};
  }
  whole = false;
  return full.found && unlike_work(window, *full.found).empty()
             ? intervals(window, *full.found, kParts)
             : Blocks{};
}

void truncate(domain::Steady& steady, const domain::Recording& recording, const Window& window,
              const FullBatchVerdict& full) {
  const bool fixed = recording.configuration.deploy.batching == domain::Batching::static_batches;
  if (!fixed && !full.found) {
    steady.truncation_refused = full.refused;
    return;
  }
  if (!fixed && window.serve->steps.size() < kIntervals) {
    steady.truncation_refused = fmt::format("{} steps in the window, {} are needed",
                                            window.serve->steps.size(), kIntervals);
    return;
  }
  if (std::string unlike = fixed ? "" : unlike_work(window, *full.found); !unlike.empty()) {
    steady.truncation_refused = std::move(unlike);
    return;
  }
  const Blocks blocks = fixed ? batches(window) : intervals(window, *full.found, kIntervals);
  const Series series = rates(blocks);
  if (series.values.size() < kFewestForMser) {
    steady.truncation_refused = fmt::format("{} whole batches in the window, {} are needed",
                                            series.values.size(), kFewestForMser);
    return;
  }
  constexpr std::size_t kFive = 5;
  const auto cut = *stats::mser(series.values, kFive);
  domain::WindowTruncation t;
  t.blocks = fixed ? "batches" : "intervals";
  t.n = static_cast<std::int64_t>(series.values.size());
  t.begin_s = cut.discarded == 0 ? 0
                                 : seconds_between(window.span.begin_ns,
                                                   blocks[cut.discarded * kFive].span.begin_ns);
  t.discarded_ratio = static_cast<double>(cut.discarded) / static_cast<double>(cut.batches);
  if (cut.mean > 0) {
    t.effect_ratio = cut.kept_mean / cut.mean - 1;
    t.u_effect = cut.u_effect / cut.mean;
  }
  t.verdict = verdict_of(t.effect_ratio, kLargestEffect,
                         std::abs(t.effect_ratio) > kClearEffect * t.u_effect);
  steady.truncation = std::move(t);
}

}  // namespace

std::size_t judged_blocks(const domain::Recording& recording) {
  const bool quick = recording.configuration.measure.profile == domain::Profile::quick;
  return static_cast<std::size_t>(quick ? stats::SteadyCriteria::kQuickBlocks : kLimits.blocks);
}

domain::Steady steady(const domain::Recording& recording, const Window& window,
                      const std::optional<domain::Energy>& energy) {
  domain::Steady steady;
  const Blocks warmup = warmup_blocks(recording);
  judge_blocks(steady, recording, energy, warmup, "warmup", true);
  if (!warmup.empty()) {
    const Span judged{warmup.front().span.begin_ns, warmup.back().span.end_ns};
    add(steady, temperature(recording, judged, "warmup"));
  }
  const FullBatchVerdict full = full_batch(recording, window);
  bool equal = true;
  const Blocks blocks = window_blocks(recording, window, full, equal);
  judge_blocks(steady, recording, energy, blocks, "window", equal);
  add(steady, temperature(recording, window.span, "window"));
  truncate(steady, recording, window, full);
  if (full.found) {
    steady.window = steady_window(recording, window, *full.found, energy);
  } else {
    steady.window_refused = full.refused;
  }
  return steady;
}

std::string unsteady(const domain::Steady& steady) {
  std::string text;
  const auto say = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  for (const auto& c : steady.criteria) {
    if (c.verdict != "failed") {
      continue;
    }
    const bool ratio = c.unit == "1";
    const double scale = ratio ? 100 : 1;
    const std::string_view unit = ratio ? "%" : "degC/min";
    const std::string u = c.u ? fmt::format(" ± {:.2g}", scale * *c.u) : "";
    say(fmt::format("{} {} {:.1f}{} {}, limit {:g} {}", c.over, c.quantity, scale * c.value, u,
                    unit, scale * c.limit, unit));
  }
  if (steady.truncation && steady.truncation->verdict == "failed") {
    const auto& t = *steady.truncation;
    say(fmt::format("without the first {:.1f} s of the window throughput is {:+.1f} ± {:.2g} %",
                    t.begin_s, 100 * t.effect_ratio, 100 * t.u_effect));
  }
  return text;
}

bool moved_in_window(const domain::Steady& steady) {
  const bool truncated = steady.truncation && steady.truncation->verdict == "failed";
  return truncated || std::ranges::any_of(steady.criteria, [](const domain::SteadyCriterion& c) {
           return c.over == "window" && c.verdict == "failed";
         });
}

}  // namespace llem::analysis
