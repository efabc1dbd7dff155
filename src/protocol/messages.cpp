// Owns: the field tables of the messages.

#include "protocol/messages.hpp"

#include <array>

namespace llem::protocol {

using base::field;
using base::Table;

const Table& HostHello::table() {
  static constexpr std::array fields{
      field<&HostHello::protocol>("protocol", "Protocol the host speaks", {.required = true}),
      field<&HostHello::trial>("trial", "Trial this worker was started for", {.min = 0})};
  static constexpr Table table{"hello", "First line of the host", fields};
  return table;
}

const Table& ClockProbe::table() {
  static constexpr std::array fields{
      field<&ClockProbe::sequence>("sequence", "Number of the probe", {.required = true}),
      field<&ClockProbe::host_ns>("host_ns", "Host's clock when it was sent",
                                  {.unit = "ns", .required = true})};
  static constexpr Table table{"clock", "A question for the worker's clock", fields};
  return table;
}

const Table& Load::table() {
  static constexpr Table table{"load", "Load the model", {}};
  return table;
}

const Table& Tokenize::table() {
  static constexpr std::array fields{
      field<&Tokenize::path>("path", "A prompt_request file", {.min = 1, .required = true})};
  static constexpr Table table{"tokenize", "Turn prompts into token ids", fields};
  return table;
}

const Table& Repeat::table() {
  static constexpr std::array fields{
      field<&Repeat::min_s>("min_s", "Passes go on for at least this long",
                            {.unit = "s", .min = 0}),
      field<&Repeat::min_requests>("min_requests", "and until this many requests are done",
                                   {.min = 0}),
      field<&Repeat::max_passes>("max_passes", "Most passes, whatever the rest says", {.min = 1}),
      field<&Repeat::max_s>("max_s", "Running requests are aborted after this long",
                            {.unit = "s", .min = 0, .above_min = true})};
  static constexpr Table table{"repeat", "How long passes follow each other", fields};
  return table;
}

const Table& ServeCommand::table() {
  static constexpr std::array fields{
      field<&ServeCommand::label>("label", "Name of this serve: warmup, window",
                                  {.min = 1, .required = true}),
      field<&ServeCommand::schedule_path>("schedule_path", "A schedule file",
                                          {.min = 1, .required = true}),
      field<&ServeCommand::repeat>("repeat", "How long passes follow each other"),
      field<&ServeCommand::reset_cache>("reset_cache", "Empty the engine's cache before a pass")};
  static constexpr Table table{"serve", "Serve passes of a schedule", fields};
  return table;
}

const Table& Cancel::table() {
  static constexpr Table table{"cancel", "End the running serve now", {}};
  return table;
}

const Table& Stop::table() {
  static constexpr Table table{"stop", "Write the result and exit", {}};
  return table;
}

const Table& WorkerHello::table() {
  static constexpr std::array fields{
      field<&WorkerHello::protocol>("protocol", "Protocol the worker speaks", {.required = true}),
      field<&WorkerHello::worker>("worker", "Program", {.required = true}),
      field<&WorkerHello::engine>("engine", "Engine it drives", {.required = true}),
      field<&WorkerHello::engine_version>("engine_version", "Version or commit of the engine"),
      field<&WorkerHello::pid>("pid", "Process id in the worker's namespace", {.min = 0}),
      field<&WorkerHello::capabilities>("capabilities", "What this worker can do")};
  static constexpr Table table{"hello", "First line of the worker", fields};
  return table;
}

const Table& ClockAnswer::table() {
  static constexpr std::array fields{
      field<&ClockAnswer::sequence>("sequence", "Number of the probe", {.required = true}),
      field<&ClockAnswer::host_ns>("host_ns", "The probe's own time, echoed",
                                   {.unit = "ns", .required = true}),
      field<&ClockAnswer::worker_ns>("worker_ns", "Worker's clock",
                                     {.unit = "ns", .required = true})};
  static constexpr Table table{"clock", "The worker's clock", fields};
  return table;
}

const Table& Loaded::table() {
  static constexpr std::array fields{
      field<&Loaded::t_begin_ns>("t_begin_ns", "Loading began", {.unit = "ns", .required = true}),
      field<&Loaded::t_end_ns>("t_end_ns", "Loading ended", {.unit = "ns", .required = true})};
  static constexpr Table table{"loaded", "The model is ready", fields};
  return table;
}

const Table& Tokenized::table() {
  static constexpr std::array fields{
      field<&Tokenized::path>("path", "A prompt_tokens file", {.min = 1, .required = true})};
  static constexpr Table table{"tokenized", "Prompts as token ids", fields};
  return table;
}

const Table& Progress::table() {
  static constexpr std::array fields{
      field<&Progress::phase>("phase", "load, tokenize or warmup", {.required = true}),
      field<&Progress::done>("done", "Done so far", {.min = 0}),
      field<&Progress::total>("total", "Of this much", {.min = 0}),
      field<&Progress::t_ns>("t_ns", "Worker's clock", {.unit = "ns"})};
  static constexpr Table table{"progress", "How far a long step is", fields};
  return table;
}

const Table& Served::table() {
  static constexpr std::array fields{
      field<&Served::label>("label", "Name of the serve", {.required = true}),
      field<&Served::passes>("passes", "Whole passes served", {.min = 0, .required = true}),
      field<&Served::t_begin_ns>("t_begin_ns", "First pass began",
                                 {.unit = "ns", .required = true}),
      field<&Served::t_end_ns>("t_end_ns", "Last token was there",
                               {.unit = "ns", .required = true}),
      field<&Served::cancelled>("cancelled", "Ended by cancel or stop"),
      field<&Served::path>("path", "A serve file", {.min = 1, .required = true})};
  static constexpr Table table{"served", "A serve has ended", fields};
  return table;
}

const Table& Warning::table() {
  static constexpr std::array fields{
      field<&Warning::code>("code", "Reason code", {.min = 1, .required = true}),
      field<&Warning::text>("text", "What happened", {.required = true})};
  static constexpr Table table{"warning", "Something the reader of the result should know", fields};
  return table;
}

const Table& ErrorMessage::table() {
  static constexpr std::array fields{
      field<&ErrorMessage::kind>("kind", "Reason code", {.min = 1, .required = true}),
      field<&ErrorMessage::message>("message", "What went wrong", {.required = true}),
      field<&ErrorMessage::detail>("detail", "The engine's own words, or what to do")};
  static constexpr Table table{"error", "The worker gives up", fields};
  return table;
}

const Table& Bye::table() {
  static constexpr Table table{"bye", "Last line of the worker", {}};
  return table;
}

}  // namespace llem::protocol
