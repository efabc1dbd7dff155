#pragma once

// Owns: the sweep of a predecessor's study file: lists, ranges and groups as levels of ours.

#include <string>
#include <vector>

#include "base/tree.hpp"
#include "config/predecessor_keys.hpp"

namespace llem::config::predecessor {

// More levels than this are a slip in a range.
inline constexpr std::size_t kMostLevels = 10'000;

struct Bundle {
  std::vector<Given> given;
  std::string name;  // "attn_implementation sdpa, batch_size 8"
};

struct SweptAxis {
  Key key;
  std::string engine;  // our name of the one it is for; empty for all
  std::vector<Bundle> levels;
};

/// The value under a key of `sweep` as its levels: a list, a range, or one value alone.
Expected<std::vector<base::Tree>> written_levels(const Key& key, const base::Tree& value,
                                                 const KeyReader& reader);

/// One entry of `sweep`. What is left out leaves fewer levels, none where nothing varies any more.
Expected<SweptAxis> read_axis(const base::Tree::Entry& entry, KeyReader& reader);

/// Every combination, the last fastest; levels of later axes win.
Expected<std::vector<Bundle>> combine(const std::vector<const SweptAxis*>& axes,
                                      const KeyReader& reader);

}  // namespace llem::config::predecessor
