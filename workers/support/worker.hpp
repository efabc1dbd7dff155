#pragma once

// Owns: the life of a worker from hello to bye. Takes: an engine. Does not know: which one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "domain/recording.hpp"
#include "protocol/messages.hpp"
#include "support/host_link.hpp"
#include "support/interrupt.hpp"
#include "support/serve_passes.hpp"

namespace llem::worker {

struct Identity {
  std::string worker;
  std::string engine;
  std::string engine_version;
  std::vector<std::string> capabilities;
  std::string protocol{protocol::kVersion};
};

/// What an engine tells about itself once its model is there.
struct LoadReport {
  base::Json declared = base::Json::object();
  base::Json effective = base::Json::object();
  domain::ModelFacts model;
  std::optional<std::int64_t> memory_bytes;
  std::optional<std::int64_t> kv_cache_bytes;
  std::optional<std::int64_t> compute_buffer_bytes;
};

/// What an engine may tell the host while it loads or tokenises; never inside a serve.
class Notices {
 public:
  explicit Notices(HostLink& link) : link_(link) {}

  void warn(std::string code, std::string text);
  /// At most four a second reach the host.
  void progress(std::string_view phase, double done, double total);

  /// The host wants this worker gone.
  bool unwanted() { return link_.poll_interrupt(); }

 private:
  HostLink& link_;
  std::int64_t last_ns_ = 0;
};

/// Where a worker stands; the test engine injects its faults here.
enum class Moment { loaded, served };

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Identity identity() const = 0;
  virtual Expected<LoadReport> load(const protocol::WorkerConfig& config, Notices& notices) = 0;
  virtual Expected<protocol::PromptTokens> tokenize(const protocol::PromptRequest& request,
                                                    Notices& notices) = 0;
  virtual Expected<ServeRecord> serve(const protocol::Schedule& schedule,
                                      const protocol::ServeCommand& command,
                                      Interrupt& interrupt) = 0;

  /// Called after the host was told.
  virtual void reached(Moment /*moment*/, HostLink& /*link*/) {}
};

/// Serves the host until stop, the end of the input or an error, and returns the exit code: 0 after
/// stop, 1 after an error that was reported, 3 when the host went away.
int run_worker(HostLink& link, const protocol::WorkerConfig& config, Engine& engine);

/// The configuration that $LLEM_CONFIG_PATH names.
Expected<protocol::WorkerConfig> read_own_config();

/// Tells the host; returns the exit code.
int report(HostLink& link, const Error& error);

/// A line of /proc/self/status in bytes, such as "VmHWM".
std::optional<std::int64_t> own_memory_bytes(std::string_view name);

}  // namespace llem::worker
