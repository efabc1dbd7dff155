#include "support/worker.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "support/engine_files.hpp"

namespace llem::worker {

namespace {

constexpr int kExitError = 1;
constexpr int kExitHostGone = 3;
constexpr std::int64_t kProgressEveryNs = 250'000'000;
constexpr std::int64_t kBytesPerKib = 1024;

/// A log on a full disk must not end the worker.
void log_line(std::string_view level, std::string_view text) {
  std::fputs(fmt::format("{}: {}\n", level, text).c_str(), stderr);
}

std::string_view major_of(std::string_view version) {
  return version.substr(0, version.find('.'));
}

/// Handles one message after the other; the overloads of handle() are the protocol.
class Session {
 public:
  Session(HostLink& link, const protocol::WorkerConfig& config, Engine& engine)
      : link_(link),
        config_(config),
        engine_(engine),
        notices_(link),
        stem_(config.output_dir + "/" + config.config_hash) {}

  Expected<int> run() {
    LLEM_TRY(greet());
    while (!stopped_) {
      LLEM_ASSIGN(const auto message, link_.receive());
      if (!message) {
        return kExitHostGone;
      }
      LLEM_TRY(std::visit([this](const auto& typed) { return handle(typed); }, *message));
    }
    return 0;
  }

 private:
  Expected<void> greet() {
    const Identity identity = engine_.identity();
    domain::WorkerFacts& facts = result_.worker;
    facts.worker = identity.worker;
    facts.engine = identity.engine;
    facts.engine_version = identity.engine_version;
    facts.protocol = identity.protocol;
    facts.capabilities = identity.capabilities;
    facts.pid = ::getpid();
    facts.declared = facts.effective = base::Json::object();
    return link_.send(protocol::WorkerHello{facts.protocol, facts.worker, facts.engine,
                                            facts.engine_version, facts.pid, facts.capabilities});
  }

  Expected<void> handle(const protocol::HostHello& hello) {
    if (major_of(hello.protocol) != major_of(protocol::kVersion)) {
      return failure(ErrorKind::engine,
                     fmt::format("the host speaks protocol {}, this worker {}", hello.protocol,
                                 protocol::kVersion),
                     "use a worker of the host's version", "protocol_error");
    }
    return {};
  }

  Expected<void> handle(const protocol::ClockProbe& probe) {
    return link_.send(protocol::ClockAnswer{probe.sequence, probe.host_ns, now_ns()});
  }

  Expected<void> handle(const protocol::Load&) {
    if (loaded_) {
      return failure(ErrorKind::engine, "the model is already loaded", {}, "protocol_error");
    }
    domain::WorkerFacts& facts = result_.worker;
    facts.load_begin_ns = now_ns();
    LLEM_ASSIGN(LoadReport report, engine_.load(config_, notices_));
    facts.load_end_ns = now_ns();
    facts.declared = std::move(report.declared);
    facts.effective = std::move(report.effective);
    facts.memory_after_load_bytes = report.memory_bytes;
    facts.kv_cache_bytes = report.kv_cache_bytes;
    facts.compute_buffer_bytes = report.compute_buffer_bytes;
    result_.model = std::move(report.model);
    loaded_ = true;
    LLEM_TRY(write_result());
    LLEM_TRY(link_.send(protocol::Loaded{facts.load_begin_ns, facts.load_end_ns}));
    engine_.reached(Moment::loaded, link_);
    return {};
  }

  Expected<void> handle(const protocol::Tokenize& command) {
    LLEM_TRY(require_model("tokenize"));
    LLEM_ASSIGN(const auto request, read_prompt_request(command.path));
    LLEM_ASSIGN(const auto tokens, engine_.tokenize(request, notices_));
    const std::string path = fmt::format("{}_tokens_{}.json", stem_, ++token_files_);
    LLEM_TRY(write_json_file(path, base::write_struct(tokens)));
    return link_.send(protocol::Tokenized{path});
  }

