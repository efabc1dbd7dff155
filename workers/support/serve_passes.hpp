#pragma once

// Owns: serving passes of a schedule through an engine and recording every token and step of it.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "domain/timeline.hpp"
#include "protocol/messages.hpp"
#include "support/batcher.hpp"
#include "support/interrupt.hpp"

namespace llem::worker {

enum class StepOutcome { done, no_room, interrupted };

/// The part of an engine that serves. Everything here runs inside the measured window.
class Stepper {
 public:
  virtual ~Stepper() = default;
  /// `ids` are the requests' names in this pass; the seed of a request's sampling comes from its
  /// name.
  virtual void begin_pass(const protocol::SchedulePass& pass, std::span<const std::string> ids) = 0;
  virtual void empty_cache() = 0;
  /// Runs the rows and chooses a token after each sampled one. Returns when the tokens are there.
  virtual Expected<StepOutcome> run(const Step& step, std::vector<Sampled>& chosen,
                                    Interrupt& interrupt) = 0;
  /// The sequence's cache may go.
  virtual void release(int sequence) = 0;
  /// UTF-8 bytes of the delivered text; asked after the last pass.
  virtual std::int64_t text_bytes(std::span<const Token> output) = 0;
};

struct ServeRecord {
  domain::Serve serve;  // label left empty
  bool cancelled = false;
  std::int64_t evictions = 0;
  std::vector<std::vector<Token>> outputs;  // as serve.requests
};

inline domain::Batching batching_of(const protocol::Schedule& schedule) {
  return schedule.mode == "static" ? domain::Batching::static_batches
                                   : domain::Batching::continuous;
}

/// "p0r3" of pass 12 is "p12r3"; other names get "@12" when their pass comes around again.
std::string name_in_pass(const std::string& id, std::int64_t pass, std::int64_t passes);

Expected<ServeRecord> serve_passes(const protocol::Schedule& schedule,
                                   const protocol::ServeCommand& command, Limits limits,
                                   Stepper& stepper, Interrupt& interrupt);

}  // namespace llem::worker
