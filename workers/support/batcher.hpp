#pragma once

// Owns: which tokens go into the next step of an engine, and what became of each request. Takes: a
// pass and the tokens that came back. Does not know: any engine, any clock (times are handed in).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "domain/timeline.hpp"
#include "protocol/messages.hpp"

namespace llem::worker {

using Token = std::int32_t;

/// One token of a step.
struct Row {
  int sequence = 0;  // the engine's cache the token belongs to
  std::size_t request = 0;
  Token token = 0;
  std::int32_t position = 0;
  bool sampled = false;  // the engine is to choose the next token after it
  bool may_stop = true;  // false: end of sequence must not be chosen
};

struct Step {
  std::vector<Row> rows;
  std::int64_t prefill_tokens = 0;
  std::int64_t decode_tokens = 0;
  std::int64_t context_tokens = 0;  // as in domain::StepRecord
  std::int64_t sequences = 0;
};

/// What the engine chose after a sampled row, in the order of those rows.
struct Sampled {
  Token token = 0;
  bool end_of_sequence = false;
};

struct Limits {
  domain::Batching batching = domain::Batching::continuous;
  std::int64_t sequences = 1;  // served together
  std::int64_t rows = 1;       // tokens of one step; at least `sequences`
};

struct RequestState {
  std::vector<Token> output;
  std::vector<std::int64_t> token_ns;
  std::optional<std::int64_t> intended_ns;
  std::int64_t submitted_ns = 0;
  std::int64_t started_ns = 0;  // 0: never
  std::int64_t end_ns = 0;      // 0: not yet
  domain::Finish finish = domain::Finish::length;
};

/// Static: whole batches; all their prompts first, then a token for each sequence a step, until the
/// last one is done. Continuous: a request takes a sequence as soon as one is free; a step holds
/// one token for each running sequence, then prompt tokens of the oldest requests up to the limit.
class Batcher {
 public:
  explicit Batcher(Limits limits);

  /// `pass` must live until the next begin().
  void begin(const protocol::SchedulePass& pass, std::int64_t now_ns);

  bool finished() const { return done_ == states_.size(); }

  /// The next step. No rows: no request has arrived yet, see next_arrival_ns().
  const Step& plan(std::int64_t now_ns);
  std::int64_t next_arrival_ns() const;
  /// The planned step was done: takes what the engine chose, gives the sequences that are free now.
  std::span<const int> complete(std::span<const Sampled> chosen, std::int64_t begin_ns,
                                std::int64_t end_ns);
  /// The engine had no room for the planned step: makes the next plan smaller, or gives back a
  /// sequence whose request has to start again (set in `evicted`). False: there is nothing left to
  /// give.
  bool shrink(std::optional<int>& evicted);
  /// Ends what runs.
  void abort(std::int64_t now_ns);

  const std::vector<RequestState>& states() const { return states_; }

  std::vector<RequestState>& states() { return states_; }

 private:
  struct Running {
    std::size_t request = 0;
    int sequence = 0;
    std::int64_t past = 0;  // tokens the engine holds
  };

  const protocol::ScheduledRequest& request(std::size_t index) const;
  std::int64_t length(std::size_t index) const;
  Token token_at(std::size_t index, std::int64_t position) const;
  bool decodes(const Running& running) const;
  std::int64_t arrival_ns(std::size_t index) const;
  std::size_t joining() const;
  void admit(std::int64_t now_ns);
  void add_rows(const Running& running, std::int64_t count);

  Limits limits_;
  const protocol::SchedulePass* pass_ = nullptr;
  std::int64_t begin_ns_ = 0;
  std::vector<RequestState> states_;
  std::vector<std::size_t> waiting_;  // the next one is last
  std::vector<Running> running_;      // oldest first
  std::vector<int> free_;
  std::vector<int> freed_;
  std::size_t done_ = 0;
  bool crowded_ = false;  // after an eviction nobody joins until somebody has left
  std::int64_t rows_now_ = 0;
  Step step_;
};

}  // namespace llem::worker
