#include "config/predecessor_space.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace llem::config::predecessor {
namespace {

using base::Tree;

Tree map_at(base::Mark mark) {
  Tree map;
  map.kind = Tree::Kind::map;
  map.mark = mark;
  return map;
}

/// Paths as keys: `{deploy.batch_size: 8}`.
Tree flat(const std::vector<Given>& given, base::Mark mark) {
  Tree map = map_at(mark);
  for (const Given& value : given) {
    if (value.path != "name") {
      map.entries.push_back({value.path, value.value.mark, value.value});
    }
  }
  return map;
}

/// A name of its own for every bundle.
Tree named(const std::vector<Bundle>& bundles, base::Mark mark) {
  Tree map = map_at(mark);
  std::set<std::string> known;
  for (const Bundle& bundle : bundles) {
    std::string name = bundle.name;
    for (int i = 2; !known.insert(name).second; ++i) {
      name = fmt::format("{} ({})", bundle.name, i);
    }
    map.entries.push_back({std::move(name), mark, flat(bundle.given, mark)});
  }
  return map;
}

Tree& section(Tree& tree, std::string_view name, base::Mark mark) {
  if (tree.find(name) == nullptr) {
    tree.entries.push_back({std::string(name), mark, map_at(mark)});
  }
  return *tree.find(name);
}

/// Every level sets the same single path.
bool is_plain(const SweptAxis& axis) {
  return std::all_of(axis.levels.begin(), axis.levels.end(), [&](const Bundle& level) {
    return level.given.size() == 1 && level.given[0].path == axis.levels[0].given[0].path;
  });
}

/// Factors are no paths, and not called like a section.
std::string factor_name(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), '.', '_');
  const base::Table& table = domain::StudyConfig::table();
  const bool taken = std::any_of(table.fields.begin(), table.fields.end(),
                                 [&](const base::FieldInfo& field) { return field.name == name; });
  return taken ? name + "_variants" : name;
}

void write_axis(const SweptAxis& axis, Tree& tree) {
  if (!is_plain(axis)) {
    section(tree, "variants", axis.key.mark)
        .entries.push_back(
            {factor_name(axis.key.path), axis.key.mark, named(axis.levels, axis.key.mark)});
    return;
  }
  Tree list;
  list.kind = Tree::Kind::list;
  list.mark = axis.key.mark;
  for (const Bundle& level : axis.levels) {
    list.items.push_back(level.given[0].value);
  }
  section(tree, "sweep", axis.key.mark)
      .entries.push_back({axis.levels[0].given[0].path, axis.key.mark, std::move(list)});
}

/// The engines alone are an axis; with what only one of them obeys, they are variants.
void write_engines(const Space& space, Tree& tree) {
  const base::Mark mark = space.engines.front().mark;
  const bool alone = std::all_of(space.engine_bundles.begin(), space.engine_bundles.end(),
                                 [](const Bundle& bundle) { return bundle.given.size() == 1; });
  if (!alone) {
    section(tree, "variants", mark)
        .entries.push_back({"engine", mark, named(space.engine_bundles, mark)});
    return;
  }
  Tree list;
  list.kind = Tree::Kind::list;
  list.mark = mark;
  for (const Bundle& bundle : space.engine_bundles) {
    list.items.push_back(bundle.given[0].value);
  }
  section(tree, "sweep", mark).entries.push_back({"deploy.engine", mark, std::move(list)});
}

void write_experiments(const Space& space, Tree& tree) {
  Tree list;
  list.kind = Tree::Kind::list;
  list.mark = space.experiments.front().mark;
  for (const Experiment& experiment : space.experiments) {
    if (space.has_sweep) {
      list.items.push_back(flat(experiment.bundle.given, experiment.mark));
      continue;
    }
    Tree map = map_at(experiment.mark);
    for (const Given& given : experiment.bundle.given) {
      base::set_path(map, given.path, given.value);
    }
    list.items.push_back(std::move(map));
  }
  const base::Mark mark = list.mark;
  tree.entries.push_back({space.has_sweep ? "include" : "experiments", mark, std::move(list)});
}

/// Sections in the order of the reference.
void sort(Tree& tree) {
  const auto fields = domain::StudyConfig::table().fields;
  const auto rank = [&](const Tree::Entry& entry) {
    return std::find_if(fields.begin(), fields.end(),
                        [&](const base::FieldInfo& field) { return field.name == entry.key; }) -
           fields.begin();
  };
  std::stable_sort(tree.entries.begin(), tree.entries.end(),
                   [&](const Tree::Entry& a, const Tree::Entry& b) { return rank(a) < rank(b); });
}

}  // namespace

Tree write_space(const Space& space) {
  Tree tree = map_at({1, 1, 0});
  if (space.one_engine) {
    const NamedEngine& engine = space.engines.front();
    base::set_path(tree, "deploy.engine", scalar_at(engine.mark, engine.word));
  }
  for (const Given& given : space.constants.general) {
    base::set_path(tree, given.path, given.value);
  }
  if (!space.engine_bundles.empty()) {
    write_engines(space, tree);
  }
  for (const SweptAxis& axis : space.axes) {
    write_axis(axis, tree);
  }
  if (!space.experiments.empty()) {
    write_experiments(space, tree);
  }
  sort(tree);
  return tree;
}

}  // namespace llem::config::predecessor
