#include "config/precision.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace llem::config {
namespace {

// The 95 % interval that a study ends with by its own width covers 94 to 95 % from ten cycles on,
// 92 to 94 % from five (docs/methodology/stopping.md).
constexpr std::int64_t kFewestFull = 10;
constexpr std::int64_t kFewestQuick = 5;
// Cycles whose coefficient of variation is three times the half-width asked for take 38.
constexpr std::int64_t kMost = 40;

constexpr std::string_view kWidth = "study.precision.relative_half_width";

Error contradiction(std::vector<std::string> paths, std::string message, std::string hint) {
  return {ErrorKind::config, std::move(message), std::move(hint), std::move(paths), {}};
}

bool says_cycles(const base::Tree& tree) {
  const base::Tree* study = tree.find("study");
  return study != nullptr && study->find("cycles") != nullptr;
}

std::optional<Error> contradiction_in(const domain::Study& study, const base::Tree& tree) {
  const domain::Precision& precision = *study.precision;
  if (says_cycles(tree)) {
    return contradiction({"study.cycles", std::string(kWidth)},
                         "`study.cycles` and `study.precision` both say how many cycles there are",
                         "keep one of them; precision has min_cycles and max_cycles");
  }
  if (study.order != domain::TrialOrder::blocks && study.order != domain::TrialOrder::interleaved) {
    return contradiction(
        {"study.order", std::string(kWidth)},
        fmt::format("`study.precision` ends a study after a whole cycle of every configuration, "
                    "which the order {} does not have or would leave unbalanced",
                    words(study.order)[static_cast<std::size_t>(study.order)]),
        "set study.order to blocks or interleaved");
  }
  if (precision.min_cycles && precision.max_cycles &&
      *precision.min_cycles > *precision.max_cycles) {
    return contradiction({"study.precision.min_cycles", "study.precision.max_cycles"},
                         fmt::format("the fewest cycles, {}, are more than the most, {}",
                                     *precision.min_cycles, *precision.max_cycles),
                         "");
  }
  return std::nullopt;
}

}  // namespace

Expected<void> check_precision(const LoadedStudy& study) {
  if (!study.config.study.precision) {
    return {};
  }
  if (auto error = contradiction_in(study.config.study, study.tree)) {
    return tl::unexpected<Error>(with_origins(*std::move(error), study.origins));
  }
  return {};
}

Expected<void> resolve_precision(domain::Study& study, domain::Profile profile) {
  if (!study.precision) {
    return {};
  }
  domain::Precision& precision = *study.precision;
  const bool quick = profile == domain::Profile::quick;
  const std::int64_t fewest = precision.min_cycles.value_or(quick ? kFewestQuick : kFewestFull);
  const std::int64_t most = precision.max_cycles.value_or(std::max(kMost, fewest));
  if (fewest > most) {
    return tl::unexpected<Error>(contradiction(
        {"study.precision.max_cycles"},
        fmt::format("at most {} cycles are fewer than the {} that the profile starts with", most,
                    fewest),
        "raise max_cycles, or set min_cycles too: fewer than ten cost the interval coverage"));
  }
  precision.min_cycles = fewest;
  precision.max_cycles = most;
  study.cycles = most;
  return {};
}

}  // namespace llem::config
