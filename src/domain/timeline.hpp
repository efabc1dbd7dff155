#pragma once

// Owns: what happened to each request. Times are nanoseconds of the host's monotonic clock (already
// offset-corrected).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"

namespace llem::domain {

enum class Finish { length, eos, abort, error };
std::span<const std::string_view> words(Finish);

enum class TokenTime { measured, per_chunk, estimated };
std::span<const std::string_view> words(TokenTime);

struct RequestRecord {
  std::string id;  // "p0r3": pass 0, request 3
  std::int64_t pass = 0;
  std::optional<std::int64_t> intended_ns;
  std::int64_t submitted_ns = 0;
  std::int64_t started_ns = 0;      // its first work began (batch or slot start)
  std::int64_t first_token_ns = 0;  // 0 when no token came
  std::int64_t end_ns = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t output_bytes = 0;  // UTF-8 bytes of the delivered text
  Finish finish = Finish::length;
  std::string error;
  std::int64_t token_offset =
      0;  // its times are token_ns[token_offset, token_offset + output_tokens)
  static const base::Table& table();
};

/// One iteration of the engine.
struct StepRecord {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::int64_t prefill_tokens = 0;
  std::int64_t decode_tokens = 0;
  std::int64_t context_tokens =
      0;  // sum over its sequences of tokens attended to, the new ones included
  std::int64_t sequences = 0;
};

/// One `serve` of the worker: warm-up or window.
struct Serve {
  std::string label;  // "warmup", or a window's: window_label()
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  std::int64_t passes = 0;
  TokenTime token_time = TokenTime::measured;
  std::vector<RequestRecord> requests;
  std::vector<std::int64_t> token_ns;
  std::vector<StepRecord> steps;
};

/// "window" for the first of a trial, then "window_2", "window_3" …; `index` from 0.
std::string window_label(std::int64_t index);
bool is_window_label(std::string_view label);

}  // namespace llem::domain
