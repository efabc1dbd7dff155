// Owns: the field tables of the files that messages name.

#include <array>

#include "protocol/messages.hpp"

namespace llem::protocol {

using base::field;
using base::Table;

namespace {

constexpr std::array<std::string_view, 3> kChatTemplates{"auto", "on", "off"};
constexpr std::array<std::string_view, 2> kModes{"static", "continuous"};
constexpr std::array<std::string_view, 1> kConfigSchema{"worker_config"};
constexpr std::array<std::string_view, 1> kScheduleSchema{"schedule"};
constexpr std::array<std::string_view, 1> kServeSchema{"serve"};
constexpr std::array<std::string_view, 1> kResultSchema{"worker_result"};

}  // namespace

const Table& WorkerConfig::table() {
  static constexpr std::array fields{
      field<&WorkerConfig::schema>("schema", "Kind of document", {.allowed = kConfigSchema}),
      field<&WorkerConfig::schema_version>("schema_version", "Version of its shape"),
      field<&WorkerConfig::protocol>("protocol", "Protocol the host speaks"),
      field<&WorkerConfig::trial>("trial", "Trial this worker was started for", {.min = 0}),
      field<&WorkerConfig::config_hash>("config_hash", "Names the worker's files", {.min = 1}),
      field<&WorkerConfig::model_path>("model_path", "The model file"),
      field<&WorkerConfig::deploy>("deploy", "How to serve it"),
      field<&WorkerConfig::workload>("workload", "What is served: sampling and chat template"),
      field<&WorkerConfig::max_request_tokens>(
          "max_request_tokens", "Longest prompt and output together", {.unit = "tokens", .min = 0}),
      field<&WorkerConfig::output_dir>("output_dir", "Where the worker writes", {.min = 1})};
  static constexpr Table table{"worker_config", "What a worker is started with", fields};
  return table;
}

const Table& PromptRequest::table() {
  static constexpr std::array fields{
      field<&PromptRequest::texts>("texts", "Prompts as text"),
      field<&PromptRequest::chat_template>("chat_template", "Whether to use the model's template",
                                           {.allowed = kChatTemplates}),
      field<&PromptRequest::synthetic_lengths>("synthetic_lengths",
                                               "Lengths of made prompts, when there are no texts",
                                               {.unit = "tokens"}),
      field<&PromptRequest::synthetic_seed>("synthetic_seed", "Seed of made prompts")};
  static constexpr Table table{"prompt_request", "What to tokenise", fields};
  return table;
}

const Table& TokenList::table() {
  static constexpr std::array fields{field<&TokenList::tokens>("tokens", "Token ids")};
  static constexpr Table table{"token_list", "One prompt as token ids", fields};
  return table;
}

const Table& PromptTokens::table() {
  static constexpr std::array fields{
      field<&PromptTokens::prompts>("prompts", "One list a prompt, in the order asked"),
      field<&PromptTokens::chat_template_used>("chat_template_used",
                                               "The model's chat template was applied"),
      field<&PromptTokens::vocabulary>("vocabulary", "Size of the vocabulary",
                                       {.unit = "tokens", .min = 0}),
      field<&PromptTokens::context_length>("context_length", "Trained context",
                                           {.unit = "tokens", .min = 0})};
  static constexpr Table table{"prompt_tokens", "Prompts as token ids", fields};
  return table;
}

const Table& ScheduledRequest::table() {
  static constexpr std::array fields{
      field<&ScheduledRequest::id>("id", "Name of the request", {.min = 1, .required = true}),
      field<&ScheduledRequest::prompt_tokens>("prompt_tokens", "Token ids of the prompt",
                                              {.required = true}),
      field<&ScheduledRequest::max_tokens>("max_tokens", "Most output tokens",
                                           {.unit = "tokens", .min = 1, .required = true}),
      field<&ScheduledRequest::min_tokens>("min_tokens", "No end of sequence before these",
                                           {.unit = "tokens", .min = 0}),
      field<&ScheduledRequest::stop_at_eos>("stop_at_eos", "End of sequence ends the request"),
      field<&ScheduledRequest::at_s>("at_s", "When it is submitted, from the begin of its pass",
                                     {.unit = "s", .min = 0})};
  static constexpr Table table{"scheduled_request", "One request", fields};
  return table;
}

const Table& SchedulePass::table() {
  static constexpr std::array fields{field<&SchedulePass::requests>(
      "requests", "Requests in the order they are submitted", {.min = 1, .required = true})};
  static constexpr Table table{"schedule_pass", "One pass", fields};
  return table;
}

const Table& Schedule::table() {
  static constexpr std::array fields{
      field<&Schedule::schema>("schema", "Kind of document", {.allowed = kScheduleSchema}),
      field<&Schedule::schema_version>("schema_version", "Version of its shape"),
      field<&Schedule::mode>("mode", "How requests are put together", {.allowed = kModes}),
      field<&Schedule::batch_size>("batch_size", "Sequences decoded together", {.min = 1}),
      field<&Schedule::sampling_seed>("sampling_seed", "Seed of sampling"),
      field<&Schedule::passes>("passes", "Passes, served in order and then again from the first",
                               {.min = 1, .required = true})};
  static constexpr Table table{"schedule", "What to serve", fields};
  return table;
}

const Table& ServeFile::table() {
  static constexpr std::array fields{
      field<&ServeFile::schema>("schema", "Kind of document", {.allowed = kServeSchema}),
      field<&ServeFile::schema_version>("schema_version", "Version of its shape"),
      field<&ServeFile::label>("label", "Name of the serve"),
      field<&ServeFile::t_begin_ns>("t_begin_ns", "First pass began", {.unit = "ns"}),
      field<&ServeFile::t_end_ns>("t_end_ns", "Last token was there", {.unit = "ns"}),
      field<&ServeFile::passes>("passes", "Whole passes served", {.min = 0}),
      field<&ServeFile::token_time>("token_time", "How token times came about"),
      field<&ServeFile::requests>("requests", "One record a request"),
      field<&ServeFile::token_times_path>("token_times_path",
                                          "Little-endian int64 nanoseconds, one a token"),
      field<&ServeFile::steps_path>("steps_path",
                                    "Six little-endian int64 a step: begin_ns, end_ns, prefill, "
                                    "decode and context tokens, sequences")};
  static constexpr Table table{"serve", "What happened in one serve", fields};
  return table;
}

const Table& WorkerResult::table() {
  static constexpr std::array fields{
      field<&WorkerResult::schema>("schema", "Kind of document", {.allowed = kResultSchema}),
      field<&WorkerResult::schema_version>("schema_version", "Version of its shape"),
      field<&WorkerResult::worker>("worker", "The worker and its effective configuration"),
      field<&WorkerResult::model>("model", "The model's shape"),
      field<&WorkerResult::serves>("serves", "Paths of the serve files")};
  static constexpr Table table{"worker_result", "A worker's account of itself", fields};
  return table;
}

}  // namespace llem::protocol
