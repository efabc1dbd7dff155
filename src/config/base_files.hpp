#pragma once

// Owns: the files that a study file names as lying beneath it.

#include <string>
#include <vector>

#include "base/tree.hpp"
#include "config/config.hpp"

namespace llem::config {

/// Lays `tree`, a study file, over the file its `base` names, that over the next, and so on.
/// `files` holds the name of the study file; the others are added, and places count into them.
Expected<void> lay_over_bases(base::Tree& tree, std::vector<std::string>& files,
                              const ReadBase& read_base);

/// The tree of the file that `name` stands for, written at `where`; the name of that file is added
/// to `files`, and places count into them. A chain that leads back is refused.
Expected<base::Tree> read_base_file(const base::Tree& name, const std::string& where,
                                    std::vector<std::string>& files, const ReadBase& read_base);

}  // namespace llem::config
