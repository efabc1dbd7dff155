#include "engines/worker_engine.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <span>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "engines/served_files.hpp"
#include "sys/clock.hpp"
#include "sys/memory.hpp"
#include "sys/wait.hpp"

namespace llem::engines {

namespace {

// Eight exchanges bound the offset to the pipe's round trip; on a busy machine each may be delayed
// by the scheduler, so more follow until the bound is good.
constexpr int kClockProbes = 8;
constexpr int kMostClockProbes = 128;
constexpr std::int64_t kGoodBoundNs = 200'000;
constexpr Seconds kLastMoment{1};     // between a closed pipe and the end of the process
constexpr Seconds kCancelLimit{1.5};  // the protocol promises an answer within 1 s

MonotonicTime now() {
  return sys::MonotonicClock().now();
}

MonotonicTime after(Seconds length) {
  return now() + std::chrono::duration_cast<MonotonicTime::duration>(length);
}

tl::unexpected<Error> engine_failure(std::string message, std::string code, std::string hint = {}) {
  return failure(ErrorKind::engine, std::move(message), std::move(hint), std::move(code));
}

tl::unexpected<Error> interrupted_failure() {
  return failure(ErrorKind::interrupted, "interrupted", {}, "interrupted");
}

Expected<std::string> write_document(const sys::Path& path, const base::Json& json) {
  LLEM_TRY(sys::write_file(path, base::write_json(json)));
  return path.string();
}

/// Whether a request's times, on the worker's clock, follow each other within the serve.
bool in_order(const domain::RequestRecord& request, const protocol::ServeFile& file,
              std::span<const std::int64_t> tokens) {
  if (request.finish == domain::Finish::error) {
    return true;  // it may have ended anywhere
  }
  const std::int64_t first = tokens.empty() ? request.started_ns : tokens.front();
  const std::int64_t last = tokens.empty() ? request.end_ns : tokens.back();
  const std::array times{file.t_begin_ns, request.submitted_ns, request.started_ns, first, last,
                         request.end_ns,  file.t_end_ns};
  return std::is_sorted(times.begin(), times.end()) &&
         std::is_sorted(tokens.begin(), tokens.end()) &&
         (tokens.empty() || request.first_token_ns == first);
}

}  // namespace

void remove_exchanged_files(const sys::Path& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "worker", ignored)) {
    if (!entry.path().filename().string().ends_with("_result.json")) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

Expected<StopRequest> wait_until(MonotonicTime until, const Hooks& hooks) {
  while (now() < until) {
    std::array<sys::Waitable, 1> waits{sys::Waitable{.fd = hooks.interrupts.fd}};
    LLEM_ASSIGN(const bool woken, sys::wait_any(waits, std::min(until, after(hooks.tick_period))));
    if (woken) {
      if (const StopRequest request = hooks.interrupts.read(); request != StopRequest::none) {
        return request;
      }
    }
    hooks.tick();
  }
  return StopRequest::none;
}

Expected<std::unique_ptr<WorkerEngine>> WorkerEngine::start(const sys::CommandLine& command,
                                                            protocol::WorkerConfig config,
                                                            const sys::Path& directory, Hooks hooks,
                                                            MonotonicTime deadline) {
  config.output_dir = (directory / "worker").string();
  LLEM_TRY(sys::make_directories(config.output_dir));
  LLEM_ASSIGN(const std::string config_path,
              write_document(directory / "worker" / "config.json", base::write_struct(config)));
  sys::CommandLine worker = command;
  worker.env["LLEM_CONFIG_PATH"] = config_path;
  for (const auto& [name, value] : config.deploy.env) {
    worker.env[name] = value;
  }
  sys::SpawnOptions options;
  options.stderr_path = (directory / "worker.log").string();
  options.cpu_affinity = config.deploy.cpu_affinity.value_or("");
  LLEM_ASSIGN(sys::Process process, sys::Process::spawn(worker, options));
  std::unique_ptr<WorkerEngine> engine(
      new WorkerEngine(std::move(process), directory, std::move(hooks)));
  engine->config_hash_ = config.config_hash;
  LLEM_TRY(engine->handshake(deadline));
  return engine;
}

WorkerEngine::~WorkerEngine() {
  process_.stop(Seconds(0));
}

Expected<void> WorkerEngine::handshake(MonotonicTime deadline) {
  LLEM_TRY(send(protocol::HostHello{}));
  LLEM_ASSIGN(hello_, expect<protocol::WorkerHello>(deadline, "hello"));
  const auto major = [](std::string_view version) { return version.substr(0, version.find('.')); };
  if (major(hello_.protocol) != major(protocol::kVersion)) {
    return engine_failure(fmt::format("the worker speaks protocol {}, this program {}",
                                      hello_.protocol, protocol::kVersion),
                          "protocol_error", "use a worker of the same version as llem");
  }
  // The exchange with the shortest round trip bounds the offset best (Cristian 1989): the worker's
  // stamp lies between our two, so its distance from their middle is at most half the round trip.
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kMostClockProbes; ++i) {
    if (i >= kClockProbes && clock_offset_.bound_ns <= kGoodBoundNs) {
      break;
    }
    const std::int64_t sent = to_ns(now());
    LLEM_TRY(send(protocol::ClockProbe{i, sent}));
    LLEM_ASSIGN(const auto answer, expect<protocol::ClockAnswer>(deadline, "clock"));
    const std::int64_t got = to_ns(now());
    if (got - sent < best) {
      best = got - sent;
      clock_offset_ = {answer.worker_ns - (sent + (got - sent) / 2), (got - sent + 1) / 2};
    }
  }
  return {};
}

