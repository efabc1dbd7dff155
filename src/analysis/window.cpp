#include "analysis/window.hpp"

#include <algorithm>
#include <cmath>

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

std::optional<Window> find_window(const domain::Recording& recording) {
  const auto* serve = recording.find_serve("window");
  if (serve == nullptr || serve->t_end_ns <= serve->t_begin_ns) {
    return std::nullopt;
  }
  Window window;
  window.span = {serve->t_begin_ns, serve->t_end_ns};
  window.duration_s = window.span.seconds();
  const double bound_s = static_cast<double>(recording.clock_offset.bound_ns) * 1e-9;
  window.mark_u_s = std::hypot(kMarkUncertainty, bound_s / std::sqrt(3.0));
  window.serve = serve;
  // The engine idles until the first request reaches it, so the pads touch the window.
  if (const auto pad = phase_span(recording, domain::PhaseName::pad_before);
      pad && pad->begin_ns < window.span.begin_ns) {
    window.pad_before = Span{pad->begin_ns, window.span.begin_ns};
  }
  if (const auto pad = phase_span(recording, domain::PhaseName::pad_after);
      pad && pad->end_ns > window.span.end_ns) {
    window.pad_after = Span{window.span.end_ns, pad->end_ns};
  }
  count_tokens(window);
  return window;
}

}  // namespace llem::analysis
