#include "config/base_files.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/merge.hpp"
#include "config/predecessor.hpp"

namespace llem::config {
namespace {

using base::Tree;

constexpr std::size_t kMostFiles = 100;

tl::unexpected<Error> refused(const std::string& where, std::string message, std::string hint) {
  return tl::unexpected<Error>(
      Error{ErrorKind::config, std::move(message), std::move(hint), {where}, {}});
}

Expected<void> check_chain(const std::vector<std::string>& files, const std::string& next,
                           const std::string& where) {
  const auto known = std::find(files.begin(), files.end(), next);
  if (known != files.end()) {
    return refused(where,
                   fmt::format("`base` leads back to where it began: {} -> {}",
                               fmt::join(known, files.end(), " -> "), next),
                   "take `base` out of one of these files");
  }
  if (files.size() >= kMostFiles) {
    return refused(where, fmt::format("more than {} files lie beneath one another", kMostFiles),
                   "");
  }
  return {};
}

}  // namespace

Expected<Tree> read_base_file(const Tree& name, const std::string& where,
                              std::vector<std::string>& files, const ReadBase& read_base) {
  if (name.kind != Tree::Kind::scalar) {
    return refused(where, "`base` must be the path of one study file", "");
  }
  if (!read_base) {
    return refused(
        where, fmt::format("`{}` cannot be read: no file lies beneath this one", name.scalar), "");
  }
  auto file = read_base(name.scalar, files.back());
  if (!file) {
    Error error = std::move(file).error();
    error.context.push_back(where);
    return tl::unexpected(std::move(error));
  }
  LLEM_TRY(check_chain(files, file->path, where));
  LLEM_ASSIGN(Tree tree, parse_yaml(file->text, file->path));
  if (tree.kind == Tree::Kind::null) {
    tree.kind = Tree::Kind::map;
  }
  if (tree.kind != Tree::Kind::map) {
    return refused(base::place(file->path, tree.mark), "a study file is a map of its sections", "");
  }
  set_file(tree, files.size());
  files.push_back(std::move(file->path));
  return tree;
}

Expected<void> lay_over_bases(Tree& tree, std::vector<std::string>& files,
                              const ReadBase& read_base) {
  std::vector<Tree> pile;  // from the study file downwards
  pile.push_back(std::move(tree));
  while (const Tree* name = pile.back().find("base")) {
    if (name->kind == Tree::Kind::null) {
      break;
    }
    const std::string where = base::place(files, name->mark) + " base";
    LLEM_ASSIGN(Tree next, read_base_file(*name, where, files, read_base));
    if (predecessor::is_study(next)) {
      return refused(where,
                     fmt::format("`{}` is a file of the Python predecessor, and this one is not",
                                 files.back()),
                     fmt::format("write it anew: llem config convert {}", files.back()));
    }
    pile.push_back(std::move(next));
  }
  const base::Table& table = domain::StudyConfig::table();
  tree = std::move(pile.back());
  pile.pop_back();
  expand_shorthands(table, tree);
  while (!pile.empty()) {
    std::erase_if(tree.entries, [](const Tree::Entry& entry) { return entry.key == "base"; });
    lay_over(table, tree, std::move(pile.back()));
    pile.pop_back();
    expand_shorthands(table, tree);
  }
  return {};
}

}  // namespace llem::config
