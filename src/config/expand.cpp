#include <utility>

#include "config/config.hpp"

namespace llem::config {

Expected<Space> expand(const LoadedStudy& study, const DefaultInputs& inputs,
                       const DeployCheck& check) {
  auto resolved = resolve(study.config, inputs);
  if (!resolved) {
    return tl::unexpected(with_origins(std::move(resolved).error(), study.origins));
  }
  if (auto possible = check(resolved->deploy); !possible) {
    return tl::unexpected(with_origins(std::move(possible).error(), study.origins));
  }
  Space space;
  space.points.push_back({*std::move(resolved), "", {}});
  return space;
}

}  // namespace llem::config