Expected<void> WorkerEngine::load(MonotonicTime deadline) {
  LLEM_TRY(send(protocol::Load{}));
  LLEM_TRY(expect<protocol::Loaded>(deadline, "loaded"));
  return {};
}

Expected<protocol::PromptTokens> WorkerEngine::tokenize(const protocol::PromptRequest& request,
                                                        MonotonicTime deadline) {
  LLEM_ASSIGN(const std::string path,
              write_document(directory_ / "worker" / "prompts.json", base::write_struct(request)));
  LLEM_TRY(send(protocol::Tokenize{path}));
  LLEM_ASSIGN(const auto answer, expect<protocol::Tokenized>(deadline, "tokenized"));
  base::IntegerLists tokens{"tokens", {}};
  base::Json json;
  {
    LLEM_ASSIGN(const std::string text, sys::read_file(answer.path));
    LLEM_ASSIGN(json, base::parse_json(text, tokens));
  }
  LLEM_ASSIGN(auto prompts, base::read_json_struct<protocol::PromptTokens>(json, answer.path));
  if (tokens.lists.size() != prompts.prompts.size()) {
    return engine_failure(fmt::format("`{}` has prompts without tokens", answer.path),
                          "protocol_error");
  }
  for (std::size_t i = 0; i < prompts.prompts.size(); ++i) {
    prompts.prompts[i].tokens = std::move(tokens.lists[i]);
  }
  return prompts;
}

Expected<void> WorkerEngine::write_schedule(const std::string& label,
                                            protocol::Schedule schedule) const {
  base::IntegerLists tokens{"prompt_tokens", {}};
  for (protocol::SchedulePass& pass : schedule.passes) {
    for (protocol::ScheduledRequest& request : pass.requests) {
      tokens.lists.push_back(std::exchange(request.prompt_tokens, {}));
    }
  }
  return sys::write_file(schedule_path(label),
                         base::write_json(base::write_struct(schedule), tokens));
}

Expected<ServeOutcome> WorkerEngine::serve(const std::string& label, const protocol::Repeat& repeat,
                                           MonotonicTime deadline) {
  LLEM_TRY(send(protocol::ServeCommand{label, schedule_path(label).string(), repeat, true}));
  LLEM_ASSIGN(const protocol::Served served, await_served(deadline));
  ServeOutcome outcome;
  outcome.cancelled = served.cancelled;
  LLEM_ASSIGN(outcome.serve, read_serve(served));
  return outcome;
}

sys::Path WorkerEngine::schedule_path(const std::string& label) const {
  return directory_ / "worker" / fmt::format("schedule_{}.json", label);
}

Expected<protocol::Served> WorkerEngine::await_served(MonotonicTime deadline) {
  auto served = expect<protocol::Served>(deadline, "served");
  if (served || interrupt_ != StopRequest::stop) {
    return served;
  }
  LLEM_TRY(send(protocol::Cancel{}));
  return expect<protocol::Served>(after(kCancelLimit), "served after cancel");
}

