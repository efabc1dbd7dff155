#include "runners/placement.hpp"

#include <utility>

namespace llem::runners {

sys::CommandLine place(const Placement& placement, sys::CommandLine worker) {
  return std::visit([&](const LocalPlacement&) { return std::move(worker); }, placement);
}

}  // namespace llem::runners
