#pragma once

// Owns: the file that a predecessor's study file names as lying beneath it.

#include <string>
#include <vector>

#include "base/tree.hpp"
#include "config/config.hpp"

namespace llem::config::predecessor {

/// Lays `tree` over the file that its `base` names, section by section, and takes `base` out. What
/// that file says of a study, and a `base` of its own, is left out, with a note.
Expected<void> lay_over_base(base::Tree& tree, std::vector<std::string>& files,
                             const ReadBase& read_base, std::vector<std::string>& notes);

}  // namespace llem::config::predecessor
