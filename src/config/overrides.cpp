#include "config/overrides.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/field_path.hpp"
#include "base/text.hpp"
#include "config/merge.hpp"

namespace llem::config {
namespace {

using base::is_within;
using base::Tree;

constexpr std::string_view kSweep = "sweep.";

void forget_marks(Tree& tree) {
  tree.mark = {};
  for (Tree& item : tree.items) {
    forget_marks(item);
  }
  for (Tree::Entry& entry : tree.entries) {
    entry.mark = {};
    forget_marks(entry.value);
  }
}

tl::unexpected<Error> refused(const Override& override, std::string message, std::string hint) {
  return tl::unexpected<Error>(Error{ErrorKind::config,
                                     std::move(message),
                                     std::move(hint),
                                     {fmt::format("{} {}", override.origin, override.path)},
                                     {}});
}

/// Takes away what the file says at the path, and refuses a path through something that is no map.
Expected<void> make_way(Tree& tree, const Override& override) {
  Tree* at = &tree;
  const auto keys = base::split(override.path, '.');
  if (std::find(keys.begin(), keys.end(), "") != keys.end()) {
    return refused(override, fmt::format("`{}` is no path", override.path),
                   "a path is names joined by dots, as in deploy.batch_size");
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (at->kind != Tree::Kind::map && at->kind != Tree::Kind::null) {
      const auto through =
          std::string_view(override.path)
              .substr(0, static_cast<std::size_t>(keys[i].data() - override.path.data()) - 1);
      return refused(override,
                     fmt::format("`{}` is no map, so it has nothing named `{}`", through, keys[i]),
                     fmt::format("set `{}` itself", through));
    }
    if (i + 1 == keys.size()) {
      std::erase_if(at->entries, [&](const Tree::Entry& entry) { return entry.key == keys[i]; });
      return {};
    }
    at = at->find(keys[i]);
    if (at == nullptr) {
      return {};
    }
  }
  return {};
}

/// The keys of `sweep` are paths themselves.
Expected<void> set_axis(Tree& tree, const Override& override, Tree levels) {
  if (tree.find("sweep") == nullptr) {
    tree.entries.push_back({"sweep", {}, {}});
  }
  Tree& sweep = *tree.find("sweep");
  if (sweep.kind != Tree::Kind::map && sweep.kind != Tree::Kind::null) {
    return refused(override, "`sweep` is no map of paths to levels", "set `sweep` itself");
  }
  sweep.kind = Tree::Kind::map;
  const std::string path = override.path.substr(kSweep.size());
  if (Tree* known = sweep.find(path)) {
    *known = std::move(levels);
  } else {
    sweep.entries.push_back({path, {}, std::move(levels)});
  }
  return {};
}

/// A path that levels set, and where that is written.
struct Varied {
  std::string path;
  std::string where;
};

class VariedPaths {
 public:
  explicit VariedPaths(const base::FileNames& files) : files_(files) {}

  std::vector<Varied> collect(const Tree& tree) {
    keys_of(tree.find("sweep"), "sweep");
    items_of(tree.find("zip"), "zip",
             [&](const Tree& item, const std::string& at) { keys_of(&item, at); });
    if (const Tree* variants = tree.find("variants")) {
      for (const Tree::Entry& factor : variants->entries) {
        for (const Tree::Entry& name : factor.value.entries) {
          keys_of(&name.value, fmt::format("variants.{}.{}", factor.key, name.key));
        }
      }
    }
    items_of(tree.find("experiments"), "experiments",
             [&](const Tree& item, const std::string& at) { leaves_of(item, at, ""); });
    return std::move(found_);
  }

 private:
  template <class Visit>
  static void items_of(const Tree* list, std::string_view name, const Visit& visit) {
    for (std::size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
      visit(list->items[i], fmt::format("{}[{}]", name, i));
    }
  }

  void note(const std::string& path, const Tree::Entry& entry, const std::string& at) {
    found_.push_back({path, fmt::format("{} {}.{}", base::place(files_, entry.mark), at, path)});
  }

  void keys_of(const Tree* map, const std::string& at) {
    for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
      note(map->entries[i].key, map->entries[i], at);
    }
  }

  void leaves_of(const Tree& map, const std::string& at, const std::string& above) {
    for (const Tree::Entry& entry : map.entries) {
      const std::string path = above + entry.key;
      if (entry.value.kind == Tree::Kind::map) {
        leaves_of(entry.value, at, path + ".");
      } else {
        note(path, entry, at);
      }
    }
  }

  const base::FileNames& files_;
  std::vector<Varied> found_;
};

}  // namespace

Expected<void> apply(Tree& tree, const Override& override) {
  if (is_within(override.path, "base")) {
    return refused(override, "`base` cannot be set from outside",
                   "write it in the file that lies over it");
  }
  auto value = parse_yaml(override.value, override.origin);
  if (!value) {
    return refused(override, std::move(value).error().message,
                   fmt::format("the value is read as YAML: `{}`", override.value));
  }
  forget_marks(*value);
  if (override.path.starts_with(kSweep)) {
    return set_axis(tree, override, *std::move(value));
  }
  LLEM_TRY(make_way(tree, override));
  base::set_path(tree, override.path, *std::move(value));
  expand_shorthands(domain::StudyConfig::table(), tree);
  return {};
}

const Override* find_override(const std::vector<Override>& overrides, std::string_view path) {
  const auto found =
      std::find_if(overrides.rbegin(), overrides.rend(), [&](const Override& override) {
        return is_within(path, override.path) || is_within(override.path, path);
      });
  return found == overrides.rend() ? nullptr : &*found;
}

std::vector<std::string> varied_paths(const Tree& tree) {
  std::vector<std::string> paths;
  for (Varied& varied : VariedPaths("").collect(tree)) {
    paths.push_back(std::move(varied.path));
  }
  return paths;
}

Expected<void> check_overrides(const Tree& tree, const std::vector<Override>& overrides,
                               const base::FileNames& files) {
  if (overrides.empty()) {
    return {};
  }
  const std::vector<Varied> varied = VariedPaths(files).collect(tree);
  for (const Override& override : overrides) {
    for (const Varied& level : varied) {
      if (!is_within(level.path, override.path) && !is_within(override.path, level.path)) {
        continue;
      }
      auto error = refused(override,
                           fmt::format("{} cannot set `{}`: the study varies `{}`", override.origin,
                                       override.path, level.path),
                           fmt::format("change the levels, or leave out {}", override.origin));
      error.value().context.push_back(level.where);
      return error;
    }
  }
  return {};
}

Error attributed(Error error, std::string_view file, const std::vector<Override>& overrides) {
  for (std::string& where : error.context) {
    std::string_view path = where;
    if (!file.empty()) {
      if (!path.starts_with(file) || path.substr(file.size(), 1) != " ") {
        continue;
      }
      path.remove_prefix(file.size() + 1);
    } else if (path.starts_with(' ')) {
      path.remove_prefix(1);
    }
    if (const Override* override = find_override(overrides, path)) {
      where = fmt::format("{} {}", override->origin, path);
    }
  }
  std::erase(error.context, "");
  return error;
}

}  // namespace llem::config
