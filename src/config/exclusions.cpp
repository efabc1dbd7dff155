#include "config/exclusions.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/levels.hpp"

namespace llem::config {
namespace {

using base::Tree;

// Values of one key of `exclude`; a longer list is a mistake.
constexpr double kMostValues = 1e6;

std::string text_of(const base::Json& value) {
  return base::write_json(value, base::JsonStyle::canonical);
}

bool has_names(const Axis& axis) {
  return axis.kind == AxisKind::variants || axis.kind == AxisKind::experiments;
}

}  // namespace

LevelIndex::LevelIndex(const std::vector<Axis>& axes) : axes_(axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (const WrittenPath& written : axes[i].paths) {
      axis_of_.emplace(written.path->text(), i);
    }
    if (has_names(axes[i])) {
      axis_of_.emplace(axes[i].name, i);
    }
  }
}

std::int64_t LevelIndex::axis_of(const std::string& key) const {
  const auto found = axis_of_.find(key);
  return found == axis_of_.end() ? -1 : static_cast<std::int64_t>(found->second);
}

const std::vector<std::size_t>& LevelIndex::levels_with(const std::string& path,
                                                        const base::Json& value) {
  const auto [known, is_new] = levels_.try_emplace(path);
  const std::vector<Level>& levels = axes_[axis_of_.at(path)].levels;
  for (std::size_t i = 0; is_new && i < levels.size(); ++i) {
    for (const base::Assignment& set : levels[i].values) {
      if (set.path().text() == path) {
        known->second[text_of(set.value())].push_back(i);
      }
    }
  }
  static const std::vector<std::size_t> none;
  const auto found = known->second.find(text_of(value));
  return found == known->second.end() ? none : found->second;
}

const std::vector<std::size_t>& LevelIndex::levels_named(const std::string& factor,
                                                         const std::string& name) {
  const auto [known, is_new] = levels_.try_emplace(factor);
  const std::vector<Level>& levels = axes_[axis_of_.at(factor)].levels;
  for (std::size_t i = 0; is_new && i < levels.size(); ++i) {
    known->second[levels[i].name].push_back(i);
  }
  static const std::vector<std::size_t> none;
  const auto found = known->second.find(name);
  return found == known->second.end() || name.empty() ? none : found->second;
}

namespace {

std::string few(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 10;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMost));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "),
                     names.size() > kMost ? ", …" : "");
}

/// Reads one key of an entry: which levels of which axis it means.
class KeyReader {
 public:
  KeyReader(const Places& places, const std::vector<Axis>& axes, LevelIndex& index)
      : places_(places), axes_(axes), index_(index) {}

  Expected<std::vector<bool>> read(const Tree::Entry& entry, const Axis& axis,
                                   const std::string& where) {
    std::vector<bool> matches(axis.levels.size());
    if (has_names(axis) && axis.name == entry.key) {
      LLEM_TRY(by_name(entry, axis, where, matches));
    } else {
      LLEM_TRY(by_value(entry, axis, where, matches));
    }
    return matches;
  }

  tl::unexpected<Error> unknown(const Tree::Entry& entry, const std::string& where) const {
    std::vector<std::string_view> names;
    for (const Axis& axis : axes_) {
      for (const WrittenPath& written : axis.paths) {
        names.emplace_back(written.path->text());
      }
      if (axis.kind == AxisKind::variants) {
        names.emplace_back(axis.name);
      }
    }
    const auto near = base::nearest(entry.key, names);
    return places_.refused(
        entry.mark, where,
        fmt::format("`{}` does not vary, so nothing can be excluded by it", entry.key),
        near ? fmt::format("did you mean `{}`?", *near)
             : fmt::format("what varies: {}",
                           few(std::vector<std::string>(names.begin(), names.end()))));
  }

