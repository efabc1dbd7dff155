#pragma once

// Owns: how long trials took in earlier runs.

#include <map>
#include <string>
#include <vector>

#include "sys/file.hpp"

namespace llem::study {

/// Durations in seconds by configuration hash, from the summaries of the newest run directories
/// below `root`; what cannot be read tells nothing.
std::map<std::string, std::vector<double>> earlier_durations(const sys::Path& root);

}  // namespace llem::study
