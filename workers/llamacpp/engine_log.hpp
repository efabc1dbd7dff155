#pragma once

// Owns: what llama.cpp tells only in its log: what automatic choices came to, and how much memory
// it took. Numbers there are rounded to 0.01 MiB.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace llem::worker {

enum class LogSeverity { detail, warning, error };

class EngineLog {
 public:
  /// Takes a piece of log text; lines may come in pieces. Returns whether it is worth the
  /// operator's time.
  void take(LogSeverity severity, std::string_view text);

  std::optional<bool> flash_attention() const { return flash_attention_; }

  std::optional<bool> kv_unified() const { return kv_unified_; }

  std::optional<double> rope_freq_base() const { return rope_freq_base_; }

  std::optional<double> rope_freq_scale() const { return rope_freq_scale_; }

  const std::string& load_mode() const { return load_mode_; }

  const std::string& type_k() const { return type_k_; }

  const std::string& type_v() const { return type_v_; }

  std::int64_t offloaded_layers() const { return offloaded_layers_; }

  std::int64_t model_bytes() const { return model_bytes_; }

  std::int64_t cache_bytes() const { return cache_bytes_; }

  std::int64_t compute_bytes() const;

  /// The last error lines, joined: the engine's own words for an error message.
  std::string last_errors() const;

  void forget_errors() { errors_.clear(); }

 private:
  void read_line(std::string_view line);
  void read_memory(std::string_view line);

  std::string partial_;
  LogSeverity severity_ = LogSeverity::detail;
  std::deque<std::string> errors_;
  std::optional<bool> flash_attention_;
  std::optional<bool> kv_unified_;
  std::optional<double> rope_freq_base_;
  std::optional<double> rope_freq_scale_;
  std::string load_mode_;
  std::string type_k_;
  std::string type_v_;
  std::int64_t offloaded_layers_ = 0;
  std::int64_t model_bytes_ = 0;
  std::int64_t cache_bytes_ = 0;
  std::map<std::string, std::int64_t, std::less<>>
      compute_;  // by kind; told again when reserved again
};

}  // namespace llem::worker