 private:
  Expected<void> mark(const std::vector<std::size_t>& levels, const Tree& value, const Axis& axis,
                      const std::string& key, const std::string& where,
                      std::vector<bool>& matches) const {
    for (const std::size_t level : levels) {
      matches[level] = true;
    }
    if (!levels.empty()) {
      return {};
    }
    std::vector<std::string> there;
    for (const Level& level : axis.levels) {
      for (std::size_t i = 0; i < level.values.size() && axis.name != key; ++i) {
        if (level.values[i].path().text() == key) {
          there.push_back(level.shown[i]);
        }
      }
      if (axis.name == key) {
        there.push_back(has_names(axis) ? level.name : level.shown[0]);
      }
    }
    return places_.refused(value.mark, where,
                           fmt::format("no level of `{}` is `{}`", key, shown(value)),
                           fmt::format("its levels: {}", few(there)));
  }

  Expected<void> by_name(const Tree::Entry& entry, const Axis& axis, const std::string& where,
                         std::vector<bool>& matches) {
    const Tree& value = entry.value;
    const std::size_t count = value.kind == Tree::Kind::list ? value.items.size() : 1;
    for (std::size_t i = 0; i < count; ++i) {
      const Tree& name = value.kind == Tree::Kind::list ? value.items[i] : value;
      LLEM_TRY(
          mark(index_.levels_named(axis.name, name.scalar), name, axis, axis.name, where, matches));
    }
    return {};
  }

  Expected<void> by_value(const Tree::Entry& entry, const Axis& axis, const std::string& where,
                          std::vector<bool>& matches) {
    LLEM_ASSIGN(Path path, find_path(entry.key, places_, entry.mark, where));
    LLEM_ASSIGN(const Levels values, Levels::read(entry.value, path->field(), places_, where));
    if (!(values.count() <= kMostValues)) {
      return places_.refused(entry.mark, where, "this range has too many values", "");
    }
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(values.count()); ++i) {
      Level one;
      const Tree value = values.at(i);
      LLEM_TRY(read_value(path, value, places_, values.where(i), one));
      LLEM_TRY(mark(index_.levels_with(entry.key, one.values[0].value()), value, axis, entry.key,
                    values.where(i), matches));
    }
    return {};
  }

  const Places& places_;
  const std::vector<Axis>& axes_;
  LevelIndex& index_;
};

}  // namespace

Expected<Exclusions> Exclusions::read(const LoadedStudy& study, const Places& places,
                                      const std::vector<Axis>& axes, LevelIndex& index) {
  Exclusions exclusions;
  const Tree* list = study.tree.find("exclude");
  KeyReader reader(places, axes, index);
  for (std::size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
    const Tree& item = list->items[i];
    const std::string where = fmt::format("exclude[{}]", i);
    if (item.kind != Tree::Kind::map || item.entries.empty()) {
      return places.refused(item.mark, where, "an exclusion is a map of paths to levels",
                            "as in {deploy.batch_size: 8, deploy.threads: 1}");
    }
    std::vector<Condition>& conditions = exclusions.entries_.emplace_back();
    for (const Tree::Entry& entry : item.entries) {
      const std::string at = fmt::format("{}.{}", where, entry.key);
      const std::int64_t axis = index.axis_of(entry.key);
      if (axis < 0) {
        return reader.unknown(entry, at);
      }
      const auto known = static_cast<std::size_t>(axis);
      LLEM_ASSIGN(std::vector<bool> matches, reader.read(entry, axes[known], at));
      conditions.push_back({known, std::move(matches)});
    }
  }
  return exclusions;
}

bool Exclusions::leave_out(const std::vector<std::int64_t>& levels) const {
  const auto holds = [&](const Condition& condition) {
    const std::int64_t level = levels[condition.axis];
    return level >= 0 && condition.matches[static_cast<std::size_t>(level)];
  };
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& conditions) {
    return std::all_of(conditions.begin(), conditions.end(), holds);
  });
}

}  // namespace llem::config
