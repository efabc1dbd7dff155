#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/axes.hpp"
#include "config/config.hpp"
#include "config/exclusions.hpp"
#include "config/levels.hpp"
#include "config/product.hpp"

namespace llem::config {
namespace {

using base::Tree;
using domain::EngineKind;
using domain::StudyConfig;

/// The constants as points take them: without the members that span the space.
StudyConfig without_space(const StudyConfig& config) {
  StudyConfig constants;
  constants.name = config.name;
  constants.model = config.model;
  constants.workload = config.workload;
  constants.deploy = config.deploy;
  constants.measure = config.measure;
  constants.study = config.study;
  return constants;
}

/// A point before it is resolved.
struct Draft {
  StudyConfig config;
  std::string label;
  std::vector<std::int64_t> levels;
  std::optional<Error> impossible;  // why it cannot be, whatever its values
};

/// A point written under `include`, read.
struct Extra {
  Level level;
  std::vector<std::int64_t> named;  // one an axis: the variant it names, or -1
};

class Expander {
 public:
  Expander(const LoadedStudy& study, const DefaultInputs& inputs, const DeployCheck& check,
           std::int64_t most)
      : study_(study), places_(study), inputs_(inputs), check_(check), most_(most) {}

  Expected<Space> expand() {
    LLEM_ASSIGN(axes_, read_axes(study_, places_, most_));
    LevelIndex index(axes_);
    LLEM_ASSIGN(const Exclusions exclusions, Exclusions::read(study_, places_, axes_, index));
    LLEM_ASSIGN(const std::vector<Extra> extras, read_extras(index));
    const auto further = static_cast<std::int64_t>(extras.size());
    LLEM_ASSIGN(std::vector<Combination> product,
                make_product(study_, places_, axes_, most_, further));
    prepare();
    std::erase_if(product, [&](const Combination& combination) {
      return exclusions.leave_out(combination.levels);
    });
    count_ = product.size() + extras.size();
    if (count_ == 0) {
      return places_.refused(mark_of_section("exclude"), "exclude", "every point is excluded", "");
    }
    space_.points.reserve(count_);
    for (Combination& combination : product) {
      LLEM_TRY(add(drafted(std::move(combination))));
    }
    for (const Extra& extra : extras) {
      LLEM_TRY(add(drafted(extra)));
    }
    if (space_.points.empty()) {
      return none_left();
    }
    return std::move(space_);
  }

 private:
  base::Mark mark_of_section(std::string_view name) const {
    for (const Tree::Entry& section : study_.tree.entries) {
      if (section.key == name) {
        return section.mark;
      }
    }
    return {};
  }

  // --- what is the same for every point ---

  void prepare() {
    const auto engines = words(EngineKind{});
    for (std::size_t i = 0; i < engines.size(); ++i) {
      constants_.push_back(without_space(study_.config));
    }
    if (engine_varies(axes_)) {
      // A block of one engine says nothing of the points that run another.
      for (std::size_t i = 0; i < engines.size(); ++i) {
        for (std::size_t other = 0; other < engines.size(); ++other) {
          clear_block(constants_[i], i == other ? "" : engines[other]);
        }
      }
    }
    for (Axis& axis : axes_) {
      domain::Factor& factor = space_.factors.emplace_back();
      factor.name = axis.name;
      factor.levels.reserve(axis.levels.size());
      for (Level& level : axis.levels) {
        level.label = names_.label(level);
        factor.levels.push_back(shown_level(axis, level));
      }
    }
    tell_variants_apart();
  }

  static void clear_block(StudyConfig& config, std::string_view engine) {
    if (engine.empty()) {
      return;
    }
    const auto block =
        base::FieldPath::find(StudyConfig::table(), fmt::format("deploy.{}", engine));
    LLEM_ASSERT(block, "every engine has a block of its own in `deploy`");
    block->field().type->clear(block->in(&config));
  }

  static std::string shown_level(const Axis& axis, const Level& level) {
    if (!level.name.empty()) {
      return level.name;
    }
    return axis.kind == AxisKind::experiments ? level.label : base::join(level.shown, " + ");
  }

  /// A name that two factors share is shown with its factor.
  void tell_variants_apart() {
    std::map<std::string, std::set<std::string>> factors;
    for (const Axis& axis : axes_) {
      for (const Level& level : axis.levels) {
        if (axis.kind == AxisKind::variants) {
          factors[level.name].insert(axis.name);
        }
      }
    }
    for (Axis& axis : axes_) {
      for (Level& level : axis.levels) {
        if (axis.kind == AxisKind::variants && factors[level.name].size() > 1) {
          level.label = fmt::format("{} {}", axis.name, level.name);
        }
      }
    }
  }

