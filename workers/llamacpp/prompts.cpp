#include "llamacpp/prompts.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "support/batcher.hpp"

namespace llem::worker {

namespace {

using protocol::TokenList;

constexpr std::int32_t kTemplateRoom = 1024;

/// The text as one turn of a user that the model is to answer; nothing when llama.cpp does not know
/// the template.
std::optional<std::string> templated(const char* chat_template, const std::string& text) {
  const llama_chat_message message{"user", text.c_str()};
  std::string buffer(text.size() * 2 + kTemplateRoom, '\0');
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::int32_t length =
        llama_chat_apply_template(chat_template, &message, 1, /*add_ass=*/true, buffer.data(),
                                  static_cast<std::int32_t>(buffer.size()));
    if (length < 0) {
      return std::nullopt;
    }
    const bool fits = static_cast<std::size_t>(length) <= buffer.size();
    buffer.resize(static_cast<std::size_t>(length));
    if (fits) {
      return buffer;
    }
  }
  return std::nullopt;
}

enum class Special { as_text, parsed };

Expected<TokenList> tokens_of(const llama_vocab* vocab, const std::string& text, Special special) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return failure(ErrorKind::engine, "a prompt is longer than 2 GiB", {}, "prompt_too_long");
  }
  const auto length = static_cast<std::int32_t>(text.size());
  std::vector<llama_token> tokens(text.size() + 8);
  std::int32_t count = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    count = llama_tokenize(vocab, text.data(), length, tokens.data(),
                           static_cast<std::int32_t>(tokens.size()), /*add_special=*/true,
                           special == Special::parsed);
    if (count >= 0 || count == std::numeric_limits<std::int32_t>::min()) {
      break;
    }
    tokens.resize(static_cast<std::size_t>(-count));
  }
  if (count < 0) {
    return failure(ErrorKind::engine, "llama.cpp could not tokenise a prompt", {}, "bad_model");
  }
  return TokenList{{tokens.begin(), tokens.begin() + count}};
}

/// Tokens that stand for text and for nothing else.
std::vector<llama_token> ordinary_tokens(const llama_vocab* vocab) {
  std::vector<llama_token> tokens;
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
    const bool normal = (llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_NORMAL) != 0;
    if (normal && !llama_vocab_is_control(vocab, token) && !llama_vocab_is_eog(vocab, token)) {
      tokens.push_back(token);
    }
  }
  return tokens;
}

Expected<std::vector<TokenList>> made_prompts(const llama_vocab* vocab,
                                              const protocol::PromptRequest& request) {
  const std::vector<llama_token> ordinary = ordinary_tokens(vocab);
  if (ordinary.empty()) {
    return failure(ErrorKind::engine, "the model's vocabulary has no ordinary token", {},
                   "bad_model");
  }
  std::vector<TokenList> prompts;
  for (std::size_t i = 0; i < request.synthetic_lengths.size(); ++i) {
    const std::int64_t length = request.synthetic_lengths[i];
    if (length < 1) {
      return failure(ErrorKind::engine,
                     fmt::format("a synthetic prompt cannot have {} tokens", length), {},
                     "bad_argument");
    }
    base::Random random(
        base::derive_seed(static_cast<std::uint64_t>(request.synthetic_seed), "synthetic", i));
    TokenList prompt;
    prompt.tokens.reserve(static_cast<std::size_t>(length));
    if (llama_vocab_get_add_bos(vocab)) {
      prompt.tokens.push_back(llama_vocab_bos(vocab));
    }
    while (static_cast<std::int64_t>(prompt.tokens.size()) < length) {
      prompt.tokens.push_back(ordinary[random.below(ordinary.size())]);
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

/// The model's template when it is to be used and can be.
Expected<const char*> usable_template(const llama_model* model,
                                      const protocol::PromptRequest& request, Notices& notices) {
  if (request.chat_template == "off") {
    return nullptr;
  }
  const bool wanted = request.chat_template == "on";
  const char* chat_template = llama_model_chat_template(model, nullptr);
  if (chat_template == nullptr) {
    if (wanted) {
      return failure(ErrorKind::engine, "the model has no chat template",
                     "set workload.chat_template to auto or off", "bad_argument");
    }
    return nullptr;
  }
  if (!templated(chat_template, "a")) {
    const std::string why = "llama.cpp does not know the model's chat template";
    if (wanted) {
      return failure(ErrorKind::engine, why, "set workload.chat_template to off", "bad_argument");
    }
    notices.warn("chat_template_unknown", why + ": prompts are sent as plain text");
    return nullptr;
  }
  return chat_template;
}

}  // namespace

Expected<protocol::PromptTokens> make_prompts(const llama_model* model,
                                              const protocol::PromptRequest& request,
                                              Notices& notices) {
  const llama_vocab* vocab = llama_model_get_vocab(model);
  protocol::PromptTokens result;
  result.vocabulary = llama_vocab_n_tokens(vocab);
  result.context_length = llama_model_n_ctx_train(model);
  if (request.texts.empty()) {
    LLEM_ASSIGN(result.prompts, made_prompts(vocab, request));
    return result;
  }
  LLEM_ASSIGN(const char* chat_template, usable_template(model, request, notices));
  result.chat_template_used = chat_template != nullptr;
  for (const std::string& text : request.texts) {
    const auto turn = chat_template == nullptr ? std::nullopt : templated(chat_template, text);
    // What a data set says must not become a control token.
    LLEM_ASSIGN(auto tokens,
                tokens_of(vocab, turn.value_or(text), turn ? Special::parsed : Special::as_text));
    result.prompts.push_back(std::move(tokens));
    notices.progress("tokenize", static_cast<double>(result.prompts.size()),
                     static_cast<double>(request.texts.size()));
  }
  return result;
}

}  // namespace llem::worker
