#pragma once

// Owns: the levels of one axis as they are written: a list, a range, or one value alone.

#include <cstdint>
#include <optional>
#include <string>

#include "base/field.hpp"
#include "base/tree.hpp"
#include "config/places.hpp"

namespace llem::config {

enum class Scale { linear, log };
std::span<const std::string_view> words(Scale);

/// Exactly one of `times`, `step` and `points` is set.
struct Range {
  double from = 0;
  double to = 0;
  std::optional<double> times;
  std::optional<double> step;
  std::optional<std::int64_t> points;
  Scale scale = Scale::linear;
  static const base::Table& table();
};

/// Counted before any is made: a range of a few characters can span billions.
class Levels {
 public:
  /// `value` outlives the result; `where` is its path.
  static Expected<Levels> read(const base::Tree& value, const base::FieldInfo& field,
                               const Places& places, std::string where);

  /// As a floating-point number: ranges may overflow integers.
  double count() const;

  base::Tree at(std::int64_t index) const;

  /// Where that level is written.
  std::string where(std::int64_t index) const;

  /// Neighbours in a range of integers may round to the same one.
  bool may_repeat() const { return range_ && range_->points; }

 private:
  const base::Tree* value_ = nullptr;
  std::optional<Range> range_;
  bool whole_ = false;  // numbers are rounded
  std::string where_;
};

/// The level in one line: "8", "{exact: 16}"; "default" where nothing is written.
std::string shown(const base::Tree& level);

}  // namespace llem::config
