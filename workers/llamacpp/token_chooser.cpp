#include "llamacpp/token_chooser.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/random.hpp"

namespace llem::worker {

Token largest(std::span<const float> logits) {
  // Independent lanes let the compiler keep them in vector registers.
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
    }
  }
  float most = *std::max_element(lanes.begin(), lanes.end());
  for (; i < logits.size(); ++i) {
    most = std::max(most, logits[i]);
  }
  const auto found = std::find(logits.begin(), logits.end(), most);
  return found == logits.end() ? 0 : static_cast<Token>(found - logits.begin());
}

TokenChooser::TokenChooser(const llama_vocab* vocab, const domain::Sampling& sampling,
                           std::int64_t context)
    : vocab_(vocab),
      sampling_(sampling),
      context_(context),
      vocabulary_(llama_vocab_n_tokens(vocab)),
      greedy_(sampling.temperature.value_or(0) <= 0 && !penalises()) {
  for (Token token = 0; token < vocabulary_; ++token) {
    if (llama_vocab_is_eog(vocab, token)) {
      ends_.push_back(token);
    }
  }
}

bool TokenChooser::penalises() const {
  return sampling_.repetition_penalty.value_or(1) != 1 ||
         sampling_.presence_penalty.value_or(0) != 0 ||
         sampling_.frequency_penalty.value_or(0) != 0;
}

void TokenChooser::begin_pass(const protocol::SchedulePass& pass, std::span<const std::string> ids,
                              std::int64_t sampling_seed) {
  pass_ = &pass;
  samplers_.clear();
  if (greedy_) {
    return;
  }
  samplers_.resize(ids.size());
  seeds_.clear();
  for (const std::string& id : ids) {
    const std::uint64_t seed = base::derive_seed(static_cast<std::uint64_t>(sampling_seed), id);
    // llama.cpp takes 32 bits, and all ones to mean a random seed.
    seeds_.push_back(static_cast<std::uint32_t>(seed % LLAMA_DEFAULT_SEED));
  }
}

TokenChooser::Sampler TokenChooser::make_sampler(std::uint32_t seed) const {
  Sampler chain(llama_sampler_chain_init({.no_perf = true}));
  const auto add = [&](llama_sampler* sampler) { llama_sampler_chain_add(chain.get(), sampler); };
  const auto value = [](const std::optional<double>& setting, double otherwise) {
    return static_cast<float>(setting.value_or(otherwise));
  };
  if (penalises()) {
    add(llama_sampler_init_penalties(
        vocabulary_, static_cast<std::int32_t>(context_), value(sampling_.repetition_penalty, 1),
        value(sampling_.frequency_penalty, 0), value(sampling_.presence_penalty, 0)));
  }
  if (sampling_.temperature.value_or(0) <= 0) {
    add(llama_sampler_init_greedy());
    return chain;
  }
  if (sampling_.top_k.value_or(0) > 0) {
    add(llama_sampler_init_top_k(
        static_cast<std::int32_t>(std::min<std::int64_t>(*sampling_.top_k, vocabulary_))));
  }
  if (sampling_.top_p.value_or(1) < 1) {
    add(llama_sampler_init_top_p(value(sampling_.top_p, 1), 1));
  }
  if (sampling_.min_p.value_or(0) > 0) {
    add(llama_sampler_init_min_p(value(sampling_.min_p, 0), 1));
  }
  add(llama_sampler_init_temp(value(sampling_.temperature, 1)));
  add(llama_sampler_init_dist(seed));
  return chain;
}

llama_sampler* TokenChooser::sampler_of(std::size_t request) {
  Sampler& sampler = samplers_[request];
  if (!sampler) {
    sampler = make_sampler(seeds_[request]);
    if (penalises()) {
      // As in llama.cpp's own programs, what was said before counts from the first token of the
      // prompt.
      for (const std::int64_t token : pass_->requests[request].prompt_tokens) {
        llama_sampler_accept(sampler.get(), static_cast<llama_token>(token));
      }
    }
  }
  return sampler.get();
}

Sampled TokenChooser::choose(llama_context* context, std::int32_t index, const Row& row) {
  float* logits = llama_get_logits_ith(context, index);
  if (!row.may_stop) {
    for (const Token end : ends_) {
      logits[end] = -std::numeric_limits<float>::infinity();
    }
  }
  const Token token = greedy_ ? largest({logits, static_cast<std::size_t>(vocabulary_)})
                              : llama_sampler_sample(sampler_of(row.request), context, index);
  return {token, std::find(ends_.begin(), ends_.end(), token) != ends_.end()};
}

}  // namespace llem::worker
