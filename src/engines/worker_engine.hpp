#pragma once

// Owns: one worker process from spawn to certain end, and its side of the protocol. Every wait ends
// at a deadline, at the worker's death or at an interrupt; none waits for end-of-file alone. Does
// not know: meters, phases, results.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <llem/interrupt.hpp>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "protocol/messages.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace llem::engines {

/// What the caller wants done and told while the engine works.
struct Hooks {
  Interrupts interrupts;
  std::function<void()> tick = [] {};  // about every `tick_period`, outside the sampler's way
  Seconds tick_period{2};              // seldom: it also runs while the window is served
  std::function<void(const protocol::Progress&)> progress = [](const auto&) {};
  std::function<void(const protocol::Warning&)> warning = [](const auto&) {};
};

struct ServeOutcome {
  domain::Serve serve;
  bool cancelled = false;
};

class WorkerEngine {
 public:
  /// Starts the worker with `config` in `directory` (worker.log; worker/ for what the two tell each
  /// other in files) and shakes hands.
  static Expected<std::unique_ptr<WorkerEngine>> start(const sys::CommandLine& command,
                                                       protocol::WorkerConfig config,
                                                       const sys::Path& directory, Hooks hooks,
                                                       MonotonicTime deadline);
  ~WorkerEngine();

  Expected<void> load(MonotonicTime deadline);
  Expected<protocol::PromptTokens> tokenize(const protocol::PromptRequest& request,
                                            MonotonicTime deadline);
  /// What serve() of this label plays, as often as it is called.
  Expected<void> write_schedule(const std::string& label, protocol::Schedule schedule) const;
  /// Times in the outcome are on the host's clock. An interrupt cancels the serve; what was served
  /// so far is returned with `cancelled` set, and interrupted() is true.
  Expected<ServeOutcome> serve(const std::string& label, const protocol::Repeat& repeat,
                               MonotonicTime deadline);

  /// From now on a worker that says nothing for so long has failed; 0: it may be silent up to the
  /// deadline.
  void watch_silence(Seconds limit) { silence_ = limit; }

  /// Waits; an error when the worker dies or an interrupt comes meanwhile.
  Expected<void> idle_until(MonotonicTime until);
  /// Asks the worker to end, then makes sure of it.
  sys::Stopped stop(Seconds grace);
  /// The worker's account of itself: after load, and complete after stop.
  Expected<protocol::WorkerResult> read_result() const;

  const protocol::WorkerHello& hello() const { return hello_; }

  const domain::ClockOffset& clock_offset() const { return clock_offset_; }

  int process_group() const { return process_.pid(); }

  bool interrupted() const { return interrupt_ != StopRequest::none; }

 private:
  WorkerEngine(sys::Process process, sys::Path directory, Hooks hooks)
      : process_(std::move(process)), directory_(std::move(directory)), hooks_(std::move(hooks)) {}

  Expected<void> send(const protocol::HostMessage& message);
  Expected<protocol::WorkerMessage> receive(MonotonicTime deadline);
  template <class Message>
  Expected<Message> expect(MonotonicTime deadline, const char* what);
  Expected<std::optional<protocol::WorkerMessage>> take_line();
  Expected<void> read_available();
  Expected<void> handshake(MonotonicTime deadline);
  Expected<protocol::Served> await_served(MonotonicTime deadline);
  Expected<domain::Serve> read_serve(const protocol::Served& served) const;
  Seconds next_look() const;
  sys::Path schedule_path(const std::string& label) const;
  Error gone();
  Error death();
  std::string log_tail() const;

  sys::Process process_;
  sys::Path directory_;
  Hooks hooks_;
  std::string config_hash_;
  protocol::LineBuffer lines_;
  protocol::WorkerHello hello_;
  domain::ClockOffset clock_offset_;
  StopRequest interrupt_ = StopRequest::none;
  Seconds silence_{0};
  MonotonicTime heard_;
  bool ended_ = false;  // end of the protocol stream was seen
};

/// Removes what host and worker exchanged in a trial's directory once the recording holds it; the
/// worker's own account
/// (`<hash>_result.json`) and its log stay.
void remove_exchanged_files(const sys::Path& directory);

/// Waits until a time or an interrupt, calling the tick; true when interrupted.
Expected<StopRequest> wait_until(MonotonicTime until, const Hooks& hooks);

}  // namespace llem::engines
