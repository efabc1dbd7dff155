#pragma once

// Owns: what `deploy.scripted` may say: a timeline and the faults to inject.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"
#include "domain/recording.hpp"
#include "domain/study_config.hpp"

namespace llem::worker {

/// A fault and where it strikes: before_hello, load, loaded, tokenize, warmup, window, after.
/// Inside a serve it strikes after the first step.
struct Die {
  std::string when;
  std::optional<std::int64_t> exit_code;
  std::optional<std::int64_t> signal;
  static const base::Table& table();
};

struct FailWith {
  std::string when;
  std::string kind = "internal";
  std::string message = "the script says so";
  static const base::Table& table();
};

struct Script {
  // The timeline. A step takes decode_step_s + decode tokens × decode_token_s + prompt tokens ×
  // prefill_token_s.
  double slow_start_s = 0;
  double load_s = 0;
  double tokenize_s = 0;
  double prefill_token_s = 1e-5;
  double decode_step_s = 1e-3;
  double decode_token_s = 0;
  bool instant = false;
  bool busy = false;
  std::string steps_file;
  std::int64_t vocabulary = 32000;
  std::int64_t context_length = 4096;
  std::int64_t eos_every = 0;
  std::int64_t kv_cache_bytes = 0;
  domain::ModelFacts model;
  base::Json effective;

  std::optional<Die> die;
  std::optional<FailWith> error;
  std::string hang;
  std::string close_stream;
  std::string half_line;
  std::string garbage_line;
  std::string long_line;
  std::vector<std::string> lie;
  std::int64_t flood_stderr_bytes = 0;
  double hold_stream_s = 0;
  double daemonise_s = 0;
  bool ignore_sigterm = false;
  std::string wrong_protocol;
  static const base::Table& table();
};

Expected<Script> read_script(const domain::Deploy& deploy);

}  // namespace llem::worker
