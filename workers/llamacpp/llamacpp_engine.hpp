#pragma once

// Owns: llama.cpp as an engine of a worker: load, tokenise, and the step of the serving loop.

#include <llama.h>
#include <optional>
#include <string>
#include <vector>

#include "llamacpp/loaded_model.hpp"
#include "llamacpp/token_chooser.hpp"
#include "support/worker.hpp"

namespace llem::worker {

class LlamacppEngine final : public Engine, private Stepper {
 public:
  LlamacppEngine() = default;
  ~LlamacppEngine() override;
  LlamacppEngine(const LlamacppEngine&) = delete;
  LlamacppEngine& operator=(const LlamacppEngine&) = delete;

  Identity identity() const override;
  Expected<LoadReport> load(const protocol::WorkerConfig& config, Notices& notices) override;
  Expected<protocol::PromptTokens> tokenize(const protocol::PromptRequest& request,
                                            Notices& notices) override;
  Expected<ServeRecord> serve(const protocol::Schedule& schedule,
                              const protocol::ServeCommand& command, Interrupt& interrupt) override;

 private:
  void begin_pass(const protocol::SchedulePass& pass, std::span<const std::string> ids) override;
  void empty_cache() override;
  Expected<StepOutcome> run(const Step& step, std::vector<Sampled>& chosen,
                            Interrupt& interrupt) override;
  void release(int sequence) override;
  std::int64_t text_bytes(std::span<const Token> output) override;
  Expected<void> check(const protocol::Schedule& schedule) const;
  void fill_batch(const Step& step);

  LoadedModel loaded_;
  std::optional<TokenChooser> chooser_;
  llama_batch batch_{};
  std::int64_t sampling_seed_ = 0;
};

}  // namespace llem::worker
