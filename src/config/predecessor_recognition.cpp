#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "config/predecessor.hpp"
#include "config/predecessor_rules.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

// Keys of both grammars, or too common to tell a file by.
constexpr std::array<std::string_view, 11> kInBoth{
    "model",  "name",  "base",   "sweep",  "experiments",    "version",
    "engine", "dtype", "images", "output", "sampling_params"};
constexpr std::array<std::string_view, 8> kOurs{"workload", "deploy",   "measure", "study",
                                                "zip",      "variants", "exclude", "include"};

bool holds(std::span<const std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_theirs(std::string_view key) {
  const std::vector<std::string_view> names = names_within("");
  return key != "runners" && holds(names, key) && !holds(kInBoth, key);
}

/// The first names of all paths that a file sets or varies.
std::vector<std::string> first_names(const Tree& tree) {
  std::vector<std::string> names;
  const auto add = [&](const Tree* map) {
    for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
      names.push_back(map->entries[i].key.substr(0, map->entries[i].key.find('.')));
    }
  };
  add(&tree);
  add(tree.find("sweep"));
  if (const Tree* experiments = tree.find("experiments")) {
    for (const Tree& entry : experiments->items) {
      add(&entry);
    }
  }
  return names;
}

}  // namespace

bool is_study(const Tree& tree) {
  if (tree.kind != Tree::Kind::map) {
    return false;
  }
  const std::vector<std::string> names = first_names(tree);
  return std::any_of(names.begin(), names.end(), is_theirs) &&
         std::none_of(names.begin(), names.end(),
                      [](const std::string& name) { return holds(kOurs, name); });
}

}  // namespace llem::config::predecessor
