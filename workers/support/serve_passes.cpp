#include "support/serve_passes.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"

namespace llem::worker {

namespace {

using domain::RequestRecord;

// Steps of ten minutes at a kilohertz would be more; this is only to keep the first ones from
// growing the list.
constexpr std::size_t kStepsReserved = 1 << 16;
constexpr std::int64_t kLongestNapNs = 20'000'000;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Sleeps towards `until_ns` in naps, so that an interrupt is seen.
void wait_for_arrival(std::int64_t until_ns, Interrupt& interrupt) {
  for (std::int64_t now = now_ns(); now < until_ns && !interrupt.raised(); now = now_ns()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(until_ns - now, kLongestNapNs)));
  }
}

class PassLoop {
 public:
  PassLoop(const protocol::Schedule& schedule, const protocol::ServeCommand& command, Limits limits,
           Stepper& stepper, Interrupt& interrupt)
      : schedule_(schedule),
        command_(command),
        batcher_(limits),
        stepper_(stepper),
        interrupt_(interrupt) {}

  Expected<ServeRecord> run() {
    record_.serve.steps.reserve(kStepsReserved);
    chosen_.reserve(static_cast<std::size_t>(schedule_.batch_size));
    const std::int64_t begin = now_ns();
    record_.serve.t_begin_ns = begin;
    const protocol::Repeat& repeat = command_.repeat;
    if (repeat.max_s) {
      interrupt_.set_deadline(begin + static_cast<std::int64_t>(*repeat.max_s * 1e9));
    }
    const auto shortest = static_cast<std::int64_t>(repeat.min_s * 1e9);
    std::int64_t requests = 0;
    do {
      const std::int64_t pass = record_.serve.passes;
      LLEM_ASSIGN(const bool whole, run_pass(pass));
      keep_pass(pass);
      record_.serve.t_end_ns = now_ns();
      if (!whole) {
        break;
      }
      requests += static_cast<std::int64_t>(pass_of(pass).requests.size());
      ++record_.serve.passes;
    } while ((record_.serve.t_end_ns - begin < shortest || requests < repeat.min_requests) &&
             record_.serve.passes <
                 repeat.max_passes.value_or(std::numeric_limits<std::int64_t>::max()) &&
             !interrupt_.raised());
    record_.cancelled = interrupt_.by_host();
    fill_text_bytes();
    return std::move(record_);
  }

 private:
  const protocol::SchedulePass& pass_of(std::int64_t pass) const {
    return schedule_.passes[static_cast<std::size_t>(pass) % schedule_.passes.size()];
  }

  /// False when it was interrupted.
  Expected<bool> run_pass(std::int64_t pass) {
    const protocol::SchedulePass& requests = pass_of(pass);
    ids_.clear();
    for (const protocol::ScheduledRequest& request : requests.requests) {
      ids_.push_back(
          name_in_pass(request.id, pass, static_cast<std::int64_t>(schedule_.passes.size())));
    }
    if (command_.reset_cache) {
      stepper_.empty_cache();
    }
    stepper_.begin_pass(requests, ids_);
    batcher_.begin(requests, now_ns());
    while (!batcher_.finished()) {
      if (interrupt_.raised()) {
        batcher_.abort(now_ns());
        stepper_.empty_cache();
        return false;
      }
      const Step& step = batcher_.plan(now_ns());
      if (step.rows.empty()) {
        wait_for_arrival(batcher_.next_arrival_ns(), interrupt_);
        continue;
      }
      LLEM_TRY(run_step(step));
    }
    return true;
  }

  Expected<void> run_step(const Step& step) {
    const std::int64_t begin = now_ns();
    chosen_.clear();
    LLEM_ASSIGN(const StepOutcome outcome, stepper_.run(step, chosen_, interrupt_));
    const std::int64_t end = now_ns();
    if (outcome == StepOutcome::interrupted) {
      return {};  // the interrupt stays raised; run_pass sees it
    }
    if (outcome == StepOutcome::no_room) {
      return make_room();
    }
    record_.serve.steps.push_back(
        {begin, end, step.prefill_tokens, step.decode_tokens, step.context_tokens, step.sequences});
    for (const int sequence : batcher_.complete(chosen_, begin, end)) {
      stepper_.release(sequence);
    }
    return {};
  }

  Expected<void> make_room() {
    std::optional<int> evicted;
    if (!batcher_.shrink(evicted)) {
      return failure(ErrorKind::engine, "the KV cache has no room for the sequences of one batch",
                     "raise context_length or lower batch_size", "out_of_memory");
    }
    if (evicted) {
      stepper_.release(*evicted);
      ++record_.evictions;
    }
    return {};
  }

  void keep_pass(std::int64_t pass) {
    const protocol::SchedulePass& requests = pass_of(pass);
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      RequestState& state = batcher_.states()[i];
      if (state.started_ns == 0) {
        continue;  // interrupted before its turn
      }
      RequestRecord request;
      request.id = std::move(ids_[i]);
      request.pass = pass;
      request.intended_ns = state.intended_ns;
      request.submitted_ns = state.submitted_ns;
      request.started_ns = state.started_ns;
      request.first_token_ns = state.token_ns.empty() ? 0 : state.token_ns.front();
      request.end_ns = state.end_ns;
      request.prompt_tokens = static_cast<std::int64_t>(requests.requests[i].prompt_tokens.size());
      request.output_tokens = static_cast<std::int64_t>(state.output.size());
      request.finish = state.finish;
      request.token_offset = static_cast<std::int64_t>(record_.serve.token_ns.size());
      record_.serve.token_ns.insert(record_.serve.token_ns.end(), state.token_ns.begin(),
                                    state.token_ns.end());
      record_.serve.requests.push_back(std::move(request));
      record_.outputs.push_back(std::move(state.output));
    }
  }

  void fill_text_bytes() {
    for (std::size_t i = 0; i < record_.outputs.size(); ++i) {
      record_.serve.requests[i].output_bytes = stepper_.text_bytes(record_.outputs[i]);
    }
  }

  const protocol::Schedule& schedule_;
  const protocol::ServeCommand& command_;
  Batcher batcher_;
  Stepper& stepper_;
  Interrupt& interrupt_;
  ServeRecord record_;
  std::vector<std::string> ids_;
  std::vector<Sampled> chosen_;
};

}  // namespace

std::string name_in_pass(const std::string& id, std::int64_t pass, std::int64_t passes) {
  std::size_t digits = 1;
  while (digits < id.size() && is_digit(id[digits])) {
    ++digits;
  }
  if (digits > 1 && digits < id.size() && id[0] == 'p' && id[digits] == 'r') {
    return fmt::format("p{}{}", pass, id.substr(digits));
  }
  return pass < passes ? id : fmt::format("{}@{}", id, pass);
}

Expected<ServeRecord> serve_passes(const protocol::Schedule& schedule,
                                   const protocol::ServeCommand& command, Limits limits,
                                   Stepper& stepper, Interrupt& interrupt) {
  return PassLoop(schedule, command, limits, stepper, interrupt).run();
}

}  // namespace llem::worker
