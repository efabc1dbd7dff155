#include "config/native_conflicts.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::config {
namespace {

using base::Json;

struct Canonical {
  std::string_view name;  // below `deploy`
  std::optional<std::string> value;
};

std::optional<std::string> text_of(const std::optional<std::int64_t>& value) {
  return value ? std::optional(std::to_string(*value)) : std::nullopt;
}

std::string plain_text(const Json& json) {
  return json.is_string() ? json.string() : base::write_json(json);
}

/// llama.cpp's own words and numbers (LLAMA_FLASH_ATTN_TYPE_*: -1 auto, 0 disabled, 1 enabled) as
/// ours.
std::string attention_text(const Json& json) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kMeanings{{
      {"true", "flash"},
      {"on", "flash"},
      {"enabled", "flash"},
      {"1", "flash"},
      {"false", "standard"},
      {"off", "standard"},
      {"disabled", "standard"},
      {"0", "standard"},
      {"auto", "auto"},
      {"-1", "auto"},
      {"flash", "flash"},
      {"standard", "standard"},
  }};
  const std::string text = base::lower(plain_text(json));
  for (const auto& [word, meaning] : kMeanings) {
    if (text == word) {
      return std::string(meaning);
    }
  }
  return text;
}

std::optional<std::string> unless_auto(std::string value) {
  return value == "auto" ? std::nullopt : std::optional(std::move(value));
}

Canonical canonical_of(std::string_view native, const domain::Deploy& deploy) {
  if (native == "n_batch") {
    return {"max_batched_tokens", text_of(deploy.max_batched_tokens)};
  }
  if (native == "n_ubatch") {
    return {"micro_batch_tokens", text_of(deploy.micro_batch_tokens)};
  }
  if (native == "n_threads") {
    return {"threads", text_of(deploy.threads)};
  }
  if (native == "n_seq_max") {
    return {"batch_size", std::to_string(deploy.batch_size)};
  }
  if (native == "type_k" || native == "type_v") {
    return {"kv_cache.dtype", unless_auto(deploy.kv_cache.dtype)};
  }
  if (native == "flash_attn" || native == "flash_attn_type") {
    const auto word = words(deploy.attention)[static_cast<std::size_t>(deploy.attention)];
    return {"attention", unless_auto(std::string(word))};
  }
  return {};
}

Expected<void> conflict(std::string_view native, const Json& value, std::string_view canonical,
                        const std::string& canonical_value, std::string hint) {
  Error error{ErrorKind::config,
              fmt::format("`deploy.llamacpp.{}` = {} contradicts `deploy.{}` = {}", native,
                          plain_text(value), canonical, canonical_value),
              std::move(hint),
              {fmt::format("deploy.llamacpp.{}", native), fmt::format("deploy.{}", canonical)},
              {}};
  return tl::unexpected<Error>(std::move(error));
}

/// `n_ctx` is for all sequences together, `context_length` for each.
Expected<void> check_context(const domain::Deploy& deploy, const Json& n_ctx) {
  if (!deploy.context_length || !n_ctx.is_integer() ||
      (n_ctx.integer() % deploy.batch_size == 0 &&
       n_ctx.integer() / deploy.batch_size == *deploy.context_length)) {
    return {};
  }
  return conflict("n_ctx", n_ctx, "context_length", std::to_string(*deploy.context_length),
                  fmt::format("leave one out; llama.cpp shares n_ctx among {} sequence{}",
                              deploy.batch_size, deploy.batch_size == 1 ? "" : "s"));
}

}  // namespace

Expected<void> check_native_conflicts(const domain::Deploy& deploy) {
  for (const auto& [native, value] : deploy.llamacpp) {
    if (native == "n_ctx") {
      LLEM_TRY(check_context(deploy, value));
      continue;
    }
    const Canonical canonical = canonical_of(native, deploy);
    if (!canonical.value) {
      continue;
    }
    const bool attention = canonical.name == "attention";
    if ((attention ? attention_text(value) : plain_text(value)) != *canonical.value) {
      return conflict(
          native, value, canonical.name, *canonical.value,
          fmt::format("set `deploy.{}` alone: it means the same to every engine", canonical.name));
    }
  }
  return {};
}

}  // namespace llem::config
