#pragma once

// Owns: study files of the Python predecessor, of both its public generations, in the grammar of
// ours.

#include <optional>
#include <string>
#include <vector>

#include "base/tree.hpp"
#include "config/config.hpp"

namespace llem::config::predecessor {

/// A study file of the predecessor in our grammar.
struct Translation {
  base::Tree tree;                 // values keep their places in the predecessor's file
  std::vector<std::string> notes;  // what is called otherwise, left out, or means something else
  MissingEngines missing;          // engines it names that this version lacks
};

/// Whether keys of the file are the predecessor's, and none is ours alone.
bool is_study(const base::Tree& tree);

/// `tree` is a file of the predecessor; the files its `base` names are laid beneath it. `engine`
/// runs in place of the one in the file. Refuses, at its place in the file: unknown keys, with the
/// nearest one; keys that contradict each other; and what would be measured otherwise here and
/// cannot be expressed.
Expected<Translation> translate(base::Tree tree, std::vector<std::string>& files,
                                const ReadBase& read_base,
                                const std::optional<std::string>& engine);

}  // namespace llem::config::predecessor
