#pragma once

// Owns: the parts of a window in which a continuously filled batch is full: without the ramp at a
// pass's begin and the tail at its end (docs/methodology/warmup.md).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/window.hpp"
#include "domain/recording.hpp"

namespace llem::analysis {

/// Output tokens of the token set by their times.
class TokenClock {
 public:
  explicit TokenClock(const domain::Serve& serve);

  /// Delivered at this time or before.
  std::int64_t delivered_by(std::int64_t t_ns) const;
  /// As if those of one time had come evenly since the time before.
  double spread_by(std::int64_t t_ns) const;

 private:
  std::int64_t begin_ns_;
  std::vector<std::pair<std::int64_t, std::int64_t>> counts_;  // time, delivered by then
};

/// One span a pass, that together are the window.
std::vector<Span> pass_spans(const Window& window);

struct FullBatch {
  std::int64_t sequences = 0;  // in a step, that count as full
  /// At most one a pass: from the end of its first step that is full to the end of its last one.
  std::vector<Span> stretches;
  std::vector<Span>
      ramps;  // from the pass's begin to the stretch; where a pass has no stretch, all
  std::vector<Span> tails;  // from the stretch to the pass's end
  double duration_s = 0;    // of all stretches
};

/// Nearly equal parts of the stretches, about `count` in all and one a stretch at least.
std::vector<Span> equal_parts(const FullBatch& full, std::size_t count);

/// The stretches, or why there are none.
struct FullBatchVerdict {
  std::optional<FullBatch> found;
  std::string refused;
};

FullBatchVerdict full_batch(const domain::Recording& recording, const Window& window);

}  // namespace llem::analysis
