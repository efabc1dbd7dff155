#pragma once

// Owns: from prompts and a seed to what is served. Pure: the same inputs give the same schedule on
// every machine.

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "domain/study_config.hpp"

namespace llem::workload {

struct PlannedRequest {
  std::string id;
  std::vector<std::int64_t> prompt_tokens;
  std::int64_t max_tokens = 0;
  std::int64_t min_tokens = 0;
  bool stop_at_eos = false;
};

using Pass = std::vector<PlannedRequest>;

struct Schedules {
  // One pass, served again and again; its prompts are disjoint from the window's where there are
  // enough.
  std::vector<Pass> warmup;
  std::vector<Pass> window;  // passes of disjoint prompts, in order
  domain::ScheduleRecord record;
  std::int64_t max_request_tokens = 0;  // longest prompt + output
};

/// Which prompts, in which order, are needed before tokenising: indices into the data set, the
/// window's passes first and the warm-up batch last, so that the window's prompts do not depend on
/// the batch size. Enough for one warm-up batch and as many disjoint passes as the data set yields,
/// at most `max_passes`. Each block draws its own sample, of which every pass is put in the
/// declared order; with an exact input length every prompt is chosen, in drawn order, because which
/// ones are long enough only tokenising tells.
struct PromptChoice {
  std::vector<std::int64_t> indices;
  std::int64_t dataset_prompts = 0;  // in the data set
  std::int64_t empty_prompts = 0;    // of them, never chosen
};

Expected<PromptChoice> choose_prompts(const domain::Workload& workload,
                                      const domain::Deploy& deploy,
                                      const std::vector<std::string>& prompts, std::uint64_t block,
                                      std::int64_t max_passes);

/// Lengths for synthetic prompts, in tokens, in the same order: `max_passes` passes, then the
/// warm-up batch.
Expected<std::vector<std::int64_t>> synthetic_lengths(const domain::Workload& workload,
                                                      const domain::Deploy& deploy,
                                                      std::uint64_t block, std::int64_t max_passes);

/// Builds the schedules from tokenised prompts (same order as chosen). Static passes are whole
/// batches: requests are rounded up. Errors: fewer prompts than a pass (unless repeat), empty
/// prompts only, prompt longer than the context. `model_context` 0 is unknown. The record counts
/// the prompts given here: the caller adds what the choice left out.
Expected<Schedules> make_schedules(const domain::Workload& workload, const domain::Deploy& deploy,
                                   const std::vector<std::vector<std::int64_t>>& tokens,
                                   std::int64_t model_context, std::uint64_t block);

/// The passes of one of several windows, `window` from 0: each window has its own share of the
/// passes, in order. Where there are fewer passes than windows, the passes take turns.
std::vector<Pass> window_share(const std::vector<Pass>& passes, std::int64_t window,
                               std::int64_t windows);

/// The seed of the engine's sampler for this block.
std::uint64_t sampling_seed(const domain::Workload& workload, std::uint64_t block);

}  // namespace llem::workload
