#pragma once

// Owns: the words for how the trials of a configuration lie about their value.

#include <string>
#include <vector>

#include "domain/summary.hpp"

namespace llem::report {

/// Standard deviations of launches and of runs in percent, where trials have several windows. A
/// variance below 0 is shown as 0; summary.json keeps its sign.
std::vector<std::string> spread_words(const domain::ConfigurationResult& configuration);

/// Each labelled trial with the cause that was recorded, and the middles beside the value.
std::vector<std::string> outlier_words(const domain::ConfigurationResult& configuration);

}  // namespace llem::report