  // --- points ---

  const StudyConfig& constants(EngineKind engine) const {
    return constants_[static_cast<std::size_t>(engine)];
  }

  Draft drafted(Combination combination) const {
    Draft draft{constants(combination.engine), "", std::move(combination.levels), {}};
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (draft.levels[i] < 0) {
        continue;
      }
      const Level& level = axes_[i].levels[static_cast<std::size_t>(draft.levels[i])];
      for (const base::Assignment& value : level.values) {
        value.apply(&draft.config);
      }
      if (level.impossible) {
        draft.impossible = level.impossible;
      }
      if (axes_[i].levels.size() > 1 && !level.label.empty()) {
        draft.label += draft.label.empty() ? "" : ", ";
        draft.label += level.label;
      }
    }
    return draft;
  }

  Expected<void> add(Draft draft) {
    auto resolved = draft.impossible
                        ? Expected<StudyConfig>(tl::unexpected(*std::move(draft.impossible)))
                        : resolved_point(std::move(draft.config));
    if (resolved) {
      space_.points.push_back(
          {*std::move(resolved), std::move(draft.label), std::move(draft.levels)});
      return {};
    }
    if (count_ == 1 && axes_.empty()) {
      return tl::unexpected(with_origins(std::move(resolved).error(), study_.origins));
    }
    if (space_.skipped.empty()) {
      first_hint_ = resolved.error().hint;
    }
    space_.skipped.push_back({std::move(draft.label), std::move(resolved.error().message)});
    return {};
  }

  Expected<StudyConfig> resolved_point(StudyConfig config) const {
    if (config.model.name.empty()) {
      return failure(ErrorKind::config, "`model` is missing", "name one in this point");
    }
    // Of the user's own words: what resolve fills in contradicts nothing.
    LLEM_TRY(check_(config.deploy));
    return resolve(std::move(config), inputs_);
  }

  tl::unexpected<Error> none_left() const {
    constexpr std::size_t kShown = 3;
    Error error{ErrorKind::config, "", first_hint_, {}, {}};
    error.message = count_ == 1 ? std::string("the only point of the study cannot be measured")
                                : fmt::format("none of the {} points can be measured", count_);
    std::set<std::string_view> reasons;
    for (const domain::SkippedPoint& skipped : space_.skipped) {
      if (reasons.size() < kShown && reasons.insert(skipped.reason).second) {
        error.context.push_back(skipped.label.empty()
                                    ? skipped.reason
                                    : fmt::format("{}: {}", skipped.label, skipped.reason));
      }
    }
    return tl::unexpected(std::move(error));
  }

  // --- include ---

  Expected<std::vector<Extra>> read_extras(const LevelIndex& index) {
    for (const Axis& axis : axes_) {
      names_.add(axis.paths);
    }
    std::vector<Extra> extras;
    const Tree* list = study_.tree.find("include");
    for (std::size_t i = 0; list != nullptr && i < list->items.size(); ++i) {
      const Tree& item = list->items[i];
      const std::string where = fmt::format("include[{}]", i);
      if (item.kind != Tree::Kind::map || item.entries.empty()) {
        return places_.refused(item.mark, where, "a further point is a map of paths to values",
                               "as in {deploy.batch_size: 64}");
      }
      LLEM_ASSIGN(Extra extra, read_extra(item, where, index));
      extras.push_back(std::move(extra));
    }
    for (Extra& extra : extras) {
      extra.level.label = extra_label(extra);
    }
    return extras;
  }

  Expected<Extra> read_extra(const Tree& item, const std::string& where, const LevelIndex& index) {
    Extra extra;
    extra.named.assign(axes_.size(), -1);
    std::vector<WrittenPath> written;
    for (const Tree::Entry& entry : item.entries) {
      const std::string at = fmt::format("{}.{}", where, entry.key);
      const std::int64_t axis = index.axis_of(entry.key);
      const bool names_factor = axis >= 0 &&
                                axes_[static_cast<std::size_t>(axis)].name == entry.key &&
                                axes_[static_cast<std::size_t>(axis)].kind == AxisKind::variants;
      if (names_factor) {
        LLEM_TRY(take_variant(static_cast<std::size_t>(axis), entry, at, extra, written));
        continue;
      }
      LLEM_ASSIGN(Path path, find_path(entry.key, places_, entry.mark, at));
      LLEM_TRY(read_value(path, entry.value, places_, at, extra.level));
      written.push_back({std::move(path), places_.at(entry.mark, at)});
    }
    LLEM_TRY(refuse_overlap(written));
    names_.add(written);
    return extra;
  }

