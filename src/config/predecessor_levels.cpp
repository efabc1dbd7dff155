#include "config/predecessor_levels.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/field_path.hpp"
#include "base/text.hpp"
#include "config/levels.hpp"
#include "config/yaml_text.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

// --- ranges ---

enum class Spacing { linear, log, powers_of_two };

struct WrittenRange {
  Spacing spacing = Spacing::linear;
  const Tree* bounds = nullptr;
};

/// `{min, max, num}`, `{log: {min, max, num}}` and `{pow2: {min, max}}`.
std::optional<WrittenRange> range_of(const Tree& value) {
  if (value.kind != Tree::Kind::map) {
    return std::nullopt;
  }
  if (value.entries.size() == 1 && value.entries[0].value.kind == Tree::Kind::map) {
    if (value.entries[0].key == "log") {
      return WrittenRange{Spacing::log, &value.entries[0].value};
    }
    if (value.entries[0].key == "pow2") {
      return WrittenRange{Spacing::powers_of_two, &value.entries[0].value};
    }
  }
  if (value.find("min") != nullptr && value.find("max") != nullptr) {
    return WrittenRange{Spacing::linear, &value};
  }
  return std::nullopt;
}

std::optional<double> number_in(const Tree& map, std::string_view name) {
  const Tree* value = map.find(name);
  if (value == nullptr || value->kind != Tree::Kind::scalar || value->quoted) {
    return std::nullopt;
  }
  if (const auto integer = base::parse_integer(value->scalar)) {
    return static_cast<double>(*integer);
  }
  return base::parse_number(value->scalar);
}

std::string number_text(double value) {
  return std::trunc(value) == value && std::abs(value) < 0x1p53
             ? std::to_string(static_cast<std::int64_t>(value))
             : fmt::format("{:.12g}", value);
}

std::vector<double> spread(Spacing spacing, double min, double max, double num) {
  std::vector<double> values;
  if (spacing == Spacing::powers_of_two) {
    for (double power = std::exp2(std::ceil(std::log2(min))); power <= max; power *= 2) {
      values.push_back(power);
    }
    return values;
  }
  for (double i = 0; i < num; ++i) {
    const double part = num > 1 ? i / (num - 1) : 0;
    values.push_back(spacing == Spacing::log ? min * std::pow(max / min, part)
                                             : min + (max - min) * part);
  }
  return values;
}

Expected<std::vector<Tree>> spread_range(const Key& key, const WrittenRange& range, base::Mark mark,
                                         const KeyReader& reader) {
  const bool powers = range.spacing == Spacing::powers_of_two;
  for (const Tree::Entry& entry : range.bounds->entries) {
    if (entry.key != "min" && entry.key != "max" && (entry.key != "num" || powers)) {
      return reader.refused({key.path, entry.mark}, fmt::format("unknown key `{}`", entry.key),
                            "a range is {min, max, num}, {log: {min, max, num}} or "
                            "{pow2: {min, max}}");
    }
  }
  const auto min = number_in(*range.bounds, "min");
  const auto max = number_in(*range.bounds, "max");
  const auto num = powers ? std::optional<double>(1) : number_in(*range.bounds, "num");
  const bool counted =
      num && std::trunc(*num) == *num && *num >= 1 && *num <= static_cast<double>(kMostLevels);
  if (!min || !max || *max < *min || !counted) {
    return reader.refused({key.path, mark},
                          "a range needs numbers `min` and `max`, and a count `num`",
                          fmt::format("min is at most max, and num between 1 and {}", kMostLevels));
  }
  if (range.spacing != Spacing::linear && *min <= 0) {
    return reader.refused({key.path, mark}, "a range by factors begins above 0", "raise `min`");
  }
  std::vector<Tree> levels;
  for (const double value : spread(range.spacing, *min, *max, *num)) {
    levels.push_back(scalar_at(mark, number_text(value)));
  }
  if (levels.empty()) {
    return reader.refused({key.path, mark}, "there is no power of two in the range", "");
  }
  return levels;
}

// --- whole numbers ---

