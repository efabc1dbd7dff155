#include "workload/lengths.hpp"

#include <algorithm>
#include <cmath>

#include "workload/bounds.hpp"
#include "workload/schedule.hpp"

namespace llem::workload {
namespace {

/// A log-normal of this mean and coefficient of variation: sigma^2 = ln(1 + cv^2), mu = ln(mean) -
/// sigma^2 / 2. Cutting at the maximum lowers the mean a little; the record has what was drawn.
std::int64_t draw_lognormal(const domain::LogNormal& rule, std::int64_t longest,
                            base::Random& random) {
  const double variance = std::log1p(rule.cv * rule.cv);
  const double location = std::log(rule.mean) - variance / 2;
  const double length = std::round(std::exp(location + std::sqrt(variance) * random.normal()));
  return static_cast<std::int64_t>(std::clamp(length, 1.0, static_cast<double>(longest)));
}

}  // namespace

std::int64_t pass_size(const domain::Workload& workload, const domain::Deploy& deploy) {
  if (deploy.batching != domain::Batching::static_batches) {
    return workload.requests;
  }
  const std::int64_t batch = deploy.batch_size;
  return (workload.requests + batch - 1) / batch * batch;
}

std::int64_t warmup_size(const domain::Deploy& deploy) {
  return deploy.batch_size;
}

std::int64_t draw_length(const domain::LengthRule& rule, base::Random& random) {
  if (rule.uniform) {
    const std::int64_t low = rule.uniform->front();
    const auto choices = static_cast<std::uint64_t>(rule.uniform->back() - low) + 1;
    return low + static_cast<std::int64_t>(random.below(choices));
  }
  if (rule.lognormal) {
    return draw_lognormal(*rule.lognormal, longest_length(rule), random);
  }
  return longest_length(rule);
}

base::Random pass_random(const domain::Workload& workload, std::string_view purpose,
                         std::uint64_t block, std::uint64_t pass) {
  const auto seed = static_cast<std::uint64_t>(workload.seed);
  return base::Random(base::derive_seed(base::derive_seed(seed, purpose, block), "pass", pass));
}

Expected<std::vector<std::int64_t>> synthetic_lengths(const domain::Workload& workload,
                                                      const domain::Deploy& deploy,
                                                      std::uint64_t block,
                                                      std::int64_t max_passes) {
  if (max_passes < 1) {
    return failure(ErrorKind::internal, "a schedule without passes was asked for");
  }
  std::vector<std::int64_t> lengths;
  const auto append = [&](std::int64_t count, base::Random random) {
    for (std::int64_t i = 0; i < count; ++i) {
      lengths.push_back(draw_length(workload.input_tokens, random));
    }
  };
  for (std::int64_t pass = 0; pass < max_passes; ++pass) {
    append(pass_size(workload, deploy),
           pass_random(workload, "input_lengths", block, static_cast<std::uint64_t>(pass)));
  }
  append(warmup_size(deploy), pass_random(workload, "warmup_input_lengths", block, 0));
  return lengths;
}

}  // namespace llem::workload
