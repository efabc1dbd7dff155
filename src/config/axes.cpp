#include "config/axes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/levels.hpp"

namespace llem::config {
namespace {

using base::Kind;
using base::Tree;

constexpr std::array<std::string_view, 4> kMayVary{"model", "workload", "deploy", "measure"};

std::optional<domain::EngineKind> engine_of(std::string_view path) {
  const auto engines = words(domain::EngineKind{});
  for (std::size_t i = 0; i < engines.size(); ++i) {
    if (base::is_within(path, fmt::format("deploy.{}", engines[i]))) {
      return static_cast<domain::EngineKind>(i);
    }
  }
  return std::nullopt;
}

/// Points of an engine that is not there are skipped; until then they have one that is.
Tree stand_in(const Tree& engine) {
  Tree word = engine;
  word.scalar = words(domain::EngineKind{}).front();
  return word;
}

/// A mark for an error about a value that has none of its own.
base::Mark mark_of(const Tree::Entry& entry) {
  return entry.value.mark.line > 0 ? entry.value.mark : entry.mark;
}

class AxisReader {
 public:
  AxisReader(const LoadedStudy& study, const Places& places, std::int64_t most)
      : study_(study), places_(places), most_(most) {}

  Expected<std::vector<Axis>> read() {
    for (const Tree::Entry& section : study_.tree.entries) {
      if (section.key == "sweep") {
        LLEM_TRY(read_sweep(section.value));
      } else if (section.key == "zip") {
        LLEM_TRY(read_zips(section.value));
      } else if (section.key == "variants") {
        LLEM_TRY(read_variants(section.value));
      } else if (section.key == "experiments") {
        LLEM_TRY(read_experiments(section));
      }
    }
    return std::move(axes_);
  }

 private:
  Expected<void> spend(double levels) {
    spent_ += levels;
    if (!(spent_ <= static_cast<double>(most_))) {
      return too_many_points(most_, places_, study_);
    }
    return {};
  }

  Expected<void> check_map(const Tree& tree, base::Mark mark, const std::string& where,
                           std::string message, std::string hint) const {
    if (tree.kind != Tree::Kind::map || tree.entries.empty()) {
      return places_.refused(mark, where, std::move(message), std::move(hint));
    }
    return {};
  }

  /// `sweep: {deploy: {batch_size: [1, 8]}}` would otherwise be one level that is a section.
  Expected<void> refuse_section(const Tree::Entry& entry, const base::FieldPath& path,
                                const std::string& where) const {
    const base::TypeInfo& type = without_optional(*path.field().type);
    if (entry.value.kind != Tree::Kind::map || type.kind != Kind::object ||
        type.table().merging == base::Merging::whole || !type.table().shorthand.empty()) {
      return {};
    }
    const std::string inner = entry.value.entries.empty() ? std::string(type.table().fields[0].name)
                                                          : entry.value.entries.front().key;
    return places_.refused(entry.mark, where, fmt::format("`{}` is a section, no axis", entry.key),
                           fmt::format("write the whole path: {}.{}", entry.key, inner));
  }

  Expected<void> read_sweep(const Tree& sweep) {
    for (const Tree::Entry& entry : sweep.entries) {
      const std::string where = "sweep." + entry.key;
      LLEM_ASSIGN(Path path, find_path(entry.key, places_, entry.mark, where));
      LLEM_TRY(refuse_section(entry, *path, where));
      LLEM_ASSIGN(const Levels levels, Levels::read(entry.value, path->field(), places_, where));
      LLEM_TRY(spend(levels.count()));
      Axis axis{
          AxisKind::sweep, entry.key, {}, {}, engine_of(entry.key), places_.at(entry.mark, where)};
      axis.paths.push_back({path, axis.where});
      const auto count = static_cast<std::int64_t>(levels.count());
      for (std::int64_t i = 0; i < count; ++i) {
        const Tree value = levels.at(i);
        if (levels.may_repeat() && i > 0 && axis.levels.back().shown[0] == shown(value)) {
          continue;
        }
        LLEM_TRY(read_value(path, value, places_, levels.where(i), axis.levels.emplace_back()));
      }
      axes_.push_back(std::move(axis));
    }
    return {};
  }

  Expected<void> read_zips(const Tree& zips) {
    for (std::size_t i = 0; i < zips.items.size(); ++i) {
      const std::string where = fmt::format("zip[{}]", i);
      LLEM_TRY(check_map(zips.items[i], zips.items[i].mark, where,
                         "a zip is a map of paths to levels",
                         "as in {deploy.batch_size: [1, 8], deploy.threads: [2, 4]}"));
      LLEM_TRY(read_zip(zips.items[i], where));
    }
    return {};
  }