/// Ranges are made of floating-point numbers, and most paths take whole ones.
void round_levels(const std::string& ours, std::vector<Tree>& levels) {
  const auto path = base::FieldPath::find(domain::StudyConfig::table(), ours);
  if (!path) {
    return;
  }
  const base::TypeInfo& type = without_optional(*path->field().type);
  // Limits of tokens are maps whose values are whole.
  if (type.kind != base::Kind::integer && type.kind != base::Kind::object) {
    return;
  }
  std::vector<Tree> rounded;
  for (Tree& level : levels) {
    if (const auto number = base::parse_number(level.scalar)) {
      level.scalar = number_text(std::round(*number));
    }
    if (rounded.empty() || rounded.back().scalar != level.scalar) {
      rounded.push_back(std::move(level));
    }
  }
  levels = std::move(rounded);
}

// --- bundles ---

/// Equal for bundles of equal content.
std::string text_of(const std::vector<Given>& given) {
  std::string text;
  for (const Given& value : given) {
    text += fmt::format("{}: {}", value.path, write_yaml(value.value));
  }
  return text;
}

std::string name_of(const std::vector<Given>& given) {
  std::vector<std::string> parts;
  for (const Given& value : given) {
    parts.push_back(fmt::format("{} {}", base::last_name(value.path), shown(value.value)));
  }
  return parts.empty() ? "baseline" : base::join(parts, ", ");
}

class AxisReader {
 public:
  AxisReader(const Tree::Entry& entry, KeyReader& reader)
      : value_(entry.value), reader_(reader), axis_{{entry.key, entry.mark}, "", {}} {
    axis_.engine = engine_of(table_path(entry.key));
  }

  Expected<SweptAxis> read() {
    if (is_group()) {
      for (const Tree& variant : value_.items) {
        LLEM_TRY(read_variant(variant));
      }
    } else {
      LLEM_ASSIGN(const std::vector<Tree> levels, written_levels(axis_.key, value_, reader_));
      for (const Tree& level : levels) {
        Reading reading;
        LLEM_TRY(reader_.read_key(axis_.key, level, reading));
        LLEM_TRY(add(std::move(reading)));
      }
    }
    const bool left = std::any_of(axis_.levels.begin(), axis_.levels.end(),
                                  [](const Bundle& level) { return !level.given.empty(); });
    if (!left) {
      axis_.levels.clear();
      reader_.note(fmt::format("{}: this factor is gone; nothing is left of its levels",
                               reader_.place(axis_.key)));
    } else if (merged_) {
      reader_.note(
          fmt::format("{}: levels that say the same here are one", reader_.place(axis_.key)));
    }
    return std::move(axis_);
  }

 private:
  bool is_group() const {
    return value_.kind == Tree::Kind::list && find_rule(table_path(axis_.key.path)) == nullptr &&
           !is_section(axis_.key.path) &&
           std::any_of(value_.items.begin(), value_.items.end(), [](const Tree& item) {
             return item.kind == Tree::Kind::map && !range_of(item);
           });
  }

  Expected<void> add(Reading reading) {
    Bundle bundle;
    bundle.given = std::move(reading.general);
    for (auto& [engine, given] : reading.of_engine) {
      if (axis_.engine.empty()) {
        axis_.engine = engine;
      }
      if (axis_.engine != engine) {
        return reader_.refused(axis_.key,
                               fmt::format("a group is for one engine: this one is for `{}` and "
                                           "`{}`",
                                           axis_.engine, engine),
                               "write a group for each");
      }
      lay_over(bundle.given, given);
    }
    if (!known_.insert(text_of(bundle.given)).second) {
      merged_ = true;
      return {};
    }
    bundle.name = name_of(bundle.given);
    axis_.levels.push_back(std::move(bundle));
    return {};
  }

  // --- groups ---

  /// A path of a variant and its values: a list is a grid within the variant.
  struct Leaf {
    Key key;
    std::vector<Tree> values;
  };

  Expected<void> read_variant(const Tree& variant) {
    if (variant.kind != Tree::Kind::map) {
      return reader_.refused({axis_.key.path, variant.mark},
                             "a group is a list of maps, each of paths to values",
                             "as in [{}, {pytorch.load_in_4bit: true}]");
    }
    std::vector<Leaf> leaves;
    LLEM_TRY(find_leaves(variant, "", leaves));
    return cross(leaves, 0, {});
  }

