#include "config/levels.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"

namespace llem::config {
namespace {

using base::Kind;
using base::Tree;

// What sums and products of steps may miss their end by.
constexpr double kSlack = 1e-9;

bool is_range(const Tree& value, const base::FieldInfo& field) {
  if (value.kind != Tree::Kind::map) {
    return false;
  }
  const Kind kind = without_optional(*field.type).kind;
  const bool number = kind == Kind::integer || kind == Kind::number;
  const bool native = kind == Kind::json;
  return number || (native && value.find("from") != nullptr && value.find("to") != nullptr);
}

Expected<void> check(const Range& range, const Places& places, base::Mark mark,
                     const std::string& where) {
  const int ways =
      int{range.times.has_value()} + int{range.step.has_value()} + int{range.points.has_value()};
  if (ways != 1) {
    return places.refused(mark, where, "a range has one of `times`, `step` and `points`",
                          "as in {from: 1, to: 64, times: 2}, {from: 0, to: 1, step: 0.25} or "
                          "{from: 1, to: 1000, points: 4, scale: log}");
  }
  if (range.to < range.from) {
    return places.refused(mark, where,
                          fmt::format("a range goes upwards, got {} to {}",
                                      base::shortest(range.from), base::shortest(range.to)),
                          "write the levels as a list for another order");
  }
  if (range.scale == Scale::log && !range.points) {
    return places.refused(mark, where, "`scale` says how `points` are spaced", "leave it out");
  }
  if (range.from <= 0 && (range.times || range.scale == Scale::log)) {
    return places.refused(mark, where,
                          fmt::format("factors begin above 0, got {}", base::shortest(range.from)),
                          "use `step`, or points on the linear scale");
  }
  return {};
}

double count_of(const Range& range) {
  if (range.points) {
    return static_cast<double>(*range.points);
  }
  const double steps = range.times
                           ? (std::log(range.to) - std::log(range.from)) / std::log(*range.times)
                           : (range.to - range.from) / *range.step;
  return std::floor(steps + kSlack) + 1;
}

double value_at(const Range& range, std::int64_t index) {
  const auto i = static_cast<double>(index);
  if (range.times) {
    return range.from * std::pow(*range.times, i);
  }
  if (range.step) {
    return range.from + i * *range.step;
  }
  const double part = i / static_cast<double>(*range.points - 1);
  if (range.scale == Scale::log) {
    return range.from * std::pow(range.to / range.from, part);
  }
  return range.from + (range.to - range.from) * part;
}

/// Sums of 0.1 print as they were meant: twelve digits.
std::string number_text(double value) {
  if (std::trunc(value) == value && std::abs(value) < 0x1p53) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  return fmt::format("{:.12g}", value);
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::span<const std::string_view> words(Scale) {
  static constexpr std::array<std::string_view, 2> kWords{"linear", "log"};
  return kWords;
}

const base::Table& Range::table() {
  static constexpr std::array fields{
      base::field<&Range::from>("from", "First level", {.required = true}),
      base::field<&Range::to>("to", "No level is above it", {.required = true}),
      base::field<&Range::times>("times", "Each level over the one before",
                                 {.min = 1, .above_min = true}),
      base::field<&Range::step>("step", "From one level to the next",
                                {.min = 0, .above_min = true}),
      base::field<&Range::points>("points", "How many levels, both ends included", {.min = 2}),
      base::field<&Range::scale>("scale", "How points are spaced")};
  static constexpr base::Table table{"range", "Levels by a rule", fields};
  return table;
}

Expected<Levels> Levels::read(const Tree& value, const base::FieldInfo& field, const Places& places,
                              std::string where) {
  Levels levels;
  levels.value_ = &value;
  levels.where_ = std::move(where);
  if (value.kind == Tree::Kind::list && value.items.empty()) {
    return places.refused(value.mark, levels.where_, "an axis needs a level", "");
  }
  if (is_range(value, field)) {
    auto range = base::read_struct<Range>(value, places.files(), levels.where_);
    if (!range) {
      return tl::unexpected(places.placed(std::move(range).error()));
    }
    LLEM_TRY(check(*range, places, value.mark, levels.where_));
    levels.range_ = *range;
    levels.whole_ = range->points && without_optional(*field.type).kind == Kind::integer;
  }
  return levels;
}

double Levels::count() const {
  if (range_) {
    return count_of(*range_);
  }
  return value_->kind == Tree::Kind::list ? static_cast<double>(value_->items.size()) : 1;
}

Tree Levels::at(std::int64_t index) const {
  if (!range_) {
    return value_->kind == Tree::Kind::list ? value_->items[static_cast<std::size_t>(index)]
                                            : *value_;
  }
  const double value = value_at(*range_, index);
  Tree tree;
  tree.kind = Tree::Kind::scalar;
  tree.scalar = number_text(whole_ ? std::round(value) : value);
  tree.mark = value_->mark;
  return tree;
}

std::string Levels::where(std::int64_t index) const {
  return value_->kind == Tree::Kind::list ? fmt::format("{}[{}]", where_, index) : where_;
}

std::string shown(const Tree& level) {
  std::vector<std::string> parts;
  switch (level.kind) {
    case Tree::Kind::null:
      return "default";
    case Tree::Kind::scalar:
      return !level.quoted && (level.scalar == "~" || level.scalar == "null") ? "default"
                                                                              : level.scalar;
    case Tree::Kind::list:
      for (const Tree& item : level.items) {
        parts.push_back(shown(item));
      }
      return fmt::format("[{}]", joined(parts));
    case Tree::Kind::map:
      for (const Tree::Entry& entry : level.entries) {
        parts.push_back(fmt::format("{}: {}", entry.key, shown(entry.value)));
      }
      return fmt::format("{{{}}}", joined(parts));
  }
  return {};
}

}  // namespace llem::config
