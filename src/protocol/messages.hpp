#pragma once

// Owns: every message between host and worker, one struct each, and the files they name.
// workers/PROTOCOL.md tells the story; this header is the shape. Every t_ns is CLOCK_MONOTONIC of
// the writer's kernel.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/field.hpp"
#include "base/json.hpp"
#include "domain/recording.hpp"

namespace llem::protocol {

inline constexpr std::string_view kVersion = "1.0";  // same major required
inline constexpr std::size_t kMaxLine = 1 << 20;

/// $LLEM_CONFIG_PATH names this file.
struct WorkerConfig {
  std::string schema = "worker_config";
  std::string schema_version = "1.0.0";
  std::string protocol{kVersion};
  std::int64_t trial = 0;
  std::string config_hash;
  std::string model_path;
  domain::Deploy deploy;
  domain::Workload
      workload;  // sampling and chat template are the worker's; lengths came with the schedule
  std::int64_t max_request_tokens =
      0;  // longest prompt + output of the schedule, for a context that was left open
  std::string output_dir;
  static const base::Table& table();
};

// --- host to worker ---

struct HostHello {
  std::string protocol{kVersion};
  std::int64_t trial = 0;
  static const base::Table& table();
};

/// Answered at once; eight of them bound the offset between the clocks.
struct ClockProbe {
  std::int64_t sequence = 0;
  std::int64_t host_ns = 0;
  static const base::Table& table();
};

struct Load {
  static const base::Table& table();
};

/// `path` names a PromptRequest file; the answer names a PromptTokens file.
struct Tokenize {
  std::string path;
  static const base::Table& table();
};

struct Repeat {
  double min_s = 0;               // passes follow each other until this much time …
  std::int64_t min_requests = 0;  // … and this many requests are done
  std::optional<std::int64_t> max_passes;
  std::optional<double> max_s;  // then running requests are aborted (warm-up only)
  static const base::Table& table();
};

struct ServeCommand {
  std::string label;
  std::string schedule_path;
  Repeat repeat;
  bool reset_cache = true;  // empty the engine's prefix cache before each pass
  static const base::Table& table();
};

struct Cancel {
  static const base::Table& table();
};

struct Stop {
  static const base::Table& table();
};

// --- worker to host ---

struct WorkerHello {
  std::string protocol;
  std::string worker;
  std::string engine;
  std::string engine_version;
  std::int64_t pid = 0;
  std::vector<std::string> capabilities;
  static const base::Table& table();
};

struct ClockAnswer {
  std::int64_t sequence = 0;
  std::int64_t host_ns = 0;  // echoed
  std::int64_t worker_ns = 0;
  static const base::Table& table();
};

struct Loaded {
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  static const base::Table& table();
};

struct Tokenized {
  std::string path;
  static const base::Table& table();
};

struct Progress {  // load, tokenize and warm-up only
  std::string phase;
  double done = 0;
  double total = 0;
  std::int64_t t_ns = 0;
  static const base::Table& table();
};

struct Served {
  std::string label;
  std::int64_t passes = 0;
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  bool cancelled = false;
  std::string path;  // a ServeFile
  static const base::Table& table();
};

struct Warning {
  std::string code;
  std::string text;
  static const base::Table& table();
};

struct ErrorMessage {
  std::string kind;  // reason code: out_of_memory, bad_argument, bad_model, load_failed, internal …
  std::string message;
  std::string detail;
  static const base::Table& table();
};

struct Bye {
  static const base::Table& table();
};

using HostMessage = std::variant<HostHello, ClockProbe, Load, Tokenize, ServeCommand, Cancel, Stop>;
using WorkerMessage = std::variant<WorkerHello, ClockAnswer, Loaded, Tokenized, Progress, Served,
                                   Warning, ErrorMessage, Bye>;

/// One line without its newline: {"type": "hello", …}.
std::string to_line(const HostMessage& message);
std::string to_line(const WorkerMessage& message);
Expected<HostMessage> parse_host_line(std::string_view line);
Expected<WorkerMessage> parse_worker_line(std::string_view line);

/// Cuts a byte stream into lines; refuses one longer than kMaxLine.
class LineBuffer {
 public:
  void append(std::string_view bytes);
  /// The next complete line, if one is there.
  Expected<std::optional<std::string>> next();

  /// Bytes of a last, unfinished line.
  std::size_t pending() const { return buffer_.size() - begin_; }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;
};

// --- files ---

/// What to tokenise: texts, or synthetic prompts of exact lengths made from the model's ordinary
/// tokens.
struct PromptRequest {
  std::vector<std::string> texts;
  std::string chat_template = "auto";           // auto: when the model has one
  std::vector<std::int64_t> synthetic_lengths;  // tokens; used when texts is empty
  std::int64_t synthetic_seed = 0;
  static const base::Table& table();
};

struct TokenList {
  std::vector<std::int64_t> tokens;
  static const base::Table& table();
};

struct PromptTokens {
  std::vector<TokenList> prompts;  // same order as asked
  bool chat_template_used = false;
  std::int64_t vocabulary = 0;
  std::int64_t context_length = 0;  // trained
  static const base::Table& table();
};

struct ScheduledRequest {
  std::string id;
  std::vector<std::int64_t> prompt_tokens;
  std::int64_t max_tokens = 0;
  std::int64_t min_tokens = 0;
  bool stop_at_eos = false;
  std::optional<double> at_s;
  static const base::Table& table();
};

struct SchedulePass {
  std::vector<ScheduledRequest> requests;
  static const base::Table& table();
};

/// The worker serves passes in order and starts again at the first when they run out; request ids
/// then get the pass's true number.
struct Schedule {
  std::string schema = "schedule";
  std::string schema_version = "1.0.0";
  std::string mode = "static";  // static, continuous
  std::int64_t batch_size = 1;
  std::int64_t sampling_seed = 0;
  std::vector<SchedulePass> passes;
  static const base::Table& table();
};

/// What `served` names: requests here; token times and steps as little-endian int64 files beside
/// it. A step is six numbers: begin_ns, end_ns, prefill, decode and context tokens, sequences.
struct ServeFile {
  std::string schema = "serve";
  std::string schema_version = "1.0.0";
  std::string label;
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  std::int64_t passes = 0;
  domain::TokenTime token_time = domain::TokenTime::measured;
  std::vector<domain::RequestRecord> requests;
  std::string token_times_path;
  std::string steps_path;
  static const base::Table& table();
};

/// `{config_hash}_result.json`: the worker's account of itself, written after load and again at the
/// end.
struct WorkerResult {
  std::string schema = "worker_result";
  std::string schema_version = "1.0.0";
  domain::WorkerFacts worker;
  domain::ModelFacts model;
  std::vector<std::string> serves;  // paths of ServeFiles
  static const base::Table& table();
};

}  // namespace llem::protocol
