#pragma once

// Owns: how far a study has come, from its plan, its manifest and its trial directories. Pure: the
// caller reads.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "domain/plan.hpp"
#include "store/run_directory.hpp"

namespace llem::study {

enum class Standing {
  open,      // to be run
  recorded,  // its recording is whole, its result may not be
  done,
  failed,  // every attempt it was given has failed
};

struct TrialProgress {
  Standing standing = Standing::open;
  std::int64_t next_attempt = 1;         // a number no directory and no manifest line has
  std::int64_t failures = 0;             // attempts that failed
  std::optional<store::Path> recording;  // of the latest whole attempt
};

/// One entry a trial of the plan, in its order. A recording counts although the manifest does not
/// tell of it (the program was killed between the two); a manifest line counts for nothing without
/// its recording.
std::vector<TrialProgress> progress_of(const domain::Plan& plan,
                                       const std::map<std::int64_t, store::TrialStatus>& manifest,
                                       std::span<const store::Attempt> attempts);

}  // namespace llem::study