Expected<domain::Serve> WorkerEngine::read_serve(const protocol::Served& served) const {
  LLEM_ASSIGN(auto file, read_serve_file(served.path));
  sys::release_free_memory();  // its text and tree
  domain::Serve serve;
  serve.label = file.label;
  serve.passes = file.passes;
  serve.token_time = file.token_time;
  serve.requests = std::move(file.requests);
  const std::int64_t offset = clock_offset_.offset_ns;
  const auto moved = [offset](std::int64_t t) { return t == 0 ? 0 : t - offset; };
  serve.t_begin_ns = moved(file.t_begin_ns);
  serve.t_end_ns = moved(file.t_end_ns);
  {
    LLEM_ASSIGN(const auto steps, read_integers(file.steps_path));
    constexpr std::size_t kStepNumbers = 6;
    if (steps.size() % kStepNumbers != 0) {
      return engine_failure("the step log is torn", "protocol_error");
    }
    serve.steps.reserve(steps.size() / kStepNumbers);
    for (std::size_t i = 0; i < steps.size(); i += kStepNumbers) {
      serve.steps.push_back({moved(steps[i]), moved(steps[i + 1]), steps[i + 2], steps[i + 3],
                             steps[i + 4], steps[i + 5]});
    }
  }
  LLEM_ASSIGN(serve.token_ns, read_integers(file.token_times_path));
  std::int64_t tokens = 0;
  for (domain::RequestRecord& request : serve.requests) {
    const std::int64_t have = static_cast<std::int64_t>(serve.token_ns.size()) - tokens;
    if (request.token_offset != tokens || request.output_tokens < 0 ||
        request.output_tokens > have) {
      return engine_failure(
          fmt::format("request {} does not account for its token times", request.id),
          "timeline_incomplete");
    }
    if (!in_order(request, file,
                  std::span(serve.token_ns)
                      .subspan(static_cast<std::size_t>(tokens),
                               static_cast<std::size_t>(request.output_tokens)))) {
      return engine_failure(fmt::format("the times of request {} are out of order", request.id),
                            "timeline_incomplete");
    }
    tokens += request.output_tokens;
    if (request.intended_ns) {
      request.intended_ns = moved(*request.intended_ns);
    }
    request.submitted_ns = moved(request.submitted_ns);
    request.started_ns = moved(request.started_ns);
    request.first_token_ns = moved(request.first_token_ns);
    request.end_ns = moved(request.end_ns);
  }
  if (tokens != static_cast<std::int64_t>(serve.token_ns.size())) {
    return engine_failure(fmt::format("the timeline counts {} tokens but has {} token times",
                                      tokens, serve.token_ns.size()),
                          "timeline_incomplete");
  }
  for (std::int64_t& t : serve.token_ns) {
    t = moved(t);
  }
  return serve;
}

Expected<void> WorkerEngine::idle_until(MonotonicTime until) {
  while (now() < until) {
    std::array<sys::Waitable, 3> waits{sys::Waitable{.fd = hooks_.interrupts.fd},
                                       sys::Waitable{.fd = process_.pidfd().get()},
                                       sys::Waitable{.fd = process_.output().get()}};
    LLEM_TRY(sys::wait_any(waits, std::min(until, after(hooks_.tick_period))));
    if (waits[0].ready) {
      interrupt_ = hooks_.interrupts.read();
      if (interrupt_ != StopRequest::none) {
        return interrupted_failure();
      }
    }
    if (waits[1].ready) {
      return tl::unexpected(death());
    }
    if (waits[2].ready) {
      LLEM_TRY(read_available());
      if (ended_) {
        return tl::unexpected(gone());
      }
    }
    hooks_.tick();
  }
  return {};
}

sys::Stopped WorkerEngine::stop(Seconds grace) {
  if (interrupt_ != StopRequest::kill && !process_.poll() && send(protocol::Stop{})) {
    // Reads `bye` and whatever the worker still says; only its end counts.
    const MonotonicTime deadline = after(grace);
    std::array<sys::Waitable, 1> waits{sys::Waitable{.fd = process_.pidfd().get()}};
    while (now() < deadline && !waits[0].ready) {
      if (!sys::wait_any(waits, std::min(deadline, after(hooks_.tick_period)))) {
        break;
      }
      hooks_.tick();
    }
  }
  return process_.stop(interrupt_ == StopRequest::kill ? Seconds(0) : grace);
}

Expected<protocol::WorkerResult> WorkerEngine::read_result() const {
  const sys::Path path = directory_ / "worker" / (config_hash_ + "_result.json");
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  LLEM_ASSIGN(const base::Json json, base::parse_json(text));
  return base::read_json_struct<protocol::WorkerResult>(json, path.string());
}

Expected<void> WorkerEngine::send(const protocol::HostMessage& message) {
  auto written = process_.write_all(protocol::to_line(message) + "\n", after(Seconds(5)));
  if (!written) {
    return tl::unexpected(gone());
  }
  return {};
}

Expected<void> WorkerEngine::read_available() {
  std::array<char, 1 << 16> buffer;
  while (!ended_) {
    const ssize_t got = ::read(process_.output().get(), buffer.data(), buffer.size());
    if (got > 0) {
      lines_.append({buffer.data(), static_cast<std::size_t>(got)});
      heard_ = now();
    } else if (got == 0) {
      ended_ = true;
    } else if (errno == EAGAIN) {
      return {};
    } else if (errno != EINTR) {
      return engine_failure(fmt::format("reading from the worker: {}", std::strerror(errno)),
                            "protocol_error");
    }
  }
  return {};
}

