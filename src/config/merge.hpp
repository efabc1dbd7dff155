#pragma once

// Owns: trees of study files laid over one another.

#include <string_view>

#include "base/field.hpp"
#include "base/tree.hpp"

namespace llem::config {

/// Writes `model: x` as `model: {name: x}`, so that something can be set beside it.
void expand_shorthands(const base::Table& table, base::Tree& tree);

/// Lays `upper` over `lower`, whose shorthands are expanded: sections and maps of names are merged,
/// everything else is replaced.
void lay_over(const base::Table& table, base::Tree& lower, base::Tree upper);

/// Says of every place in the tree which file it is in.
void set_file(base::Tree& tree, std::size_t file);

}  // namespace llem::config