  Expected<void> read_zip(const Tree& zip, const std::string& where) {
    Axis axis{
        AxisKind::zip, "", {}, {}, engine_of(zip.entries.front().key), places_.at(zip.mark, where)};
    for (const Tree::Entry& entry : zip.entries) {
      const std::string at = fmt::format("{}.{}", where, entry.key);
      LLEM_ASSIGN(Path path, find_path(entry.key, places_, entry.mark, at));
      LLEM_ASSIGN(const Levels levels, Levels::read(entry.value, path->field(), places_, at));
      const bool first = axis.paths.empty();
      if (first) {
        LLEM_TRY(spend(levels.count()));
        axis.levels.resize(static_cast<std::size_t>(levels.count()));
      } else if (levels.count() != static_cast<double>(axis.levels.size())) {
        const std::string& other = axis.paths[0].path->text();
        return places_.refused(
            mark_of(entry), at,
            fmt::format("the lists of a zip are equally long: `{}` has {}, `{}` has {:.0f}", other,
                        axis.levels.size(), entry.key, levels.count()),
            "");
      }
      if (engine_of(entry.key) != axis.engine) {
        axis.engine.reset();
      }
      axis.name += (first ? "" : " + ") + entry.key;
      axis.paths.push_back({path, places_.at(entry.mark, at)});
      for (std::size_t i = 0; i < axis.levels.size(); ++i) {
        const auto index = static_cast<std::int64_t>(i);
        LLEM_TRY(read_value(path, levels.at(index), places_, levels.where(index), axis.levels[i]));
      }
    }
    LLEM_TRY(refuse_overlap(axis.paths));
    axes_.push_back(std::move(axis));
    return {};
  }

  Expected<void> read_variants(const Tree& variants) {
    const base::Table& table = domain::StudyConfig::table();
    for (const Tree::Entry& factor : variants.entries) {
      const std::string where = "variants." + factor.key;
      const bool taken = std::any_of(table.fields.begin(), table.fields.end(),
                                     [&](const auto& field) { return field.name == factor.key; });
      if (taken || factor.key.empty() || factor.key.find('.') != std::string::npos) {
        return places_.refused(factor.mark, where,
                               fmt::format("a factor cannot be called `{}`", factor.key),
                               "take a name that is no path, as in precision");
      }
      LLEM_TRY(check_map(factor.value, mark_of(factor), where,
                         fmt::format("`{}` must be a map of names to paths and values", factor.key),
                         "as in {small: {deploy.batch_size: 1}, large: {deploy.batch_size: 8}}"));
      LLEM_TRY(spend(static_cast<double>(factor.value.entries.size())));
      axes_.push_back({AxisKind::variants, factor.key, {}, {}, {}, places_.at(factor.mark, where)});
      known_.clear();
      for (const Tree::Entry& variant : factor.value.entries) {
        LLEM_TRY(read_variant(variant, fmt::format("{}.{}", where, variant.key)));
      }
    }
    return {};
  }

  Expected<void> read_variant(const Tree::Entry& variant, const std::string& where) {
    if (variant.value.kind != Tree::Kind::map && variant.value.kind != Tree::Kind::null) {
      return places_.refused(mark_of(variant), where,
                             fmt::format("`{}` must be a map of paths to values", variant.key),
                             "as in {deploy.batch_size: 8}");
    }
    Level level;
    level.name = variant.key;
    std::vector<WrittenPath> written;
    for (const Tree::Entry& entry : variant.value.entries) {
      const std::string at = fmt::format("{}.{}", where, entry.key);
      LLEM_ASSIGN(Path path, find_path(entry.key, places_, entry.mark, at));
      LLEM_TRY(read_value(path, entry.value, places_, at, level));
      written.push_back({std::move(path), places_.at(entry.mark, at)});
    }
    return add_level(std::move(level), std::move(written));
  }

  Expected<void> add_level(Level level, std::vector<WrittenPath> written) {
    LLEM_TRY(refuse_overlap(written));
    Axis& axis = axes_.back();
    axis.levels.push_back(std::move(level));
    for (WrittenPath& path : written) {
      if (known_.insert(path.path->text()).second) {
        axis.paths.push_back(std::move(path));
      }
    }
    return {};
  }

