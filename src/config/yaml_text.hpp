#pragma once

// Owns: a tree as YAML text that reads back to the same tree.

#include <string>

#include "base/tree.hpp"

namespace llem::config {

/// Block style; comments and places are gone. Ends with a newline.
std::string write_yaml(const base::Tree& tree);

}  // namespace llem::config