Expected<std::optional<protocol::WorkerMessage>> WorkerEngine::take_line() {
  while (true) {
    auto line = lines_.next();
    if (!line) {
      line.error().code = "protocol_error";
      return tl::unexpected(line.error());
    }
    if (!*line) {
      return std::optional<protocol::WorkerMessage>{};
    }
    auto message = protocol::parse_worker_line(**line);
    if (!message) {
      return engine_failure("the worker sent a line that is no message: " + message.error().message,
                            "protocol_error", "look at worker.log");
    }
    if (const auto* progress = std::get_if<protocol::Progress>(&*message)) {
      hooks_.progress(*progress);
    } else if (const auto* warning = std::get_if<protocol::Warning>(&*message)) {
      hooks_.warning(*warning);
    } else if (const auto* error = std::get_if<protocol::ErrorMessage>(&*message)) {
      return engine_failure(error->message, error->kind, error->detail);
    } else {
      return std::optional(*std::move(message));
    }
  }
}

/// Until the tick, or until silence lasts too long.
Seconds WorkerEngine::next_look() const {
  if (silence_ <= Seconds(0)) {
    return hooks_.tick_period;
  }
  const Seconds left = silence_ - Seconds(now() - heard_);
  return std::clamp(left, Seconds(0.001), hooks_.tick_period);
}

Expected<protocol::WorkerMessage> WorkerEngine::receive(MonotonicTime deadline) {
  heard_ = now();
  while (true) {
    LLEM_TRY(read_available());
    LLEM_ASSIGN(auto message, take_line());
    if (message) {
      return *std::move(message);
    }
    if (ended_) {
      return tl::unexpected(gone());
    }
    if (now() >= deadline) {
      return failure(ErrorKind::timeout, "the worker did not answer in time", "look at worker.log",
                     "worker_silent");
    }
    if (silence_ > Seconds(0) && now() - heard_ >= silence_) {
      return engine_failure(
          fmt::format("the worker said nothing for {:.3g} s", silence_.count()), "worker_silent",
          "look at worker.log; raise study.timeouts.silence_s when the machine is slow");
    }
    std::array<sys::Waitable, 3> waits{
        sys::Waitable{.fd = process_.output().get()}, sys::Waitable{.fd = process_.pidfd().get()},
        sys::Waitable{.fd = interrupt_ == StopRequest::kill ? -1 : hooks_.interrupts.fd}};
    LLEM_TRY(sys::wait_any(waits, std::min(deadline, after(next_look()))));
    if (waits[2].ready) {
      if (const StopRequest request = hooks_.interrupts.read(); request != StopRequest::none) {
        interrupt_ = request;
        return interrupted_failure();
      }
    }
    if (waits[1].ready && !waits[0].ready) {
      LLEM_TRY(read_available());
      LLEM_ASSIGN(auto last, take_line());
      if (last) {
        return *std::move(last);
      }
      return tl::unexpected(death());
    }
    hooks_.tick();
  }
}

template <class Message>
Expected<Message> WorkerEngine::expect(MonotonicTime deadline, const char* what) {
  LLEM_ASSIGN(auto message, receive(deadline));
  if (auto* wanted = std::get_if<Message>(&message)) {
    return std::move(*wanted);
  }
  return engine_failure(
      fmt::format("the worker should have sent `{}` but sent {}", what, protocol::to_line(message)),
      "protocol_error", "use a worker of the same version as llem");
}

/// A closed pipe means the worker is gone or going, and that nothing more can be said to it: its
/// own account is the better error, so it gets a moment to end.
Error WorkerEngine::gone() {
  std::array<sys::Waitable, 1> waits{sys::Waitable{.fd = process_.pidfd().get()}};
  if (auto ended = sys::wait_any(waits, after(kLastMoment)); !ended) {
    return ended.error();
  }
  return death();
}

Error WorkerEngine::death() {
  // An error message that was already on its way tells more than the exit status.
  if (read_available()) {
    if (auto line = take_line(); !line) {
      return line.error();
    }
  }
  const auto status = process_.poll();
  const std::string tail = log_tail();
  std::string message = status ? fmt::format("the worker ended: {}", sys::describe(*status))
                               : std::string("the worker closed its stream");
  if (lines_.pending() > 0) {
    message += fmt::format(" in the middle of a line ({} bytes)", lines_.pending());
  }
  if (!tail.empty()) {
    message += "; its last words: " + tail;
  }
  return Error{ErrorKind::engine, std::move(message), "look at worker.log", {}, "engine_died"};
}

std::string WorkerEngine::log_tail() const {
  constexpr std::streamoff kTail = 200;
  std::ifstream log(directory_ / "worker.log", std::ios::binary | std::ios::ate);
  const std::streamoff size = log.tellg();
  log.seekg(std::max<std::streamoff>(size - kTail, 0));
  const std::string end{std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()};
  std::string tail(base::trim(end));
  if (const auto newline = tail.find_last_of('\n'); newline != std::string::npos) {
    tail.erase(0, newline + 1);
  }
  return base::valid_utf8(tail);
}

}  // namespace llem::engines
