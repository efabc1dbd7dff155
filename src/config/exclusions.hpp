#pragma once

// Owns: which points of the product `exclude` leaves out.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/axes.hpp"

namespace llem::config {

/// Finds levels by what they set or are called.
class LevelIndex {
 public:
  explicit LevelIndex(const std::vector<Axis>& axes);

  /// The axis of a varied path, of a factor of variants or of `experiments`; -1 when there is none.
  std::int64_t axis_of(const std::string& key) const;

  /// The levels of that axis that set the path to this value, or that are called so.
  const std::vector<std::size_t>& levels_with(const std::string& path, const base::Json& value);
  const std::vector<std::size_t>& levels_named(const std::string& factor, const std::string& name);

 private:
  using ByText = std::map<std::string, std::vector<std::size_t>>;

  const std::vector<Axis>& axes_;
  std::map<std::string, std::size_t> axis_of_;
  std::map<std::string, ByText> levels_;  // by path or factor; made when first asked for
};

class Exclusions {
 public:
  static Expected<Exclusions> read(const LoadedStudy& study, const Places& places,
                                   const std::vector<Axis>& axes, LevelIndex& index);

  /// `levels`: one an axis, -1 where it has no effect.
  bool leave_out(const std::vector<std::int64_t>& levels) const;

 private:
  struct Condition {
    std::size_t axis = 0;
    std::vector<bool> matches;  // one a level
  };

  std::vector<std::vector<Condition>> entries_;  // all of one must hold
};

}  // namespace llem::config
