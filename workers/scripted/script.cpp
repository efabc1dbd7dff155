#include "scripted/script.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/field_io.hpp"

namespace llem::worker {

using base::field;
using base::Table;

namespace {

constexpr std::array<std::string_view, 7> kMoments{"before_hello", "load",   "loaded", "tokenize",
                                                   "warmup",       "window", "after"};
constexpr std::array<std::string_view, 8> kMomentsOrNone{
    "", "before_hello", "load", "loaded", "tokenize", "warmup", "window", "after"};
constexpr std::array<std::string_view, 3> kLies{"tokens", "requests", "times"};

}  // namespace

const Table& Die::table() {
  static constexpr std::array fields{
      field<&Die::when>("when", "Where it ends", {.required = true, .allowed = kMoments}),
      field<&Die::exit_code>("exit_code", "With this exit code", {.min = 0, .max = 255}),
      field<&Die::signal>("signal", "By this signal", {.min = 1, .max = 64})};
  static constexpr Table table{"die", "The worker ends without a word", fields, "when"};
  return table;
}

const Table& FailWith::table() {
  static constexpr std::array fields{
      field<&FailWith::when>("when", "Where it fails", {.required = true, .allowed = kMoments}),
      field<&FailWith::kind>("kind", "Reason code"),
      field<&FailWith::message>("message", "What went wrong")};
  static constexpr Table table{"error", "The worker reports an error", fields, "when"};
  return table;
}

const Table& Script::table() {
  static constexpr std::array fields{
      field<&Script::slow_start_s>("slow_start_s", "Before hello", {.unit = "s", .min = 0}),
      field<&Script::load_s>("load_s", "Loading", {.unit = "s", .min = 0}),
      field<&Script::tokenize_s>("tokenize_s", "Tokenising", {.unit = "s", .min = 0}),
      field<&Script::prefill_token_s>("prefill_token_s", "Each prompt token of a step",
                                      {.unit = "s", .min = 0}),
      field<&Script::decode_step_s>("decode_step_s", "Each step", {.unit = "s", .min = 0}),
      field<&Script::decode_token_s>("decode_token_s", "Each decoded token of a step",
                                     {.unit = "s", .min = 0}),
      field<&Script::instant>("instant", "Steps take no time"),
      field<&Script::busy>("busy", "Steps burn CPU time instead of sleeping"),
      field<&Script::steps_file>("steps_file",
                                 "Where each step is written before it runs: begin and end, ns of "
                                 "CLOCK_MONOTONIC, 64 bits each"),
      field<&Script::vocabulary>("vocabulary", "Token ids", {.min = 8}),
      field<&Script::context_length>("context_length", "Tokens a sequence may hold",
                                     {.unit = "tokens", .min = 1}),
      field<&Script::eos_every>("eos_every", "One in so many tokens ends its sequence; 0: none",
                                {.min = 0}),
      field<&Script::kv_cache_bytes>("kv_cache_bytes", "Told after load",
                                     {.unit = "bytes", .min = 0}),
      field<&Script::model>("model", "Told after load"),
      field<&Script::effective>("effective", "Native values that differ from what was declared"),
      field<&Script::die>("die", "End without a word"),
      field<&Script::error>("error", "Report an error"),
      field<&Script::hang>("hang", "Stop answering", {.allowed = kMomentsOrNone}),
      field<&Script::close_stream>("close_stream", "Close the protocol stream and live on",
                                   {.allowed = kMomentsOrNone}),
      field<&Script::half_line>("half_line", "Write half a message", {.allowed = kMomentsOrNone}),
      field<&Script::garbage_line>("garbage_line", "Write a line that is no message",
                                   {.allowed = kMomentsOrNone}),
      field<&Script::long_line>("long_line", "Write a line beyond the limit",
                                {.allowed = kMomentsOrNone}),
      field<&Script::lie>("lie", "Wrong accounts: tokens, requests, times"),
      field<&Script::flood_stderr_bytes>("flood_stderr_bytes", "Written to standard error at load",
                                         {.unit = "bytes", .min = 0}),
      field<&Script::hold_stream_s>("hold_stream_s", "A child keeps the protocol stream open",
                                    {.unit = "s", .min = 0}),
      field<&Script::daemonise_s>("daemonise_s", "A child in a session of its own lives on",
                                  {.unit = "s", .min = 0}),
      field<&Script::ignore_sigterm>("ignore_sigterm", "Only SIGKILL ends it"),
      field<&Script::wrong_protocol>("wrong_protocol", "Version it claims to speak")};
  static constexpr Table table{"scripted", "Timeline and faults of the test engine", fields};
  return table;
}

Expected<Script> read_script(const domain::Deploy& deploy) {
  base::Json json = base::Json::object();
  for (const auto& [key, value] : deploy.scripted) {
    json[key] = value;
  }
  Expected<Script> script = base::read_json_struct<Script>(json, "deploy.scripted");
  if (!script) {
    script.error().code = "bad_argument";
    return script;
  }
  for (const std::string& lie : script->lie) {
    if (std::find(kLies.begin(), kLies.end(), lie) == kLies.end()) {
      return failure(ErrorKind::engine, "deploy.scripted.lie: unknown lie `" + lie + "`",
                     "one of tokens, requests, times", "bad_argument");
    }
  }
  return script;
}

}  // namespace llem::worker
