#pragma once

// Owns: GPUs that hold somebody else's memory before a trial: waiting for them, or refusing.

#include <string>
#include <vector>

#include "meters/meter.hpp"
#include "study/rest.hpp"

namespace llem::study {

struct Occupied {
  std::string device;
  double bytes = 0;
};

/// The used GPUs on which more than analysis::kForeignBytes are taken now, while no engine of ours
/// runs.
std::vector<Occupied> occupied_devices(meters::MeterSet& meters);

/// Until no GPU is occupied, for ten minutes at most: whoever still holds memory then is flagged.
Expected<StopRequest> wait_until_free(const RestInputs& inputs, meters::MeterSet& meters);

/// Fails with `device_busy` where a GPU is occupied.
Expected<void> check_free(meters::MeterSet& meters);

}  // namespace llem::study
