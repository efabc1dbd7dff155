#include "analysis/full_batch.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace llem::analysis {

namespace {

// Of the most sequences seen: at fewer the batch is draining, not full.
constexpr double kNearlyFull = 0.9;

bool fills(const domain::StepRecord& step, std::int64_t sequences) {
  return step.sequences >= sequences;
}

/// The most sequences the deployment runs, where any step has them; under less load the number at
/// which the steps that decode spend most time; 0 where that is far below the most seen.
std::int64_t full_size(const domain::Serve& serve, std::int64_t batch_size) {
  std::map<std::int64_t, double> time;
  std::int64_t largest = 0;
  for (const domain::StepRecord& step : serve.steps) {
    if (fills(step, batch_size)) {
      return batch_size;
    }
    largest = std::max(largest, step.sequences);
    if (step.decode_tokens > 0) {
      time[step.sequences] += seconds_between(step.begin_ns, step.end_ns);
    }
  }
  const auto most = std::max_element(
      time.begin(), time.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool full = most != time.end() &&
                    static_cast<double>(most->first) >= kNearlyFull * static_cast<double>(largest);
  return full ? most->first : 0;
}

std::optional<Span> stretch_in(const domain::Serve& serve, const Span& pass,
                               std::int64_t sequences) {
  std::optional<Span> stretch;
  auto at = std::ranges::lower_bound(serve.steps, pass.begin_ns, {}, &domain::StepRecord::begin_ns);
  for (; at != serve.steps.end() && at->end_ns <= pass.end_ns; ++at) {
    const domain::StepRecord& step = *at;
    if (!fills(step, sequences)) {
      continue;
    }
    stretch = stretch ? Span{stretch->begin_ns, step.end_ns} : Span{step.end_ns, step.end_ns};
  }
  return stretch && stretch->end_ns > stretch->begin_ns ? stretch : std::nullopt;
}

std::string too_little(const domain::Recording& recording, const Window& window) {
  if (recording.configuration.deploy.batching != domain::Batching::continuous) {
    return "static batches: the batch is emptied before it is filled again";
  }
  if (window.serve->steps.empty()) {
    return "the engine logs no steps";
  }
  if (window.serve->token_time != domain::TokenTime::measured) {
    return "token times are not measured for every token";
  }
  return {};
}

}  // namespace

TokenClock::TokenClock(const domain::Serve& serve) : begin_ns_(serve.t_begin_ns) {
  std::vector<std::int64_t> times;
  for (const auto& request : serve.requests) {
    if (!served(request) || request.token_offset < 0 ||
        request.token_offset + request.output_tokens >
            static_cast<std::int64_t>(serve.token_ns.size())) {
      continue;
    }
    const auto first = serve.token_ns.begin() + request.token_offset;
    times.insert(times.end(), first, first + request.output_tokens);
  }
  std::sort(times.begin(), times.end());
  for (const std::int64_t t : times) {
    const std::int64_t before = counts_.empty() ? 0 : counts_.back().second;
    if (counts_.empty() || counts_.back().first != t) {
      counts_.emplace_back(t, before);
    }
    counts_.back().second = before + 1;
  }
}

std::int64_t TokenClock::delivered_by(std::int64_t t_ns) const {
  const auto after =
      std::upper_bound(counts_.begin(), counts_.end(), t_ns,
                       [](std::int64_t t, const auto& count) { return t < count.first; });
  return after == counts_.begin() ? 0 : std::prev(after)->second;
}

double TokenClock::spread_by(std::int64_t t_ns) const {
  const auto after =
      std::upper_bound(counts_.begin(), counts_.end(), t_ns,
                       [](std::int64_t t, const auto& count) { return t < count.first; });
  const bool first = after == counts_.begin();
  const std::int64_t done = first ? 0 : std::prev(after)->second;
  const std::int64_t since = first ? begin_ns_ : std::prev(after)->first;
  if (after == counts_.end() || t_ns <= since) {
    return static_cast<double>(done);
  }
  const double share = seconds_between(since, t_ns) / seconds_between(since, after->first);
  return static_cast<double>(done) + share * static_cast<double>(after->second - done);
}

std::vector<Span> pass_spans(const Window& window) {
  std::map<std::int64_t, std::int64_t> begins;
  for (const auto& request : window.serve->requests) {
    const auto [at, added] = begins.emplace(request.pass, request.submitted_ns);
    at->second = std::min(at->second, request.submitted_ns);
  }
  std::vector<Span> spans;
  for (const auto& [pass, begin_ns] : begins) {
    if (spans.empty()) {
      spans.push_back({window.span.begin_ns, window.span.end_ns});
    } else if (begin_ns > spans.back().begin_ns && begin_ns < window.span.end_ns) {
      spans.back().end_ns = begin_ns;
      spans.push_back({begin_ns, window.span.end_ns});
    }
  }
  return spans;
}

std::vector<Span> equal_parts(const FullBatch& full, std::size_t count) {
  std::vector<Span> all;
  for (const Span& stretch : full.stretches) {
    const double share = stretch.seconds() / full.duration_s * static_cast<double>(count);
    const auto parts = std::max<std::int64_t>(1, std::llround(share));
    const std::int64_t length = stretch.end_ns - stretch.begin_ns;
    for (std::int64_t k = 0; k < parts; ++k) {
      all.push_back(
          {stretch.begin_ns + length * k / parts, stretch.begin_ns + length * (k + 1) / parts});
    }
  }
  return all;
}

FullBatchVerdict full_batch(const domain::Recording& recording, const Window& window) {
  if (std::string refused = too_little(recording, window); !refused.empty()) {
    return {std::nullopt, std::move(refused)};
  }
  FullBatch full;
  full.sequences = full_size(*window.serve, recording.configuration.deploy.batch_size);
  if (full.sequences == 0) {
    return {std::nullopt, "no step decodes, or the batch is seldom near its largest"};
  }
  for (const Span& pass : pass_spans(window)) {
    const auto stretch = stretch_in(*window.serve, pass, full.sequences);
    if (!stretch) {
      full.ramps.push_back(pass);
      continue;
    }
    full.ramps.push_back({pass.begin_ns, stretch->begin_ns});
    full.stretches.push_back(*stretch);
    full.tails.push_back({stretch->end_ns, pass.end_ns});
    full.duration_s += stretch->seconds();
  }
  if (full.stretches.empty()) {
    return {std::nullopt, "no pass has two steps with a full batch"};
  }
  return {std::move(full), {}};
}

}  // namespace llem::analysis
