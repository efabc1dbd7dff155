#include "analysis/window.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace llem::analysis {

namespace {

// Lateness of a time stamp taken by an unloaded process (measured: p50 50 µs).
constexpr double kMarkUncertainty = 50e-6;

void count_tokens(Window& window) {
  for (const auto& request : window.serve->requests) {
    if (!served(request)) {
      ++window.failed;
      continue;
    }
    ++window.requests;
    window.input_tokens += request.prompt_tokens;
    window.output_tokens += request.output_tokens;
    window.output_bytes += request.output_bytes;
    window.cached_tokens += request.cached_tokens;
  }
}

}  // namespace

bool served(const domain::RequestRecord& request) {
  return request.finish == domain::Finish::length || request.finish == domain::Finish::eos;
}

std::optional<Span> phase_span(const domain::Recording& recording, domain::PhaseName name) {
  const auto* phase = recording.find_phase(name);
  if (phase == nullptr || phase->t_end_ns <= phase->t_begin_ns) {
    return std::nullopt;
  }
  return Span{phase->t_begin_ns, phase->t_end_ns};
}

namespace {

bool is_pad(const domain::Phase& phase) {
  return (phase.name == domain::PhaseName::pad_before ||
          phase.name == domain::PhaseName::pad_after) &&
         phase.t_end_ns > phase.t_begin_ns;
}

/// The pads touch the window, as the engine idles until the first request reaches it. One pad may
/// lie between two windows and be of both; none reaches over the windows beside it.
void find_pads(const domain::Recording& recording, const Span& between, Window& window) {
  for (const domain::Phase& phase : recording.phases) {
    if (!is_pad(phase) || phase.t_begin_ns < between.begin_ns ||
        phase.t_begin_ns >= between.end_ns) {
      continue;
    }
    if (phase.t_begin_ns < window.span.begin_ns) {
      window.pad_before = Span{phase.t_begin_ns, window.span.begin_ns};  // the last of them
    } else if (phase.t_end_ns > window.span.end_ns && !window.pad_after) {
      window.pad_after = Span{window.span.end_ns, phase.t_end_ns};
    }
  }
}

/// `between`: the end of the window before and the begin of the one after.
Window window_of(const domain::Recording& recording, const domain::Serve& serve,
                 const Span& between) {
  Window window;
  window.span = {serve.t_begin_ns, serve.t_end_ns};
  window.duration_s = window.shortest_s = window.span.seconds();
  const double bound_s = static_cast<double>(recording.clock_offset.bound_ns) * 1e-9;
  window.mark_u_s = std::hypot(kMarkUncertainty, bound_s / std::sqrt(3.0));
  window.serve = &serve;
  find_pads(recording, between, window);
  count_tokens(window);
  return window;
}

/// Appends what was served, its passes numbered on.
void append(domain::Serve& all, const domain::Serve& more) {
  const auto offset = static_cast<std::int64_t>(all.token_ns.size());
  for (domain::RequestRecord request : more.requests) {
    request.pass += all.passes;
    request.token_offset += offset;
    all.requests.push_back(std::move(request));
  }
  all.token_ns.insert(all.token_ns.end(), more.token_ns.begin(), more.token_ns.end());
  all.steps.insert(all.steps.end(), more.steps.begin(), more.steps.end());
  all.passes += more.passes;
  all.t_end_ns = more.t_end_ns;
}

}  // namespace

std::vector<Window> find_windows(const domain::Recording& recording) {
  using Limits = std::numeric_limits<std::int64_t>;
  std::vector<Window> windows;
  const auto serves = recording.windows();
  for (std::size_t i = 0; i < serves.size(); ++i) {
    const Span between{i > 0 ? serves[i - 1]->t_end_ns : Limits::min(),
                       i + 1 < serves.size() ? serves[i + 1]->t_begin_ns : Limits::max()};
    if (serves[i]->t_end_ns > serves[i]->t_begin_ns) {
      windows.push_back(window_of(recording, *serves[i], between));
    }
  }
  for (Window& window : windows) {
    const std::int64_t end_ns = windows.back().span.end_ns;
    window.last_pad = windows.back().pad_after.value_or(Span{end_ns, end_ns});
  }
  return windows;
}

Windows::Windows(std::vector<Window> windows) : each_(std::move(windows)) {
  if (each_.empty()) {
    return;
  }
  all_ = each_.front();
  if (each_.size() == 1) {
    return;
  }
  served_ = std::make_unique<domain::Serve>(*each_.front().serve);
  for (std::size_t i = 1; i < each_.size(); ++i) {
    append(*served_, *each_[i].serve);
    all_.duration_s += each_[i].duration_s;
    all_.shortest_s = std::min(all_.shortest_s, each_[i].shortest_s);
  }
  all_.serve = served_.get();
  all_.span.end_ns = each_.back().span.end_ns;
  all_.pad_after = each_.back().pad_after;
  all_.requests = all_.failed = all_.input_tokens = 0;
  all_.output_tokens = all_.output_bytes = all_.cached_tokens = 0;
  count_tokens(all_);
}

}  // namespace llem::analysis
