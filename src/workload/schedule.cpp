#include "workload/schedule.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/random.hpp"
#include "workload/lengths.hpp"

namespace llem::workload {
namespace {

using Tokens = std::span<const std::int64_t>;

/// The prompts as they are served: cut to length, without those that cannot be.
struct Usable {
  std::vector<Tokens> prompts;
  std::int64_t skipped = 0;
};

Usable select(const domain::Workload& workload,
              const std::vector<std::vector<std::int64_t>>& tokens) {
  const domain::LengthRule& rule = workload.input_tokens;
  const auto shortest = static_cast<std::size_t>(rule.exact.value_or(1));
  const std::optional<std::int64_t> longest = rule.exact ? rule.exact : rule.max;
  Usable usable;
  for (const std::vector<std::int64_t>& prompt : tokens) {
    if (prompt.size() < shortest) {
      ++usable.skipped;
      continue;
    }
    const Tokens all(prompt);
    usable.prompts.push_back(
        longest ? all.first(std::min(all.size(), static_cast<std::size_t>(*longest))) : all);
  }
  return usable;
}

tl::unexpected<Error> config_error(std::string message, std::string hint, std::string path,
                                   std::string code) {
  return tl::unexpected<Error>(Error{
      ErrorKind::config, std::move(message), std::move(hint), {std::move(path)}, std::move(code)});
}

Expected<void> check_enough(const domain::Workload& workload, const domain::Deploy& deploy,
                            const Usable& usable, std::size_t given) {
  const auto count = static_cast<std::int64_t>(usable.prompts.size());
  const std::int64_t pass = pass_size(workload, deploy);
  if (count >= pass || (count > 0 && workload.dataset.repeat)) {
    return {};
  }
  const std::optional<std::int64_t> exact = workload.input_tokens.exact;
  if (!exact && count == 0) {
    return config_error(fmt::format("every one of the {} prompts is empty", given),
                        "check workload.dataset, and its `field` for a .jsonl file",
                        "workload.dataset", "no_prompts");
  }
  if (!exact) {
    return config_error(
        fmt::format("{} prompts are not empty, fewer than one pass of {}", count, pass),
        "lower workload.requests, or set workload.dataset.repeat to true", "workload.requests",
        "too_few_prompts");
  }
  return config_error(
      fmt::format("{} of {} prompts have {} tokens or more, fewer than one pass of {}", count,
                  given, *exact, pass),
      fmt::format("lower workload.input_tokens.exact, or write {{max: {}}} to take shorter ones",
                  *exact),
      "workload.input_tokens.exact", count == 0 ? "no_prompts" : "too_few_prompts");
}

/// What one sequence may hold, and whose bound that is.
struct Limit {
  std::int64_t tokens = std::numeric_limits<std::int64_t>::max();
  std::string_view owner;
  std::string_view remedy;
};

Limit make_limit(const domain::Deploy& deploy, std::int64_t model_context) {
  Limit limit;
  if (model_context > 0) {
    limit = {model_context, "the model's context", "take a model with a longer context"};
  }
  if (deploy.context_length && *deploy.context_length <= limit.tokens) {
    limit = {*deploy.context_length, "deploy.context_length", "raise deploy.context_length"};
  }
  return limit;
}

class ScheduleMaker {
 public:
  ScheduleMaker(const domain::Workload& workload, const std::vector<Tokens>& prompts, Limit limit)
      : workload_(workload), prompts_(prompts), limit_(limit) {}

  /// `count` requests from `begin` on, starting again at the first prompt where they run out.
  Expected<Pass> make_pass(std::string_view prefix, std::size_t begin, std::int64_t count,
                           base::Random lengths) {
    Pass pass;
    for (std::int64_t i = 0; i < count; ++i) {
      const Tokens prompt = prompts_[(begin + static_cast<std::size_t>(i)) % prompts_.size()];
      PlannedRequest request;
      request.id = fmt::format("{}r{}", prefix, i);
      request.prompt_tokens.assign(prompt.begin(), prompt.end());
      request.max_tokens = draw_length(workload_.output_tokens, lengths);
      request.stop_at_eos = workload_.output_tokens.max.has_value();
      request.min_tokens = request.stop_at_eos ? 0 : request.max_tokens;
      LLEM_TRY(check_fits(request));
      pass.push_back(std::move(request));
    }
    return pass;
  }

  std::int64_t longest() const { return longest_; }

