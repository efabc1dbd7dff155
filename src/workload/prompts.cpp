#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "base/text.hpp"
#include "workload/lengths.hpp"
#include "workload/schedule.hpp"

namespace llem::workload {
namespace {

using Indices = std::vector<std::int64_t>;

std::size_t bytes_of(const std::vector<std::string>& prompts, std::int64_t index) {
  return prompts[static_cast<std::size_t>(index)].size();
}

/// Puts one group in the declared order; it comes in drawn order.
void arrange(Indices::iterator begin, Indices::iterator end, domain::PromptOrder order,
             const std::vector<std::string>& prompts) {
  switch (order) {
    case domain::PromptOrder::file:
      std::sort(begin, end);
      return;
    case domain::PromptOrder::shuffled:
      return;
    case domain::PromptOrder::length:
      std::sort(begin, end, [&](std::int64_t a, std::int64_t b) {
        return std::pair(bytes_of(prompts, a), a) < std::pair(bytes_of(prompts, b), b);
      });
      return;
  }
}

std::string rounding_note(const domain::Workload& workload, const domain::Deploy& deploy) {
  return pass_size(workload, deploy) == workload.requests
             ? ""
             : fmt::format(" ({} requests rounded up to whole batches of {})", workload.requests,
                           deploy.batch_size);
}

tl::unexpected<Error> too_few(const domain::Workload& workload, const domain::Deploy& deploy,
                              std::int64_t prompts) {
  const std::int64_t batch =
      deploy.batching == domain::Batching::static_batches ? deploy.batch_size : 1;
  const std::int64_t fits = prompts / batch * batch;
  std::string lower =
      fits > 0 ? fmt::format("set workload.requests to {} or fewer, ", fits) : std::string();
  Error error{ErrorKind::config,
              fmt::format("the data set `{}` has {} prompt{}, fewer than one pass of {}{}",
                          workload.dataset.name, prompts, prompts == 1 ? "" : "s",
                          pass_size(workload, deploy), rounding_note(workload, deploy)),
              lower + "take a larger data set, or set workload.dataset.repeat to true",
              {"workload.requests"},
              "too_few_prompts"};
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace

Expected<PromptChoice> choose_prompts(const domain::Workload& workload,
                                      const domain::Deploy& deploy,
                                      const std::vector<std::string>& prompts, std::uint64_t block,
                                      std::int64_t max_passes) {
  if (max_passes < 1) {
    return failure(ErrorKind::internal, "a schedule without passes was asked for");
  }
  const auto size = static_cast<std::int64_t>(prompts.size());
  PromptChoice choice;
  choice.dataset_prompts = size;
  for (std::int64_t i = 0; i < size; ++i) {
    if (!base::trim(prompts[static_cast<std::size_t>(i)]).empty()) {
      choice.indices.push_back(i);
    }
  }
  Indices& chosen = choice.indices;
  const auto usable = static_cast<std::int64_t>(chosen.size());
  choice.empty_prompts = size - usable;
  if (usable == 0) {
    Error error{ErrorKind::config,
                size == 0 ? fmt::format("the data set `{}` holds no prompts", workload.dataset.name)
                          : fmt::format("every one of the {} prompts of the data set `{}` is empty",
                                        size, workload.dataset.name),
                "check workload.dataset, and its `field` for a .jsonl file",
                {"workload.dataset"},
                "no_prompts"};
    return tl::unexpected<Error>(std::move(error));
  }
  const std::int64_t pass = pass_size(workload, deploy);
  if (usable < pass && !workload.dataset.repeat) {
    return too_few(workload, deploy, usable);
  }

  const auto seed = static_cast<std::uint64_t>(workload.seed);
  base::Random(base::derive_seed(seed, "sample", block)).shuffle(chosen);
  if (workload.input_tokens.exact) {
    return choice;
  }
  const std::int64_t warmup = warmup_size(deploy);
  const std::int64_t passes = std::clamp((usable - warmup) / pass, std::int64_t{1}, max_passes);
  const std::int64_t in_window = std::min(passes * pass, usable);
  const std::int64_t kept = std::min(in_window + warmup, usable);
  // The warm-up takes from the far end, so that more passes leave it the same.
  chosen.erase(chosen.begin() + in_window, chosen.end() - (kept - in_window));
  for (std::int64_t begin = 0; begin < in_window; begin += pass) {
    arrange(chosen.begin() + begin, chosen.begin() + std::min(begin + pass, in_window),
            workload.order, prompts);
  }
  arrange(chosen.begin() + in_window, chosen.end(), workload.order, prompts);
  return choice;
}

}  // namespace llem::workload
