#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {

inline Expected<void> anything(const domain::Deploy&) {
  return {};
}

inline Expected<Space> space_of(std::string_view text, const std::vector<Override>& overrides = {},
                                const DeployCheck& check = anything,
                                std::int64_t most = kMostPoints) {
  auto study = load_study(text, "study.yaml", overrides, {});
  if (!study) {
    return tl::unexpected(std::move(study).error());
  }
  return expand(*study, {.usable_cpus = 4}, check, most);
}

inline std::vector<std::string> labels_of(const Expected<Space>& space) {
  std::vector<std::string> labels;
  if (!space) {
    return {error_text(space)};
  }
  for (const Point& point : space->points) {
    labels.push_back(point.label);
  }
  return labels;
}

/// Of `model: x` and the rest.
inline std::vector<std::string> labels(std::string_view rest) {
  return labels_of(space_of("model: x\n" + std::string(rest)));
}

inline std::string refusal_of(std::string_view rest, const std::vector<Override>& overrides = {}) {
  return error_text(space_of("model: x\n" + std::string(rest), overrides));
}

using Labels = std::vector<std::string>;
using Indices = std::vector<std::int64_t>;

}  // namespace llem::config
