#pragma once

// Owns: values given outside the file, over the tree of the file.

#include <string>
#include <string_view>
#include <vector>

#include "base/tree.hpp"
#include "config/config.hpp"

namespace llem::config {

/// Sets the override's path, whatever stood there. What comes from an override has no place.
Expected<void> apply(base::Tree& tree, const Override& override);

/// The override that a path was set by; null when the file or a default did.
const Override* find_override(const std::vector<Override>& overrides, std::string_view path);

/// The paths that levels set, as they are written; they need not exist.
std::vector<std::string> varied_paths(const base::Tree& tree);

/// Refuses an override of what a level sets, or of something within or around it.
Expected<void> check_overrides(const base::Tree& tree, const std::vector<Override>& overrides,
                               const base::FileNames& files);

/// The reader names the file everywhere, but values from overrides have no line in it.
Error attributed(Error error, std::string_view file, const std::vector<Override>& overrides);

}  // namespace llem::config
