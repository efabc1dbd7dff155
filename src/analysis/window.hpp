#pragma once

// Owns: the interval and the token set that every number of a result is over, of one window or of
// all windows of a trial together.

#include <cstdint>
#include <memory>
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
  Span span;              // of several: from the first begin to the last end, pads included
  double duration_s = 0;  // of several: their sum, without the pads between them
  double shortest_s = 0;  // of several: the shortest one
  double mark_u_s = 0;    // standard uncertainty of each of its two marks
  std::optional<Span> pad_before;  // idle time that ends at the window's begin
  std::optional<Span> pad_after;   // idle time that starts at the window's end
  bool within_load = false;        // work goes on beyond both edges: a part of a window
  Span last_pad;                   // idle time after the last window of the trial; empty: none
  const domain::Serve* serve = nullptr;
  std::int64_t requests = 0;  // of the token set: those that ended with `length` or `eos`
  std::int64_t failed = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t output_bytes = 0;
  std::int64_t cached_tokens = 0;
};

bool served(const domain::RequestRecord& request);
/// In order, without those that were never served or have no length.
std::vector<Window> find_windows(const domain::Recording& recording);

/// The windows of a trial and what they are together.
class Windows {
 public:
  explicit Windows(std::vector<Window> windows);

  bool empty() const { return each_.empty(); }

  const std::vector<Window>& each() const { return each_; }

  /// One time and one token set: the sums of those of the windows. Not of an empty list.
  const Window& all() const { return all_; }

 private:
  std::vector<Window> each_;
  std::unique_ptr<domain::Serve> served_;  // of several windows, one after another
  Window all_;
};

std::optional<Span> phase_span(const domain::Recording& recording, domain::PhaseName name);

}  // namespace llem::analysis
