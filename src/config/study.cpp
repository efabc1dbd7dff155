#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "config/yaml_text.hpp"

namespace llem::config {
namespace {

using base::Tree;

const base::TypeInfo& without_optional(const base::TypeInfo& type) {
  return type.kind == base::Kind::optional ? without_optional(*type.element) : type;
}

/// `path` is `outer` or lies within it.
bool is_within(std::string_view path, std::string_view outer) {
  return path == outer ||
         (path.starts_with(outer) && (path[outer.size()] == '.' || path[outer.size()] == '['));
}

/// Writes `model: x` as `model: {name: x}`, so that an override can set `model.file` beside it.
void expand_shorthands(const base::Table& table, Tree& tree) {
  for (const base::FieldInfo& field : table.fields) {
    const base::TypeInfo& type = without_optional(*field.type);
    Tree* value = type.kind == base::Kind::object ? tree.find(field.name) : nullptr;
    if (value == nullptr) {
      continue;
    }
    const base::Table& inner = type.table();
    if (!inner.shorthand.empty() &&
        (value->kind == Tree::Kind::scalar || value->kind == Tree::Kind::list)) {
      Tree map;
      map.kind = Tree::Kind::map;
      map.mark = value->mark;
      map.entries.push_back({std::string(inner.shorthand), value->mark, std::move(*value)});
      *value = std::move(map);
    }
    expand_shorthands(inner, *value);
  }
}

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

Expected<void> apply(Tree& tree, const Override& override) {
  auto value = parse_yaml(override.value, override.origin);
  if (!value) {
    return refused(override, std::move(value).error().message,
                   fmt::format("the value is read as YAML: `{}`", override.value));
  }
  forget_marks(*value);
  LLEM_TRY(make_way(tree, override));
  base::set_path(tree, override.path, *std::move(value));
  expand_shorthands(domain::StudyConfig::table(), tree);
  return {};
}

/// The override that a path was set by; null when the file or a default did.
const Override* find_override(const std::vector<Override>& overrides, std::string_view path) {
  const auto found =
      std::find_if(overrides.rbegin(), overrides.rend(), [&](const Override& override) {
        return is_within(path, override.path) || is_within(override.path, path);
      });
  return found == overrides.rend() ? nullptr : &*found;
}

/// The reader names the file everywhere, but values from overrides have no line in it.
Error attributed(Error error, std::string_view file, const std::vector<Override>& overrides) {
  for (std::string& where : error.context) {
    std::string_view path = where;
    if (!file.empty()) {
      if (!path.starts_with(file) || path.substr(file.size(), 1) != " ") {
        continue;
      }
      path.remove_prefix(file.size() + 1);
    }
    if (const Override* override = find_override(overrides, path)) {
      where = fmt::format("{} {}", override->origin, path);
    }
  }
  std::erase(error.context, "");
  return error;
}

class OriginCollector {
 public:
  OriginCollector(std::string_view file, const std::vector<Override>& overrides)
      : file_(file), overrides_(overrides) {}

  /// `tree` is null where the section is absent.
  void collect(const base::Table& table, const Tree* tree, const std::string& prefix) {
    for (const base::FieldInfo& field : table.fields) {
      const Tree* value = tree != nullptr ? tree->find(field.name) : nullptr;
      const std::string path = prefix + std::string(field.name);
      const base::TypeInfo& type = without_optional(*field.type);
      const bool absent_option = field.type->kind == base::Kind::optional && value == nullptr;
      if (type.kind == base::Kind::object && !absent_option) {
        collect(type.table(), value, path + ".");
        continue;
      }
      note(path, value);
      if (type.kind == base::Kind::map && value != nullptr) {
        for (const Tree::Entry& entry : value->entries) {
          note(path + "." + entry.key, &entry.value);
        }
      }
    }
  }

  Origins take() { return std::move(origins_); }

 private:
  void note(const std::string& path, const Tree* value) {
    if (value == nullptr) {
      origins_[path] = "default";
      return;
    }
    const Override* override = value->mark.line > 0 ? nullptr : find_override(overrides_, path);
    origins_[path] = override != nullptr ? override->origin : base::place(file_, value->mark);
  }

  std::string_view file_;
  const std::vector<Override>& overrides_;
  Origins origins_;
};

/// "study" of "dir/study.yaml", "SmolLM2" of "org/SmolLM2".
std::string last_part(std::string_view path, bool drop_extension) {
  path = path.substr(path.find_last_of('/') + 1);
  const std::size_t dot = path.find_last_of('.');
  if (drop_extension && dot != std::string_view::npos && dot > 0) {
    path = path.substr(0, dot);
  }
  return std::string(path);
}

std::string default_name(const domain::StudyConfig& config, std::string_view file) {
  if (!file.empty() && file != "-") {
    return last_part(file, true);
  }
  return last_part(config.model.name, base::lower(config.model.name).ends_with(".gguf"));
}

}  // namespace

Expected<LoadedStudy> load_study(std::string_view text, std::string_view file,
                                 const std::vector<Override>& overrides,
                                 const ReadBase& /*read_base*/) {
  const base::Table& table = domain::StudyConfig::table();
  LLEM_ASSIGN(Tree tree, parse_yaml(text, file));
  if (tree.kind == Tree::Kind::map || tree.kind == Tree::Kind::null) {
    tree.kind = Tree::Kind::map;
    expand_shorthands(table, tree);
    for (const Override& override : overrides) {
      LLEM_TRY(apply(tree, override));
    }
  }
  LoadedStudy study;
  if (auto read = base::read_fields(table, &study.config, tree, file); !read) {
    return tl::unexpected<Error>(attributed(std::move(read).error(), file, overrides));
  }
  study.file = file;
  const bool from_file = !base::trim(text).empty();
  if (study.config.name.empty()) {
    study.config.name = default_name(study.config, from_file ? file : "");
  }
  OriginCollector origins(file, overrides);
  origins.collect(table, &tree, "");
  study.origins = origins.take();
  study.text = from_file ? std::string(text)
                         : "# Written by llem from its command line; `llem run` on this file does "
                           "the same.\n" +
                               write_yaml(tree);
  return study;
}

Error with_origins(Error error, const Origins& origins) {
  for (std::string& where : error.context) {
    if (const auto found = origins.find(where); found != origins.end()) {
      where = fmt::format("{} {}", found->second, where);
    }
  }
  return error;
}

}  // namespace llem::config