  Expected<void> handle(const protocol::ServeCommand& command) {
    LLEM_TRY(require_model("serve"));
    LLEM_ASSIGN(const auto schedule, read_schedule(command.schedule_path));
    Interrupt interrupt([this] { return link_.poll_interrupt(); });
    LLEM_ASSIGN(const ServeRecord record, engine_.serve(schedule, command, interrupt));
    const std::string stem = fmt::format("{}_{}_{}", stem_, result_.serves.size() + 1,
                                         base::file_name_from(command.label));
    LLEM_ASSIGN(const std::string path, write_serve(stem, command.label, record));
    result_.serves.push_back(path);
    if (record.evictions > 0) {
      notices_.warn("kv_cache_full",
                    fmt::format("the KV cache was full {} times: a request had to give its place "
                                "back and was computed again",
                                record.evictions));
    }
    LLEM_TRY(
        link_.send(protocol::Served{command.label, record.serve.passes, record.serve.t_begin_ns,
                                    record.serve.t_end_ns, record.cancelled, path}));
    engine_.reached(Moment::served, link_);
    return {};
  }

  /// The serve it meant has already ended.
  Expected<void> handle(const protocol::Cancel&) { return {}; }

  Expected<void> handle(const protocol::Stop&) {
    stopped_ = true;
    LLEM_TRY(write_result());
    return link_.send(protocol::Bye{});
  }

  Expected<void> require_model(std::string_view what) const {
    if (!loaded_) {
      return failure(ErrorKind::engine, fmt::format("{} before load", what), {}, "protocol_error");
    }
    return {};
  }

  Expected<void> write_result() {
    result_.worker.peak_rss_bytes = own_memory_bytes("VmHWM");
    return write_json_file(stem_ + "_result.json", base::write_struct(result_));
  }

  HostLink& link_;
  const protocol::WorkerConfig& config_;
  Engine& engine_;
  Notices notices_;
  std::string stem_;
  protocol::WorkerResult result_;
  bool loaded_ = false;
  bool stopped_ = false;
  int token_files_ = 0;
};

}  // namespace

void Notices::warn(std::string code, std::string text) {
  log_line("warning", text);
  // A host that is gone is noticed by the next receive().
  static_cast<void>(link_.send(protocol::Warning{std::move(code), std::move(text)}));
}

void Notices::progress(std::string_view phase, double done, double total) {
  const std::int64_t now = now_ns();
  if (now - last_ns_ < kProgressEveryNs && done < total) {
    return;
  }
  last_ns_ = now;
  static_cast<void>(link_.send(protocol::Progress{std::string(phase), done, total, now}));
}

int run_worker(HostLink& link, const protocol::WorkerConfig& config, Engine& engine) {
  const Expected<int> code = Session(link, config, engine).run();
  if (code) {
    return *code;
  }
  return link.ended() ? kExitHostGone : report(link, code.error());
}

Expected<protocol::WorkerConfig> read_own_config() {
  const char* path = std::getenv("LLEM_CONFIG_PATH");  // NOLINT(concurrency-mt-unsafe)
  if (path == nullptr || *path == '\0') {
    return failure(ErrorKind::usage, "LLEM_CONFIG_PATH is not set",
                   "this program is started by llem; workers/PROTOCOL.md tells how",
                   "bad_argument");
  }
  LLEM_ASSIGN(auto config, read_config(path));
  if (major_of(config.protocol) != major_of(protocol::kVersion)) {
    return failure(ErrorKind::engine,
                   fmt::format("the host speaks protocol {}, this worker {}", config.protocol,
                               protocol::kVersion),
                   "use a worker of the host's version", "protocol_error");
  }
  return config;
}

int report(HostLink& link, const Error& error) {
  std::string detail = error.hint;
  for (const std::string& place : error.context) {
    detail += (detail.empty() ? "" : "\n") + place;
  }
  log_line("error", error.message);
  static_cast<void>(link.send(
      protocol::ErrorMessage{error.code.empty() ? "internal" : error.code, error.message, detail}));
  return kExitError;
}

std::optional<std::int64_t> own_memory_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') {
      continue;
    }
    const std::string_view rest = base::trim(std::string_view(line).substr(name.size() + 1));
    const auto kib = base::parse_integer(rest.substr(0, rest.find(' ')));
    return kib ? std::optional(*kib * kBytesPerKib) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace llem::worker