  Expected<void> read_experiments(const Tree::Entry& section) {
    const std::vector<Tree>& items = section.value.items;
    if (items.empty()) {
      return {};
    }
    LLEM_TRY(spend(static_cast<double>(items.size())));
    axes_.push_back(
        {AxisKind::experiments, section.key, {}, {}, {}, places_.at(section.mark, section.key)});
    known_.clear();
    std::set<std::string> names;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string where = fmt::format("experiments[{}]", i);
      if (items[i].kind != Tree::Kind::map) {
        return places_.refused(items[i].mark, where, "an experiment is a map of what it sets",
                               "as in {deploy: {batch_size: 8}}");
      }
      Level level;
      std::vector<WrittenPath> written;
      LLEM_TRY(read_experiment(items[i], "", where, level, written));
      if (!level.name.empty() && !names.insert(level.name).second) {
        return places_.refused(items[i].mark, where,
                               fmt::format("two experiments are called `{}`", level.name), "");
      }
      LLEM_TRY(add_level(std::move(level), std::move(written)));
    }
    return {};
  }

  /// Deep-merged: sections are entered, and names in a map stand beside those of the constants.
  Expected<void> read_experiment(const Tree& map, const std::string& above,
                                 const std::string& where, Level& level,
                                 std::vector<WrittenPath>& written) {
    for (const Tree::Entry& entry : map.entries) {
      const std::string text = above + entry.key;
      const std::string at = fmt::format("{}.{}", where, text);
      if (text == "name" && entry.value.kind == Tree::Kind::scalar) {
        level.name = entry.value.scalar;
        continue;
      }
      LLEM_ASSIGN(Path path, find_path(text, places_, entry.mark, at));
      const base::TypeInfo& type = without_optional(*path->field().type);
      const bool section =
          type.kind == Kind::object && type.table().merging == base::Merging::by_field;
      if (section && entry.value.kind == Tree::Kind::null) {
        continue;
      }
      if ((section || type.kind == Kind::map) && entry.value.kind == Tree::Kind::map) {
        LLEM_TRY(read_experiment(entry.value, text + ".", where, level, written));
        continue;
      }
      LLEM_TRY(read_value(path, entry.value, places_, at, level));
      written.push_back({std::move(path), places_.at(entry.mark, at)});
    }
    return {};
  }

  const LoadedStudy& study_;
  const Places& places_;
  std::int64_t most_;
  double spent_ = 0;
  std::vector<Axis> axes_;
  std::set<std::string> known_;  // paths of the axis being read
};

}  // namespace

Expected<std::vector<Axis>> read_axes(const LoadedStudy& study, const Places& places,
                                      std::int64_t most) {
  LLEM_ASSIGN(std::vector<Axis> axes, AxisReader(study, places, most).read());
  std::vector<GroupedPath> paths;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (const WrittenPath& written : axes[i].paths) {
      paths.push_back({&written, i});
    }
  }
  LLEM_TRY(refuse_overlap(std::move(paths)));
  return axes;
}

Expected<Path> find_path(const std::string& path, const Places& places, base::Mark mark,
                         const std::string& where) {
  auto found = base::FieldPath::find(domain::StudyConfig::table(), path);
  if (!found) {
    Error error = std::move(found).error();
    error.context.push_back(places.at(mark, where));
    return tl::unexpected(std::move(error));
  }
  if (std::none_of(kMayVary.begin(), kMayVary.end(),
                   [&](std::string_view section) { return base::is_within(path, section); })) {
    return places.refused(mark, where, fmt::format("`{}` cannot vary within a study", path),
                          "what may vary lies in model, workload, deploy and measure");
  }
  return std::make_shared<const base::FieldPath>(*std::move(found));
}

Expected<void> read_value(const Path& path, const Tree& value, const Places& places,
                          const std::string& where, Level& level) {
  const Error* missing = path->text() == "deploy.engine" ? places.missing_engine(value) : nullptr;
  if (missing != nullptr) {
    level.impossible = *missing;
  }
  auto read = missing != nullptr
                  ? base::Assignment::read(path, stand_in(value), places.files(), where)
                  : base::Assignment::read(path, value, places.files(), where);
  if (!read) {
    return tl::unexpected(places.placed(std::move(read).error()));
  }
  level.values.push_back(*std::move(read));
  level.shown.push_back(shown(value));
  return {};
}

tl::unexpected<Error> too_many_points(std::int64_t most, const Places& places,
                                      const LoadedStudy& study) {
  for (const Tree::Entry& section : study.tree.entries) {
    if (section.key == "sweep" || section.key == "zip" || section.key == "variants" ||
        section.key == "experiments") {
      return places.refused(section.mark, section.key,
                            fmt::format("the study has more than {} points", most),
                            "shorten an axis, or write the points out under experiments");
    }
  }
  return places.refused({}, "include", fmt::format("the study has more than {} points", most), "");
}

}  // namespace llem::config
