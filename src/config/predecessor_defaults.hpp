#pragma once

// Owns: what the predecessor took where its study file is silent, as far as it changes what is
// measured.

#include <string_view>
#include <vector>

#include "base/tree.hpp"
#include "config/predecessor_keys.hpp"

namespace llem::config::predecessor {

/// The two public generations of its files: one told by `task`, `serving_mode` and their like, one
/// with everything beside `model`.
enum class Form { flat, nested };

bool is_nested(const base::Tree& tree);

/// Adds what one engine took by itself; `mark` is where the file begins.
void add_engine_defaults(std::string_view engine, Form form, base::Mark mark, Reading& constants,
                         KeyReader& reader);

/// Says that ours is another, where nothing sets how many requests an engine serves together.
void note_batch_default(std::string_view engine, KeyReader& reader);

/// Adds defaults that differ from ours, where the constants say nothing.
void add_defaults(Form form, base::Mark mark, std::vector<Given>& constants, KeyReader& reader);

/// Says which defaults are ours.
void add_defaults_notes(const base::Tree& tree, KeyReader& reader);

}  // namespace llem::config::predecessor
