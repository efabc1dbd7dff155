#pragma once

// Owns: what varies in a study, from `sweep`, `zip`, `variants` and `experiments` to levels whose
// values are read and checked.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/field_path.hpp"
#include "base/tree.hpp"
#include "config/places.hpp"
#include "domain/study_config.hpp"

namespace llem::config {

using Path = std::shared_ptr<const base::FieldPath>;

struct Level {
  std::vector<base::Assignment> values;
  std::vector<std::string> shown;   // one a value
  std::string name;                 // of a variant or a named experiment
  std::string label;                // "batch_size 8": its part of a point's label
  std::optional<Error> impossible;  // it names an engine that this version lacks
};

/// A path that levels set, and where that is written.
struct WrittenPath {
  Path path;
  std::string where;
};

enum class AxisKind { sweep, zip, variants, experiments };

struct Axis {
  AxisKind kind = AxisKind::sweep;
  std::string name;
  std::vector<Level> levels;
  std::vector<WrittenPath> paths;            // each once
  std::optional<domain::EngineKind> engine;  // has an effect under this one alone
  std::string where;
};

/// In the order of the file. More levels than `most` are refused before they are made.
Expected<std::vector<Axis>> read_axes(const LoadedStudy& study, const Places& places,
                                      std::int64_t most);

/// A path that may vary; `where` is how errors call the place at `mark`.
Expected<Path> find_path(const std::string& path, const Places& places, base::Mark mark,
                         const std::string& where);

/// Reads one value for a path into the level; `where` is how errors call it.
Expected<void> read_value(const Path& path, const base::Tree& value, const Places& places,
                          const std::string& where, Level& level);

/// Refuses two groups that set the same path, or one within the other.
struct GroupedPath {
  const WrittenPath* written;
  std::size_t group;
};

Expected<void> refuse_overlap(std::vector<GroupedPath> paths);

/// The values of one bundle, each a group of its own.
Expected<void> refuse_overlap(const std::vector<WrittenPath>& bundle);

/// Calls a path by its last name, or by all of it where another path ends so.
class ShortNames {
 public:
  void add(const std::vector<WrittenPath>& paths);
  std::string_view of(std::string_view path) const;

  /// "batch_size 8, threads 2"; a variant's name alone.
  std::string label(const Level& level) const;

 private:
  std::map<std::string, std::set<std::string>, std::less<>> by_last_name_;
};

tl::unexpected<Error> too_many_points(std::int64_t most, const Places& places,
                                      const LoadedStudy& study);

}  // namespace llem::config
