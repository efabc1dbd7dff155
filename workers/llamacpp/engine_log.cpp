#include "llamacpp/engine_log.hpp"

#include <cmath>

#include "base/text.hpp"

namespace llem::worker {

namespace {

constexpr std::size_t kErrorsKept = 8;
constexpr double kMib = 1024.0 * 1024.0;

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The word after `label`, without the spaces between them.
std::string_view word_after(std::string_view line, std::string_view label) {
  const std::size_t at = line.find(label);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view rest = base::trim(line.substr(at + label.size()));
  return rest.substr(0, rest.find_first_of(" ,)"));
}

/// The value of a line such as "llama_context: n_batch    = 512" when its name is `name`.
std::string_view setting(std::string_view line, std::string_view name) {
  const std::size_t colon = line.find(": ");
  const std::size_t equals = line.find(" = ");
  if (colon == std::string_view::npos || equals == std::string_view::npos || equals < colon ||
      base::trim(line.substr(colon + 2, equals - colon - 2)) != name) {
    return {};
  }
  return base::trim(line.substr(equals + 3));
}

std::optional<std::int64_t> mebibytes_after(std::string_view line, std::string_view label) {
  const auto number = base::parse_number(word_after(line, label));
  return number ? std::optional(static_cast<std::int64_t>(std::llround(*number * kMib)))
                : std::nullopt;
}

/// "type" of "K (type): …".
std::string_view cache_type(std::string_view line, std::string_view label) {
  const std::string_view word = word_after(line, label);
  return word.substr(0, word.find(')'));
}

}  // namespace

void EngineLog::take(LogSeverity severity, std::string_view text) {
  if (partial_.empty()) {
    severity_ = severity;
  }
  partial_ += text;
  std::size_t begin = 0;
  for (std::size_t end = partial_.find('\n'); end != std::string::npos;
       end = partial_.find('\n', begin)) {
    read_line(std::string_view(partial_).substr(begin, end - begin));
    begin = end + 1;
  }
  partial_.erase(0, begin);
}

void EngineLog::read_line(std::string_view line) {
  if (severity_ == LogSeverity::error && !base::trim(line).empty()) {
    errors_.emplace_back(base::trim(line));
    if (errors_.size() > kErrorsKept) {
      errors_.pop_front();
    }
  }
  if (const auto value = setting(line, "flash_attn"); value == "enabled" || value == "disabled") {
    flash_attention_ = value == "enabled";
  }
  if (holds(line, "Flash Attention enabled")) {
    flash_attention_ = true;
  }
  if (holds(line, "Flash Attention not supported")) {
    flash_attention_ = false;
  }
  if (const auto value = setting(line, "kv_unified"); !value.empty()) {
    kv_unified_ = value == "true";
  }
  if (const auto value = base::parse_number(setting(line, "freq_base"))) {
    rope_freq_base_ = value;
  }
  if (const auto value = base::parse_number(setting(line, "freq_scale"))) {
    rope_freq_scale_ = value;
  }
  if (const auto value = word_after(line, "(load_mode = "); !value.empty()) {
    load_mode_ = value;
  }
  if (const auto value = cache_type(line, " K ("); !value.empty() && holds(line, "cells")) {
    type_k_ = value;
    type_v_ = cache_type(line, " V (");
  }
  if (const auto value = word_after(line, "offloaded "); holds(line, "layers to GPU")) {
    offloaded_layers_ = base::parse_integer(value.substr(0, value.find('/'))).value_or(0);
  }
  read_memory(line);
}

void EngineLog::read_memory(std::string_view line) {
  const auto bytes = mebibytes_after(line, "buffer size = ");
  if (!bytes) {
    return;
  }
  const std::size_t colon = line.find(": ");
  const std::string_view kind =
      base::trim(line.substr(colon == std::string_view::npos ? 0 : colon + 2));
  if (holds(kind, " model buffer")) {
    model_bytes_ += *bytes;
  } else if (holds(kind, " KV buffer") || holds(kind, " RS buffer") ||
             holds(kind, " state buffer")) {
    cache_bytes_ += *bytes;
  } else if (holds(kind, " compute buffer") || holds(kind, " output buffer")) {
    compute_.insert_or_assign(std::string(kind.substr(0, kind.find(" buffer"))), *bytes);
  }
}

std::int64_t EngineLog::compute_bytes() const {
  std::int64_t sum = 0;
  for (const auto& [kind, bytes] : compute_) {
    sum += bytes;
  }
  return sum;
}

std::string EngineLog::last_errors() const {
  std::string joined;
  for (const std::string& line : errors_) {
    joined += (joined.empty() ? "" : "\n") + line;
  }
  return joined;
}

}  // namespace llem::worker
