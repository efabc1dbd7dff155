#include "config/predecessor_base.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "config/base_files.hpp"
#include "config/predecessor_rules.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

/// What the predecessor took from no file but the one it was given.
constexpr std::array<std::string_view, 8> kOfStudy{"sweep", "experiments", "execution", "base",
                                                   "name",  "version",     "runners",   "images"};

void lay_over(Tree& lower, Tree upper) {
  if (lower.kind != Tree::Kind::map || upper.kind != Tree::Kind::map) {
    lower = std::move(upper);
    return;
  }
  lower.mark = upper.mark;
  for (Tree::Entry& entry : upper.entries) {
    const auto known =
        std::find_if(lower.entries.begin(), lower.entries.end(),
                     [&](const Tree::Entry& candidate) { return candidate.key == entry.key; });
    if (known == lower.entries.end()) {
      lower.entries.push_back(std::move(entry));
    } else {
      known->mark = entry.mark;
      lay_over(known->value, std::move(entry.value));
    }
  }
}

}  // namespace

Expected<void> lay_over_base(Tree& tree, std::vector<std::string>& files, const ReadBase& read_base,
                             std::vector<std::string>& notes) {
  const auto named = std::find_if(tree.entries.begin(), tree.entries.end(),
                                  [](const Tree::Entry& entry) { return entry.key == "base"; });
  if (named == tree.entries.end()) {
    return {};
  }
  const Tree name = std::move(named->value);
  const std::string where = base::place(files, named->mark) + " base";
  tree.entries.erase(named);
  if (name.kind == Tree::Kind::null) {
    return {};
  }
  LLEM_ASSIGN(Tree lower, read_base_file(name, where, files, read_base));
  std::erase_if(lower.entries, [&](const Tree::Entry& entry) {
    const bool of_study =
        std::find(kOfStudy.begin(), kOfStudy.end(), table_path(entry.key)) != kOfStudy.end();
    if (of_study) {
      notes.push_back(fmt::format("{} {}: left out; only the constants of a base are taken",
                                  base::place(files, entry.mark), entry.key));
    }
    return of_study;
  });
  lay_over(lower, std::move(tree));
  tree = std::move(lower);
  notes.push_back(
      fmt::format("{}: laid beneath this file, key by key: a section here no longer "
                  "replaces the whole of it there",
                  where));
  return {};
}

}  // namespace llem::config::predecessor
