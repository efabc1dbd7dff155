#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "config/axes.hpp"

namespace llem::config {
namespace {

/// What lies within a path comes right after it: a dot before every other character.
bool before(std::string_view a, std::string_view b) {
  const auto rank = [](char c) { return c == '.' ? 0 : static_cast<unsigned char>(c) + 1; };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

Expected<void> both_set(const WrittenPath& outer, const WrittenPath& inner) {
  const std::string& a = outer.path->text();
  const std::string& b = inner.path->text();
  Error error{ErrorKind::config,
              a == b ? fmt::format("`{}` is set in two places", a)
                     : fmt::format("`{}` is set, and `{}` within it too", a, b),
              "a path varies in one place: join them in `zip` or `variants`",
              {outer.where, inner.where},
              {}};
  return tl::unexpected(std::move(error));
}

}  // namespace

Expected<void> refuse_overlap(std::vector<GroupedPath> paths) {
  std::stable_sort(paths.begin(), paths.end(), [](const GroupedPath& a, const GroupedPath& b) {
    return before(a.written->path->text(), b.written->path->text());
  });
  std::vector<const GroupedPath*> around;  // those that hold the path looked at
  for (const GroupedPath& path : paths) {
    const std::string& text = path.written->path->text();
    while (!around.empty() && !base::is_within(text, around.back()->written->path->text())) {
      around.pop_back();
    }
    for (const GroupedPath* outer : around) {
      if (outer->group != path.group) {
        return both_set(*outer->written, *path.written);
      }
    }
    around.push_back(&path);
  }
  return {};
}

Expected<void> refuse_overlap(const std::vector<WrittenPath>& bundle) {
  std::vector<GroupedPath> paths;
  paths.reserve(bundle.size());
  for (const WrittenPath& written : bundle) {
    paths.push_back({&written, paths.size()});
  }
  return refuse_overlap(std::move(paths));
}

void ShortNames::add(const std::vector<WrittenPath>& paths) {
  for (const WrittenPath& written : paths) {
    const std::string& text = written.path->text();
    by_last_name_[std::string(base::last_name(text))].insert(text);
  }
}

std::string_view ShortNames::of(std::string_view path) const {
  const std::string_view last = base::last_name(path);
  const auto known = by_last_name_.find(last);
  return known != by_last_name_.end() && known->second.size() > 1 ? path : last;
}

std::string ShortNames::label(const Level& level) const {
  if (!level.name.empty()) {
    return level.name;
  }
  std::string label;
  for (std::size_t i = 0; i < level.values.size(); ++i) {
    label += fmt::format("{}{} {}", i == 0 ? "" : ", ", of(level.values[i].path().text()),
                         level.shown[i]);
  }
  return label;
}

}  // namespace llem::config
