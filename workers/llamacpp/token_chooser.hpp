#pragma once

// Owns: choosing the next token from logits: the largest, or by llama.cpp's samplers with a seed of
// each request's own, so that what a request says does not depend on who was served beside it.

#include <cstdint>
#include <llama.h>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "domain/study_config.hpp"
#include "protocol/messages.hpp"
#include "support/batcher.hpp"

namespace llem::worker {

/// Index of the largest; the first of equals.
Token largest(std::span<const float> logits);

class TokenChooser {
 public:
  TokenChooser(const llama_vocab* vocab, const domain::Sampling& sampling, std::int64_t context);

  void begin_pass(const protocol::SchedulePass& pass, std::span<const std::string> ids,
                  std::int64_t sampling_seed);
  /// From the logits of row `index` of the last decode.
  Sampled choose(llama_context* context, std::int32_t index, const Row& row);

 private:
  struct SamplerDelete {
    void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
  };

  using Sampler = std::unique_ptr<llama_sampler, SamplerDelete>;

  bool penalises() const;
  llama_sampler* sampler_of(std::size_t request);
  Sampler make_sampler(std::uint32_t seed) const;

  const llama_vocab* vocab_;
  domain::Sampling sampling_;
  std::int64_t context_;
  std::int32_t vocabulary_;
  bool greedy_;  // and without penalties
  std::vector<Token> ends_;
  const protocol::SchedulePass* pass_ = nullptr;
  std::vector<std::uint32_t> seeds_;  // one a request
  std::vector<Sampler> samplers_;
};

}  // namespace llem::worker
