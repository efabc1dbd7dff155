#pragma once

// Owns: the one interval and the one token set that every number of a result is over.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/quantity.hpp"
#include "domain/recording.hpp"

namespace llem::analysis {

/// Half-open, nanoseconds of the host's monotonic clock.
struct Span {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;

  double seconds() const { return seconds_between(begin_ns, end_ns); }
};

struct Window {
  Span span;
  double duration_s = 0;
  double mark_u_s = 0;             // standard uncertainty of each of its two marks
  std::optional<Span> pad_before;  // idle time that ends at the window's begin
  std::optional<Span> pad_after;   // idle time that starts at the window's end
  const domain::Serve* serve = nullptr;
  std::int64_t requests = 0;  // of the token set: those that ended with `length` or `eos`
  std::int64_t failed = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t output_bytes = 0;
  std::int64_t cached_tokens = 0;
};

bool served(const domain::RequestRecord& request);
/// Absent when the window was never served or has no length.
std::optional<Window> find_window(const domain::Recording& recording);
std::optional<Span> phase_span(const domain::Recording& recording, domain::PhaseName name);

}  // namespace llem::analysis
