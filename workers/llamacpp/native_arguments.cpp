#include "llamacpp/native_arguments.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/text.hpp"
#include "engines/llamacpp_arguments.hpp"

namespace llem::worker {

namespace {

using base::Json;

// llama.cpp rounds the context of a sequence up to this (llama-context.cpp, GGML_PAD of n_ctx_seq).
constexpr std::int64_t kContextCell = 256;
// llama_context_default_params().n_batch; a smaller n_batch is the user's own.
constexpr std::int64_t kDefaultBatch = 2048;
constexpr int kMostCpus = 512;  // GGML_MAX_N_THREADS

tl::unexpected<Error> bad_argument(std::string message, std::string hint = {}) {
  return failure(ErrorKind::engine, std::move(message), std::move(hint), "bad_argument");
}

class Mapping {
 public:
  explicit Mapping(const protocol::WorkerConfig& config)
      : config_(config), native_(config.deploy.llamacpp.begin(), config.deploy.llamacpp.end()) {}

  Expected<NativeArguments> run() {
    map_sequences();
    LLEM_TRY(map_context());
    map_batch();
    map_threads();
    map_attention();
    LLEM_TRY(check());
    return std::move(native_);
  }

 private:
  void fill(std::string_view name, Json value) { native_.emplace(name, std::move(value)); }

  template <class T>
  void fill(std::string_view name, const std::optional<T>& value) {
    if (value) {
      fill(name, Json(*value));
    }
  }

  std::optional<std::int64_t> integer(std::string_view name) const {
    const auto found = native_.find(std::string(name));
    return found == native_.end() ? std::nullopt : std::optional(found->second.integer());
  }

  void map_sequences() { fill("n_seq_max", Json(config_.deploy.batch_size)); }

  Expected<void> map_context() {
    const std::int64_t tokens = config_.deploy.context_length.value_or(config_.max_request_tokens);
    if (native_.contains("n_ctx") || tokens <= 0) {
      return {};
    }
    const std::int64_t cells = (tokens + kContextCell - 1) / kContextCell * kContextCell;
    const std::int64_t sequences = *integer("n_seq_max");
    if (cells > std::numeric_limits<std::uint32_t>::max() / sequences) {
      return bad_argument(fmt::format("{} sequences of {} tokens are more than llama.cpp can count",
                                      sequences, tokens),
                          "lower batch_size or context_length");
    }
    fill("n_ctx", Json(cells * sequences));
    return {};
  }

  void map_batch() {
    fill("n_batch", config_.deploy.max_batched_tokens);
    fill("n_ubatch", config_.deploy.micro_batch_tokens);
  }

  void map_threads() {
    fill("n_threads", config_.deploy.threads);
    fill("n_threads_batch", config_.deploy.threads);
    fill("cpumask", config_.deploy.cpu_affinity);
    if (config_.deploy.numa != "disabled") {
      fill("numa", Json(config_.deploy.numa));
    }
  }

  void map_attention() {
    if (config_.deploy.attention != domain::Attention::automatic) {
      const bool flash = config_.deploy.attention == domain::Attention::flash;
      fill("flash_attn", Json(flash ? "enabled" : "disabled"));
    }
    if (config_.deploy.kv_cache.dtype != "auto") {
      fill("type_k", Json(config_.deploy.kv_cache.dtype));
      fill("type_v", Json(config_.deploy.kv_cache.dtype));
    }
  }

  Expected<void> check_value(const std::string& name, const Json& value) const {
    const engines::LlamacppArgument* argument = engines::find_llamacpp_argument(name);
    LLEM_ASSERT(argument != nullptr, "every canonical field maps to a known argument");
    const Expected<void> fits = engines::check_llamacpp_value(*argument, value);
    if (fits) {
      return {};
    }
    if (config_.deploy.llamacpp.contains(name)) {
      return bad_argument(fits.error().message);
    }
    return bad_argument(fmt::format("`deploy.{}` does not fit llama.cpp: {}", argument->canonical,
                                    fits.error().message));
  }

  Expected<void> check() const {
    for (const auto& [name, value] : native_) {
      LLEM_TRY(check_value(name, value));
    }
    const std::int64_t rows = integer("n_batch").value_or(kDefaultBatch);
    if (rows < config_.deploy.batch_size) {
      return bad_argument(
          fmt::format("a step of {} tokens (max_batched_tokens) cannot hold one token for each of "
                      "{} sequences (batch_size)",
                      rows, config_.deploy.batch_size));
    }
    if (const auto cpus = native_.find("cpumask"); cpus != native_.end()) {
      LLEM_TRY(parse_cpu_list(cpus->second.string()));
    }
    return {};
  }

  const protocol::WorkerConfig& config_;
  NativeArguments native_;
};

}  // namespace

Expected<NativeArguments> native_arguments(const protocol::WorkerConfig& config) {
  LLEM_TRY(engines::check_llamacpp_arguments(config.deploy, engines::DeployState::resolved));
  return Mapping(config).run();
}

Expected<std::vector<int>> parse_cpu_list(std::string_view text) {
  std::vector<int> cpus;
  for (const std::string_view part : base::split(text, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = base::parse_integer(base::trim(part.substr(0, dash)));
    const auto last = dash == std::string_view::npos
                          ? first
                          : base::parse_integer(base::trim(part.substr(dash + 1)));
    if (!first || !last || *first < 0 || *last < *first || *last >= kMostCpus) {
      return bad_argument(fmt::format("`{}` is no list of CPUs", text), "write it as 0-3,8");
    }
    for (auto cpu = static_cast<int>(*first); cpu <= static_cast<int>(*last); ++cpu) {
      cpus.push_back(cpu);
    }
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string cpu_list(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    std::size_t end = i;
    while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1) {
      ++end;
    }
    text += text.empty() ? "" : ",";
    text += end == i ? fmt::format("{}", cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[end]);
    i = end;
  }
  return text;
}

}  // namespace llem::worker
