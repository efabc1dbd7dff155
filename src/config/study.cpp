#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "config/axes.hpp"
#include "config/base_files.hpp"
#include "config/config.hpp"
#include "config/overrides.hpp"
#include "config/places.hpp"
#include "config/precision.hpp"
#include "config/predecessor.hpp"
#include "config/yaml_text.hpp"

namespace llem::config {
namespace {

using base::Tree;

class OriginCollector {
 public:
  OriginCollector(const base::FileNames& files, const std::vector<Override>& overrides)
      : files_(files), overrides_(overrides) {}

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
    origins_[path] = override != nullptr ? override->origin : base::place(files_, value->mark);
  }

  const base::FileNames& files_;
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
  return config.model.name.empty()
             ? "study"
             : last_part(config.model.name, base::lower(config.model.name).ends_with(".gguf"));
}

/// Whether a level somewhere says which model, so that the constants need not.
bool model_varies(const Tree& tree) {
  const std::vector<std::string> varied = varied_paths(tree);
  return std::any_of(varied.begin(), varied.end(), [](const std::string& path) {
    return path == "model" || path == "model.name";
  });
}

Expected<void> read_constants(LoadedStudy& study) {
  const base::Table& table = domain::StudyConfig::table();
  const Tree* model = study.tree.find("model");
  if ((model != nullptr && model->find("name") != nullptr) || !model_varies(study.tree)) {
    return base::read_fields(table, &study.config, study.tree, study.files);
  }
  Tree filled = study.tree;
  Tree name;
  name.kind = Tree::Kind::scalar;
  name.scalar = "one of several";
  base::set_path(filled, "model.name", std::move(name));
  LLEM_TRY(base::read_fields(table, &study.config, filled, study.files));
  study.config.model.name.clear();
  return {};
}

/// The engine that an override names for all points.
std::optional<std::string> engine_of(const std::vector<Override>& overrides) {
  for (auto override = overrides.rbegin(); override != overrides.rend(); ++override) {
    const auto value = override->path == "deploy.engine"
                           ? parse_yaml(override->value, override->origin)
                           : Expected<Tree>();
    if (value && value->kind == Tree::Kind::scalar) {
      return value->scalar;
    }
  }
  return std::nullopt;
}

/// The tree of the file over its bases, under the overrides.
Expected<void> read_tree(LoadedStudy& study, std::string_view text,
                         const std::vector<Override>& overrides, const ReadBase& read_base) {
  LLEM_ASSIGN(study.tree, parse_yaml(text, study.file));
  Tree& tree = study.tree;
  if (tree.kind != Tree::Kind::map && tree.kind != Tree::Kind::null) {
    return {};
  }
  tree.kind = Tree::Kind::map;
  if (predecessor::is_study(tree)) {
    LLEM_ASSIGN(
        predecessor::Translation translation,
        predecessor::translate(std::move(tree), study.files, read_base, engine_of(overrides)));
    tree = std::move(translation.tree);
    study.notes = std::move(translation.notes);
    study.missing = std::move(translation.missing);
  }
  LLEM_TRY(lay_over_bases(tree, study.files, read_base));
  for (const Override& override : overrides) {
    LLEM_TRY(apply(tree, override));
  }
  return {};
}

/// Takes the engine of the constants out of the tree where this version lacks it, and gives back
/// what there is to say about it.
std::optional<Error> take_missing_engine(LoadedStudy& study) {
  Tree* deploy = study.tree.find("deploy");
  const Tree* engine = deploy != nullptr ? deploy->find("engine") : nullptr;
  const auto missing = engine != nullptr ? study.missing.find(engine->scalar) : study.missing.end();
  if (missing == study.missing.end()) {
    return std::nullopt;
  }
  std::erase_if(deploy->entries, [](const Tree::Entry& entry) { return entry.key == "engine"; });
  return missing->second;
}

/// The value at a dotted path; null when there is none.
const Tree* value_at(const Tree& tree, std::string_view dotted) {
  const Tree* value = &tree;
  while (value != nullptr && !dotted.empty()) {
    const std::size_t dot = dotted.find('.');
    value = value->find(dotted.substr(0, dot));
    dotted.remove_prefix(dot == std::string_view::npos ? dotted.size() : dot + 1);
  }
  return value;
}

/// Says how to vary what was given several values where one stands.
Error advise_sweep(Error error, const Tree& tree) {
  if (!error.hint.empty() || error.context.empty()) {
    return error;
  }
  const std::string_view where = error.context.front();
  const std::string_view path = where.substr(where.find_last_of(' ') + 1);
  const Tree* value = value_at(tree, path);
  const bool several =
      value != nullptr && value->kind == Tree::Kind::list && !value->items.empty() &&
      std::ranges::all_of(value->items,
                          [](const Tree& item) { return item.kind == Tree::Kind::scalar; });
  if (several && (path.starts_with("deploy.") || path.starts_with("workload."))) {
    std::vector<std::string_view> levels;
    for (const Tree& item : value->items) {
      levels.emplace_back(item.scalar);
    }
    error.hint =
        fmt::format("to measure each of them: sweep: {{{}: [{}]}}", path, fmt::join(levels, ", "));
  }
  return error;
}

/// From the tree to checked constants.
Expected<void> read_config(LoadedStudy& study, const std::vector<Override>& overrides) {
  const base::FileNames files(study.files);
  if (auto free = check_overrides(study.tree, overrides, files); !free) {
    return tl::unexpected<Error>(attributed(std::move(free).error(), study.file, overrides));
  }
  if (auto read = read_constants(study); !read) {
    return tl::unexpected<Error>(
        advise_sweep(attributed(std::move(read).error(), study.file, overrides), study.tree));
  }
  OriginCollector origins(files, overrides);
  origins.collect(domain::StudyConfig::table(), &study.tree, "");
  study.origins = origins.take();
  return check_precision(study);
}

}  // namespace

Expected<LoadedStudy> load_study(std::string_view text, std::string_view file,
                                 const std::vector<Override>& overrides,
                                 const ReadBase& read_base) {
  LoadedStudy study;
  study.file = file;
  study.files = {study.file};
  LLEM_TRY(read_tree(study, text, overrides, read_base));
  if (auto missing = take_missing_engine(study)) {
    return tl::unexpected<Error>(*std::move(missing));
  }
  LLEM_TRY(read_config(study, overrides));
  const bool from_file = !base::trim(text).empty();
  if (study.config.name.empty()) {
    study.config.name = default_name(study.config, from_file ? file : "");
  }
  study.text = from_file ? std::string(text)
                         : "# Written by llem from its command line; `llem run` on this file does "
                           "the same.\n" +
                               write_yaml(study.tree);
  return study;
}

Expected<ConvertedStudy> convert_study(std::string_view text, std::string_view file,
                                       const std::vector<Override>& overrides,
                                       const ReadBase& read_base) {
  LoadedStudy study;
  study.file = file;
  study.files = {study.file};
  LLEM_ASSIGN(const Tree written, parse_yaml(text, file));
  if (!predecessor::is_study(written)) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is no study file of the Python predecessor", file),
                   written.kind == Tree::Kind::map && !written.entries.empty()
                       ? fmt::format("it is read as llem's own: llem run {} --dry-run", file)
                       : "");
  }
  LLEM_TRY(read_tree(study, text, overrides, read_base));
  ConvertedStudy converted;
  converted.yaml = write_yaml(study.tree);
  converted.runs_here = !take_missing_engine(study);
  converted.notes = study.notes;
  LLEM_TRY(read_config(study, overrides));
  const Places places(study);
  LLEM_TRY(read_axes(study, places, kMostPoints));
  return converted;
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