  Expected<void> take_variant(std::size_t axis, const Tree::Entry& entry, const std::string& where,
                              Extra& extra, std::vector<WrittenPath>& written) const {
    const std::vector<Level>& levels = axes_[axis].levels;
    const auto found = std::find_if(levels.begin(), levels.end(), [&](const Level& level) {
      return level.name == entry.value.scalar;
    });
    if (found == levels.end()) {
      std::vector<std::string_view> names;
      for (const Level& level : levels) {
        names.emplace_back(level.name);
      }
      return places_.refused(entry.mark, where,
                             fmt::format("`{}` has no variant `{}`", entry.key, shown(entry.value)),
                             fmt::format("its variants: {}", fmt::join(names, ", ")));
    }
    extra.named[axis] = found - levels.begin();
    for (const base::Assignment& value : found->values) {
      written.push_back(
          {std::make_shared<const base::FieldPath>(value.path()), places_.at(entry.mark, where)});
    }
    return {};
  }

  std::string extra_label(const Extra& extra) const {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (extra.named[i] >= 0) {
        parts.push_back(axes_[i].levels[static_cast<std::size_t>(extra.named[i])].name);
      }
    }
    if (!extra.level.values.empty()) {
      parts.push_back(names_.label(extra.level));
    }
    return base::join(parts, ", ");
  }

  void put(const Extra& extra, StudyConfig& config) const {
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (extra.named[i] >= 0) {
        const auto level = static_cast<std::size_t>(extra.named[i]);
        for (const base::Assignment& value : axes_[i].levels[level].values) {
          value.apply(&config);
        }
      }
    }
    for (const base::Assignment& value : extra.level.values) {
      value.apply(&config);
    }
  }

  Draft drafted(const Extra& extra) {
    const EngineKind usual = study_.config.deploy.engine;
    Draft draft{constants(usual), extra.level.label, {}, extra.level.impossible};
    put(extra, draft.config);
    if (const EngineKind engine = draft.config.deploy.engine; engine != usual) {
      draft.config = constants(engine);
      put(extra, draft.config);
    }
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      draft.levels.push_back(level_of(extra, i, draft.config));
    }
    return draft;
  }

  /// Which level of the axis a further point has: one that is new to the axis is added to its
  /// factor.
  std::int64_t level_of(const Extra& extra, std::size_t i, const StudyConfig& config) {
    const Axis& axis = axes_[i];
    if (axis.kind == AxisKind::variants || axis.kind == AxisKind::experiments) {
      return extra.named[i];
    }
    if (axis.engine && *axis.engine != config.deploy.engine) {
      return -1;
    }
    std::map<std::string, std::int64_t>& known = levels_by_text_[i];
    if (known.empty()) {
      for (std::size_t level = 0; level < axis.levels.size(); ++level) {
        std::string text;
        for (const base::Assignment& value : axis.levels[level].values) {
          text += canonical(value.value()) + "\n";
        }
        known.emplace(text, static_cast<std::int64_t>(level));
      }
    }
    std::string text;
    std::vector<std::string> parts;
    for (const WrittenPath& written : axis.paths) {
      const base::Json value = written.path->value_in(&config);
      text += canonical(value) + "\n";
      parts.push_back(shown(base::tree_from_json(value)));
    }
    std::vector<std::string>& levels = space_.factors[i].levels;
    const auto [found, is_new] = known.emplace(text, static_cast<std::int64_t>(levels.size()));
    if (is_new) {
      levels.push_back(base::join(parts, " + "));
    }
    return found->second;
  }

  static std::string canonical(const base::Json& value) {
    return base::write_json(value, base::JsonStyle::canonical);
  }

  const LoadedStudy& study_;
  Places places_;
  const DefaultInputs& inputs_;
  const DeployCheck& check_;
  std::int64_t most_;
  std::vector<Axis> axes_;
  ShortNames names_;
  std::vector<StudyConfig> constants_;                                         // one an engine
  std::map<std::size_t, std::map<std::string, std::int64_t>> levels_by_text_;  // by axis
  std::size_t count_ = 0;
  std::string first_hint_;
  Space space_;
};

}  // namespace

Expected<Space> expand(const LoadedStudy& study, const DefaultInputs& inputs,
                       const DeployCheck& check, std::int64_t most_points) {
  return Expander(study, inputs, check, most_points).expand();
}

}  // namespace llem::config