 private:
  Expected<void> check_fits(const PlannedRequest& request) {
    const auto prompt = static_cast<std::int64_t>(request.prompt_tokens.size());
    if (request.max_tokens <= limit_.tokens - prompt) {
      longest_ = std::max(longest_, prompt + request.max_tokens);
      return {};
    }
    const std::int64_t room = limit_.tokens - request.max_tokens;
    const std::string shorter =
        room > 0 ? fmt::format("set workload.input_tokens to {{max: {}}} or less", room)
                 : std::string("ask for shorter outputs in workload.output_tokens");
    return config_error(
        fmt::format("request {} has {} prompt tokens and {} to generate, more than {} of {}",
                    request.id, prompt, request.max_tokens, limit_.owner, limit_.tokens),
        fmt::format("{}, or {}", shorter, limit_.remedy), "workload.input_tokens",
        "prompt_too_long");
  }

  const domain::Workload& workload_;
  const std::vector<Tokens>& prompts_;
  Limit limit_;
  std::int64_t longest_ = 0;
};

domain::ScheduleRecord make_record(const domain::Workload& workload, const domain::Deploy& deploy) {
  domain::ScheduleRecord record;
  record.mode = words(deploy.batching)[static_cast<std::size_t>(deploy.batching)];
  record.batch_size = deploy.batch_size;
  record.requests_per_pass = pass_size(workload, deploy);
  record.seed = workload.seed;
  record.dataset = workload.dataset.name;
  record.stop_at_eos = workload.output_tokens.max.has_value();
  return record;
}

}  // namespace

Expected<Schedules> make_schedules(const domain::Workload& workload, const domain::Deploy& deploy,
                                   const std::vector<std::vector<std::int64_t>>& tokens,
                                   std::int64_t model_context, std::uint64_t block) {
  const Usable usable = select(workload, tokens);
  LLEM_TRY(check_enough(workload, deploy, usable, tokens.size()));
  const auto count = static_cast<std::int64_t>(usable.prompts.size());
  const std::int64_t pass = pass_size(workload, deploy);
  const std::int64_t warmup = warmup_size(deploy);
  const std::int64_t passes = std::max<std::int64_t>(1, (count - warmup) / pass);

  Schedules schedules;
  schedules.record = make_record(workload, deploy);
  schedules.record.dataset_prompts = static_cast<std::int64_t>(tokens.size());
  schedules.record.skipped_prompts = usable.skipped;
  schedules.record.distinct_passes = count < pass ? 0 : passes;
  schedules.record.prompts_repeat = count < pass;

  ScheduleMaker maker(workload, usable.prompts, make_limit(deploy, model_context));
  for (std::int64_t p = 0; p < passes; ++p) {
    LLEM_ASSIGN(
        Pass made,
        maker.make_pass(fmt::format("p{}", p), static_cast<std::size_t>(p * pass), pass,
                        pass_random(workload, "lengths", block, static_cast<std::uint64_t>(p))));
    schedules.window.push_back(std::move(made));
  }
  // The last prompts: the window has the first ones, and shares some only where there are too few.
  const auto first = static_cast<std::size_t>(count > warmup ? count - warmup : 0);
  LLEM_ASSIGN(Pass made, maker.make_pass("w0", first, warmup,
                                         pass_random(workload, "warmup_lengths", block, 0)));
  schedules.warmup.push_back(std::move(made));
  schedules.max_request_tokens = maker.longest();
  return schedules;
}

std::vector<Pass> window_share(const std::vector<Pass>& passes, std::int64_t window,
                               std::int64_t windows) {
  const auto count = static_cast<std::int64_t>(passes.size());
  std::int64_t begin = window * count / windows;
  std::int64_t end = (window + 1) * count / windows;
  if (count < windows) {
    begin = window % count;
    end = begin + 1;
  }
  std::vector<Pass> share(passes.begin() + begin, passes.begin() + end);
  // Ids count the passes of the window, as the worker does.
  for (std::size_t p = 0; p < share.size(); ++p) {
    for (std::size_t i = 0; i < share[p].size(); ++i) {
      share[p][i].id = fmt::format("p{}r{}", p, i);
    }
  }
  return share;
}

std::uint64_t sampling_seed(const domain::Workload& workload, std::uint64_t block) {
  return base::derive_seed(static_cast<std::uint64_t>(workload.seed), "sampling", block);
}

}  // namespace llem::workload