  Expected<void> find_leaves(const Tree& map, const std::string& above, std::vector<Leaf>& leaves) {
    for (const Tree::Entry& entry : map.entries) {
      Key key{full_path(above + entry.key), entry.mark};
      if (table_path(key.path) == "backend") {
        return reader_.refused(key, "a group cannot say which engine runs",
                               "vary `backend`, or write the points under experiments");
      }
      const bool section = is_section(key.path);
      if (section && entry.value.kind == Tree::Kind::map) {
        LLEM_TRY(find_leaves(entry.value, key.path + ".", leaves));
        continue;
      }
      const bool grid = entry.value.kind == Tree::Kind::list && !entry.value.items.empty();
      leaves.push_back({std::move(key), grid ? entry.value.items : std::vector{entry.value}});
    }
    return {};
  }

  /// Within the group of one engine, its section need not be written again.
  std::string full_path(const std::string& written) const {
    const std::string first = written.substr(0, written.find('.'));
    const std::string section = axis_.key.path.substr(0, axis_.key.path.find('.'));
    const bool known = is_section(first) || find_rule(table_path(first)) != nullptr;
    return known || axis_.engine.empty() ? written : fmt::format("{}.{}", section, written);
  }

  Expected<void> cross(const std::vector<Leaf>& leaves, std::size_t at, Reading reading) {
    if (at == leaves.size()) {
      if (++crossed_ > kMostLevels) {
        return reader_.refused(axis_.key,
                               fmt::format("the group has more than {} levels", kMostLevels), "");
      }
      return add(std::move(reading));
    }
    for (const Tree& value : leaves[at].values) {
      Reading longer = reading;
      LLEM_TRY(reader_.read_key(leaves[at].key, value, longer));
      LLEM_TRY(cross(leaves, at + 1, std::move(longer)));
    }
    return {};
  }

  const Tree& value_;
  KeyReader& reader_;
  SweptAxis axis_;
  std::set<std::string> known_;  // levels as text
  bool merged_ = false;          // levels were equal
  std::size_t crossed_ = 0;      // levels of groups, equal ones too
};

}  // namespace

Expected<std::vector<Tree>> written_levels(const Key& key, const Tree& value,
                                           const KeyReader& reader) {
  const bool list = value.kind == Tree::Kind::list;
  std::vector<Tree> levels;
  for (const Tree& item : list ? value.items : std::vector{value}) {
    const auto range = range_of(item);
    if (!range) {
      levels.push_back(item);
      continue;
    }
    LLEM_ASSIGN(std::vector<Tree> spread, spread_range(key, *range, item.mark, reader));
    if (const Rule* rule = find_rule(table_path(key.path))) {
      round_levels(std::string(rule->ours), spread);
    }
    levels.insert(levels.end(), spread.begin(), spread.end());
  }
  if (levels.empty()) {
    return reader.refused(key, "an axis needs a level", "");
  }
  return levels;
}

Expected<SweptAxis> read_axis(const Tree::Entry& entry, KeyReader& reader) {
  return AxisReader(entry, reader).read();
}

Expected<std::vector<Bundle>> combine(const std::vector<const SweptAxis*>& axes,
                                      const KeyReader& reader) {
  std::vector<Bundle> all(1);
  for (const SweptAxis* axis : axes) {
    if (all.size() * axis->levels.size() > kMostLevels) {
      return reader.refused(
          axis->key,
          fmt::format("the levels of one engine alone make more than {} points", kMostLevels),
          "shorten an axis");
    }
    std::vector<Bundle> longer;
    for (const Bundle& bundle : all) {
      for (const Bundle& level : axis->levels) {
        Bundle both = bundle;
        predecessor::lay_over(both.given, level.given);
        both.name += fmt::format("{}{}", both.name.empty() ? "" : ", ", level.name);
        longer.push_back(std::move(both));
      }
    }
    all = std::move(longer);
  }
  return all;
}

}  // namespace llem::config::predecessor
