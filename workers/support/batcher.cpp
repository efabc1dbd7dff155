#include "support/batcher.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace llem::worker {

using domain::Batching;
using domain::Finish;

Batcher::Batcher(Limits limits) : limits_(limits) {
  LLEM_ASSERT(limits.sequences > 0 && limits.rows >= limits.sequences,
              "the engine's limits are checked before a serve");
  step_.rows.reserve(static_cast<std::size_t>(limits.rows));
  running_.reserve(static_cast<std::size_t>(limits.sequences));
  freed_.reserve(static_cast<std::size_t>(limits.sequences));
}

void Batcher::begin(const protocol::SchedulePass& pass, std::int64_t now_ns) {
  pass_ = &pass;
  begin_ns_ = now_ns;
  done_ = 0;
  crowded_ = false;
  rows_now_ = limits_.rows;
  const std::size_t count = pass.requests.size();
  states_.assign(count, RequestState{});
  waiting_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    RequestState& state = states_[i];
    const auto most = static_cast<std::size_t>(pass.requests[i].max_tokens);
    state.output.reserve(most);
    state.token_ns.reserve(most);
    if (pass.requests[i].at_s) {
      state.intended_ns = arrival_ns(i);
    }
    waiting_[i] = i;
  }
  std::stable_sort(waiting_.begin(), waiting_.end(),
                   [this](std::size_t a, std::size_t b) { return arrival_ns(a) < arrival_ns(b); });
  std::reverse(waiting_.begin(), waiting_.end());
  running_.clear();
  free_.clear();
  for (auto sequence = static_cast<int>(limits_.sequences); sequence-- > 0;) {
    free_.push_back(sequence);
  }
}

const protocol::ScheduledRequest& Batcher::request(std::size_t index) const {
  return pass_->requests[index];
}

std::int64_t Batcher::arrival_ns(std::size_t index) const {
  return begin_ns_ + static_cast<std::int64_t>(request(index).at_s.value_or(0) * 1e9);
}

std::size_t Batcher::joining() const {
  return limits_.batching == Batching::continuous
             ? 1
             : std::min(waiting_.size(), static_cast<std::size_t>(limits_.sequences));
}

std::int64_t Batcher::next_arrival_ns() const {
  return waiting_.empty() ? begin_ns_ : arrival_ns(waiting_[waiting_.size() - joining()]);
}

std::int64_t Batcher::length(std::size_t index) const {
  return static_cast<std::int64_t>(request(index).prompt_tokens.size() +
                                   states_[index].output.size());
}

Token Batcher::token_at(std::size_t index, std::int64_t position) const {
  const auto& prompt = request(index).prompt_tokens;
  const auto at = static_cast<std::size_t>(position);
  return at < prompt.size() ? static_cast<Token>(prompt[at])
                            : states_[index].output[at - prompt.size()];
}

/// One token behind: the one the engine chose last. Everything else is prompt (or made up again
/// after an eviction).
bool Batcher::decodes(const Running& running) const {
  return !states_[running.request].output.empty() && length(running.request) == running.past + 1;
}

void Batcher::admit(std::int64_t now_ns) {
  const bool full = limits_.batching == Batching::static_batches && !running_.empty();
  if (full || crowded_ || waiting_.empty() || next_arrival_ns() > now_ns) {
    return;
  }
  while (!free_.empty() && !waiting_.empty() && arrival_ns(waiting_.back()) <= now_ns) {
    const std::size_t index = waiting_.back();
    waiting_.pop_back();
    RequestState& state = states_[index];
    if (state.submitted_ns == 0) {
      // Without a time of its own a request is handed over with its pass.
      state.submitted_ns = state.intended_ns ? now_ns : begin_ns_;
    }
    running_.push_back({index, free_.back(), 0});
    free_.pop_back();
  }
}

