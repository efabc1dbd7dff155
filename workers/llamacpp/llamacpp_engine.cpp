#include "llamacpp/llamacpp_engine.hpp"

#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "llamacpp/prompts.hpp"

namespace llem::worker {

namespace {

// llama_decode's answers (llama.h).
constexpr int kDone = 0;
constexpr int kNoRoom = 1;
constexpr int kAborted = 2;

bool asks_to_stop(void* interrupt) {
  return static_cast<Interrupt*>(interrupt)->raised();
}

/// Lets a running computation see the interrupt, for the length of a serve.
class AbortGuard {
 public:
  AbortGuard(llama_context* context, Interrupt& interrupt) : context_(context) {
    llama_set_abort_callback(context, asks_to_stop, &interrupt);
  }

  ~AbortGuard() { llama_set_abort_callback(context_, nullptr, nullptr); }

  AbortGuard(const AbortGuard&) = delete;
  AbortGuard& operator=(const AbortGuard&) = delete;

 private:
  llama_context* context_;
};

}  // namespace

LlamacppEngine::~LlamacppEngine() {
  if (batch_.token != nullptr) {
    llama_batch_free(batch_);
  }
}

Identity LlamacppEngine::identity() const {
  return {"llem-worker-llamacpp",
          "llamacpp",
          llama_version_text(),
          {"static", "continuous", "chat_template", "synthetic", "sampling"},
          std::string(protocol::kVersion)};
}

Expected<LoadReport> LlamacppEngine::load(const protocol::WorkerConfig& config, Notices& notices) {
  LLEM_TRY(loaded_.open(config, notices));
  llama_context* context = loaded_.context();
  chooser_.emplace(loaded_.vocab(), config.workload.sampling,
                   static_cast<std::int64_t>(llama_n_ctx_seq(context)));
  batch_ = llama_batch_init(static_cast<std::int32_t>(llama_n_batch(context)), 0, 1);
  return loaded_.report();
}

Expected<protocol::PromptTokens> LlamacppEngine::tokenize(const protocol::PromptRequest& request,
                                                          Notices& notices) {
  return make_prompts(loaded_.model(), request, notices);
}

Expected<void> LlamacppEngine::check(const protocol::Schedule& schedule) const {
  const std::int64_t context = llama_n_ctx_seq(loaded_.context());
  const std::int64_t vocabulary = llama_vocab_n_tokens(loaded_.vocab());
  const std::int64_t sequences = llama_n_seq_max(loaded_.context());
  if (schedule.batch_size > sequences) {
    return failure(ErrorKind::engine,
                   fmt::format("the schedule serves {} sequences together, the context holds {}",
                               schedule.batch_size, sequences),
                   {}, "bad_argument");
  }
  for (const protocol::SchedulePass& pass : schedule.passes) {
    for (const protocol::ScheduledRequest& request : pass.requests) {
      const auto prompt = static_cast<std::int64_t>(request.prompt_tokens.size());
      if (prompt + request.max_tokens > context) {
        return failure(ErrorKind::engine,
                       fmt::format("request {} has {} prompt and {} output tokens, the context of "
                                   "a sequence holds {}",
                                   request.id, prompt, request.max_tokens, context),
                       "raise deploy.context_length or shorten the workload", "prompt_too_long");
      }
      for (const std::int64_t token : request.prompt_tokens) {
        if (token >= vocabulary) {
          return failure(ErrorKind::engine,
                         fmt::format("request {} has token {}, the vocabulary ends at {}",
                                     request.id, token, vocabulary - 1),
                         {}, "bad_argument");
        }
      }
    }
  }
  return {};
}

Expected<ServeRecord> LlamacppEngine::serve(const protocol::Schedule& schedule,
                                            const protocol::ServeCommand& command,
                                            Interrupt& interrupt) {
  LLEM_TRY(check(schedule));
  const Limits limits{batching_of(schedule), schedule.batch_size,
                      static_cast<std::int64_t>(llama_n_batch(loaded_.context()))};
  sampling_seed_ = schedule.sampling_seed;
  const AbortGuard guard(loaded_.context(), interrupt);
  return serve_passes(schedule, command, limits, *this, interrupt);
}

void LlamacppEngine::begin_pass(const protocol::SchedulePass& pass,
                                std::span<const std::string> ids) {
  chooser_->begin_pass(pass, ids, sampling_seed_);
}

void LlamacppEngine::empty_cache() {
  // Only the bookkeeping: cells that are not in use are never read.
  llama_memory_clear(llama_get_memory(loaded_.context()), /*data=*/false);
}

void LlamacppEngine::fill_batch(const Step& step) {
  batch_.n_tokens = 0;
  for (const Row& row : step.rows) {
    const std::int32_t i = batch_.n_tokens++;
    batch_.token[i] = row.token;
    batch_.pos[i] = row.position;
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = row.sequence;
    batch_.logits[i] = static_cast<std::int8_t>(row.sampled ? 1 : 0);
  }
}

Expected<StepOutcome> LlamacppEngine::run(const Step& step, std::vector<Sampled>& chosen,
                                          Interrupt& /*interrupt*/) {
  fill_batch(step);
  const std::int32_t answer = llama_decode(loaded_.context(), batch_);
  if (answer == kNoRoom) {
    return StepOutcome::no_room;
  }
  if (answer == kAborted) {
    return StepOutcome::interrupted;
  }
  if (answer != kDone) {
    return failure(ErrorKind::engine, fmt::format("llama_decode failed with {}", answer),
                   loaded_.log().last_errors(), "decode_failed");
  }
  llama_synchronize(loaded_.context());
  for (std::size_t i = 0; i < step.rows.size(); ++i) {
    if (step.rows[i].sampled) {
      chosen.push_back(
          chooser_->choose(loaded_.context(), static_cast<std::int32_t>(i), step.rows[i]));
    }
  }
  return StepOutcome::done;
}

void LlamacppEngine::release(int sequence) {
  llama_memory_seq_rm(llama_get_memory(loaded_.context()), sequence, -1, -1);
}

std::int64_t LlamacppEngine::text_bytes(std::span<const Token> output) {
  std::int64_t bytes = 0;
  std::array<char, 256>
      piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): only its length counts
  for (const Token token : output) {
    const std::int32_t length =
        llama_token_to_piece(loaded_.vocab(), token, piece.data(),
                             static_cast<std::int32_t>(piece.size()), 0, /*special=*/false);
    bytes += length < 0 ? -length : length;
  }
  return bytes;
}

}  // namespace llem::worker