void Batcher::add_rows(const Running& running, std::int64_t count) {
  const std::int64_t end = running.past + count;
  const bool last = end == length(running.request);
  const auto produced = static_cast<std::int64_t>(states_[running.request].output.size());
  const bool may_stop = produced >= request(running.request).min_tokens;
  for (std::int64_t position = running.past; position < end; ++position) {
    step_.rows.push_back({running.sequence, running.request, token_at(running.request, position),
                          static_cast<std::int32_t>(position), last && position + 1 == end,
                          may_stop});
  }
  step_.context_tokens += end;
  ++step_.sequences;
}

const Step& Batcher::plan(std::int64_t now_ns) {
  admit(now_ns);
  step_.rows.clear();
  step_.prefill_tokens = step_.decode_tokens = step_.context_tokens = step_.sequences = 0;
  const bool prompts_left =
      std::any_of(running_.begin(), running_.end(),
                  [this](const Running& running) { return !decodes(running); });
  if (limits_.batching == Batching::continuous || !prompts_left) {
    for (const Running& running : running_) {
      if (decodes(running)) {
        add_rows(running, 1);
        ++step_.decode_tokens;
      }
    }
  }
  for (const Running& running : running_) {
    const std::int64_t room = rows_now_ - static_cast<std::int64_t>(step_.rows.size());
    if (room <= 0) {
      break;
    }
    if (!decodes(running)) {
      const std::int64_t count = std::min(room, length(running.request) - running.past);
      add_rows(running, count);
      step_.prefill_tokens += count;
    }
  }
  return step_;
}

std::span<const int> Batcher::complete(std::span<const Sampled> chosen, std::int64_t begin_ns,
                                       std::int64_t end_ns) {
  freed_.clear();
  rows_now_ = limits_.rows;
  std::size_t next_chosen = 0;
  for (std::size_t i = 0; i < step_.rows.size(); ++i) {
    const Row& row = step_.rows[i];
    if (i + 1 < step_.rows.size() && step_.rows[i + 1].sequence == row.sequence) {
      continue;  // rows of a sequence stand together; its last one tells
    }
    RequestState& state = states_[row.request];
    if (state.started_ns == 0) {
      state.started_ns = begin_ns;
    }
    const auto running =
        std::find_if(running_.begin(), running_.end(),
                     [&](const Running& candidate) { return candidate.sequence == row.sequence; });
    running->past = row.position + 1;
    if (!row.sampled) {
      continue;
    }
    const Sampled& sampled = chosen[next_chosen++];
    state.output.push_back(sampled.token);
    state.token_ns.push_back(end_ns);
    const auto& asked = request(row.request);
    const bool stopped = sampled.end_of_sequence && asked.stop_at_eos && row.may_stop;
    if (!stopped && static_cast<std::int64_t>(state.output.size()) < asked.max_tokens) {
      continue;
    }
    state.finish = stopped ? Finish::eos : Finish::length;
    state.end_ns = end_ns;
    ++done_;
    crowded_ = false;
    freed_.push_back(row.sequence);
    free_.push_back(row.sequence);
    running_.erase(running);
  }
  return freed_;
}

bool Batcher::shrink(std::optional<int>& evicted) {
  evicted.reset();
  if (step_.prefill_tokens > 0 && step_.rows.size() > 1) {
    rows_now_ = step_.decode_tokens > 0 ? step_.decode_tokens : step_.prefill_tokens / 2;
    return true;
  }
  if (limits_.batching == Batching::static_batches || running_.size() < 2) {
    return false;
  }
  const Running youngest = running_.back();
  running_.pop_back();
  waiting_.push_back(youngest.request);
  free_.push_back(youngest.sequence);
  evicted = youngest.sequence;
  crowded_ = true;
  rows_now_ = limits_.rows;
  return true;
}

void Batcher::abort(std::int64_t now_ns) {
  for (const Running& running : running_) {
    RequestState& state = states_[running.request];
    state.finish = Finish::abort;
    state.end_ns = now_ns;
  }
  for (const std::size_t waiting : waiting_) {
    RequestState& state = states_[waiting];
    if (state.started_ns != 0) {  // it had given its place back
      state.finish = Finish::abort;
      state.end_ns = now_ns;
    }
  }
  running_.clear();
  waiting_.clear();
  done_ = states_.size();
}

}  // namespace llem::worker
