#include "llamacpp/loaded_model.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "llamacpp/devices.hpp"
#include "llamacpp/free_memory.hpp"

namespace llem::worker {

namespace {

using base::Json;

LogSeverity severity_of(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return LogSeverity::error;
    case GGML_LOG_LEVEL_WARN:
      return LogSeverity::warning;
    case GGML_LOG_LEVEL_NONE:
    case GGML_LOG_LEVEL_DEBUG:
    case GGML_LOG_LEVEL_INFO:
    case GGML_LOG_LEVEL_CONT:
      return LogSeverity::detail;
  }
  return LogSeverity::detail;
}

void take_log(ggml_log_level level, const char* text, void* user) {
  const LogSeverity severity = severity_of(level);
  static_cast<EngineLog*>(user)->take(severity, text);
  if (severity != LogSeverity::detail) {
    std::fputs(text, stderr);
  }
}

bool tells_of_memory(std::string_view text) {
  const std::string lowered = base::lower(text);
  return lowered.find("alloc") != std::string::npos ||
         lowered.find("out of memory") != std::string::npos;
}

/// "llama_model_load: error loading model: …" without the name of the function.
std::string without_function(std::string_view line) {
  const std::size_t colon = line.find(": ");
  const bool named =
      colon != std::string_view::npos && line.substr(0, colon).find(' ') == std::string_view::npos;
  return std::string(named ? line.substr(colon + 2) : line);
}

}  // namespace

LoadedModel::LoadedModel() {
  llama_log_set(take_log, &log_);
}

LoadedModel::~LoadedModel() {
  if (context_) {
    llama_detach_threadpool(context_.get());
  }
  context_.reset();
  model_.reset();
  llama_log_set(nullptr, nullptr);
}

Expected<void> LoadedModel::open(const protocol::WorkerConfig& config, Notices& notices) {
  LLEM_ASSIGN(declared_, native_arguments(config));
  LLEM_TRY(apply_native(declared_, given_));
  LLEM_ASSIGN(file_, read_gguf(config.model_path));
  if (!file_.has_tokenizer) {
    return failure(ErrorKind::engine, fmt::format("`{}` has no tokenizer", config.model_path),
                   "convert the model again, with its vocabulary", "bad_model");
  }
  LLEM_TRY(place_threads());
  make_devices_visible(config.deploy.devices);
  llama_backend_init();
  ggml_backend_load_all();
  llama_numa_init(given_.numa);
  LLEM_ASSIGN(devices_, choose_devices_of(config.deploy.devices));
  if (!config.deploy.devices.empty()) {
    devices_.push_back(nullptr);
    given_.model.devices = devices_.data();
  }
  LLEM_TRY(load_model(config.model_path, notices));
  LLEM_TRY(check_memory());
  LLEM_TRY(open_context());
  return attach_threads();
}

/// Before the first thread starts, so that all of them inherit it.
Expected<void> LoadedModel::place_threads() const {
  if (given_.cpus.empty()) {
    return {};
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  for (const int cpu : given_.cpus) {
    CPU_SET(static_cast<std::size_t>(cpu), &allowed);
  }
  if (::sched_setaffinity(0, sizeof allowed, &allowed) != 0) {
    return failure(
        ErrorKind::engine,
        fmt::format("cannot run on CPUs {}: {}", cpu_list(given_.cpus), std::strerror(errno)),
        "choose CPUs that this machine has and this process may use", "bad_argument");
  }
  return {};
}

Error LoadedModel::engine_error(std::string what, std::string_view otherwise) const {
  const std::string words = log_.last_errors();
  const bool memory = tells_of_memory(words);
  Error error{ErrorKind::engine, std::move(what), words, {}, std::string(otherwise)};
  if (!words.empty()) {
    // The first of them is the cause; the rest is what followed from it.
    error.message += ": " + without_function(words.substr(0, words.find('\n')));
  }
  if (memory) {
    error.code = "out_of_memory";
    error.hint = "lower batch_size, context_length or kv_cache.dtype\n" + words;
  }
  return error;
}

Expected<void> LoadedModel::load_model(const std::string& path, Notices& notices) {
  struct Watch {
    Notices& notices;
    bool unwanted = false;
  } watch{notices};

  given_.model.progress_callback_user_data = &watch;
  given_.model.progress_callback = [](float done, void* user) {
    auto& watching = *static_cast<Watch*>(user);
    watching.notices.progress("load", static_cast<double>(done), 1);
    watching.unwanted = watching.unwanted || watching.notices.unwanted();
    return !watching.unwanted;
  };
  log_.forget_errors();
  model_.reset(llama_model_load_from_file(path.c_str(), given_.model));
  if (watch.unwanted) {
    return failure(ErrorKind::engine, "loading was cancelled", {}, "interrupted");
  }
  if (!model_) {
    return tl::unexpected<Error>(
        engine_error(fmt::format("llama.cpp could not load `{}`", path), "bad_model"));
  }
  if (llama_model_has_encoder(model_.get()) || !llama_model_has_decoder(model_.get()) ||
      llama_model_is_diffusion(model_.get())) {
    return failure(ErrorKind::engine,
                   fmt::format("`{}` does not generate text token by token", path),
                   "encoder and diffusion models cannot be served", "bad_model");
  }
  return {};
}

/// Keys and values of `tokens` tokens, where every layer caches them all.
std::optional<std::int64_t> LoadedModel::plain_cache_bytes(std::int64_t tokens) const {
  const domain::ModelFacts& facts = file_.facts;
  if (!file_.plain_kv_cache || !facts.layers || !facts.kv_heads || !facts.head_width ||
      llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get())) {
    return std::nullopt;
  }
  const std::int64_t values = tokens * *facts.layers * *facts.kv_heads * *facts.head_width;
  const auto bytes = [values](ggml_type type) {
    return values / ggml_blck_size(type) * static_cast<std::int64_t>(ggml_type_size(type));
  };
  return bytes(given_.context.type_k) + bytes(given_.context.type_v);
}

/// llama.cpp writes zeros over a new KV cache, so one that does not fit would not fail but wake the
/// kernel's OOM killer.
Expected<void> LoadedModel::check_memory() const {
  const llama_context_params& context = given_.context;
  const std::int64_t tokens =
      context.n_ctx == 0 ? llama_model_n_ctx_train(model_.get()) : std::int64_t{context.n_ctx};
  const auto needed = plain_cache_bytes(tokens);
  const auto free = free_memory_bytes();
  if (!needed || !free || *needed <= *free || !devices_.empty()) {
    return {};
  }
  return failure(
      ErrorKind::engine,
      fmt::format("the KV cache of {} sequences, {} tokens together, needs {}; {} are free",
                  context.n_seq_max, tokens, base::format_bytes(static_cast<double>(*needed)),
                  base::format_bytes(static_cast<double>(*free))),
      "lower batch_size, context_length or kv_cache.dtype", "out_of_memory");
}

/// The log rounds to 0.01 MiB; where the shape says the same to within that, the shape is exact.
std::int64_t LoadedModel::cache_bytes() const {
  constexpr std::int64_t kRounding = 5300;
  const std::int64_t told = log_.cache_bytes();
  const auto plain = plain_cache_bytes(llama_n_ctx(context_.get()));
  return plain && std::abs(*plain - told) <= kRounding ? *plain : told;
}

Expected<void> LoadedModel::open_context() {
  // One output a sequence and step: room for the logits of every prompt token would be gigabytes.
  given_.context.n_outputs_max = given_.context.n_seq_max;
  given_.context.no_perf = true;
  log_.forget_errors();
  context_.reset(llama_init_from_model(model_.get(), given_.context));
  if (!context_) {
    return tl::unexpected<Error>(
        engine_error("llama.cpp could not make a context", "bad_argument"));
  }
  return {};
}

/// Without a pool of its own llama.cpp would start new threads for every step where it is built
/// without OpenMP.
Expected<void> LoadedModel::attach_threads() {
  const int threads = llama_n_threads(context_.get());
  const int batch_threads = llama_n_threads_batch(context_.get());
  const auto make = [this](int count) {
    ggml_threadpool_params params = given_.pool;
    params.n_threads = count;
    return Pool(ggml_threadpool_new(&params));
  };
  pool_ = make(threads);
  if (batch_threads != threads) {
    batch_pool_ = make(batch_threads);
  }
  if (!pool_ || (batch_threads != threads && !batch_pool_)) {
    return failure(ErrorKind::engine, fmt::format("cannot start {} threads", threads), {},
                   "bad_argument");
  }
  llama_attach_threadpool(context_.get(), pool_.get(), batch_pool_.get());
  return {};
}

domain::ModelFacts LoadedModel::facts() const {
  domain::ModelFacts facts = file_.facts;
  facts.parameters = static_cast<std::int64_t>(llama_model_n_params(model_.get()));
  facts.bytes = static_cast<std::int64_t>(llama_model_size(model_.get()));
  facts.file_type = llama_ftype_name(llama_model_ftype(model_.get()));
  facts.vocabulary = llama_vocab_n_tokens(vocab());
  if (llama_model_n_swa(model_.get()) > 0) {
    facts.sliding_window = llama_model_n_swa(model_.get());
  }
  return facts;
}

LoadReport LoadedModel::report() const {
  LoadReport report;
  for (const auto& [name, value] : declared_) {
    report.declared[name] = value;
  }
  report.effective =
      effective_values({given_, model_.get(), context_.get(), log_, !devices_.empty()});
  report.effective["n_ctx_seq"] = Json(std::int64_t{llama_n_ctx_seq(context_.get())});
  report.effective["devices"] = device_names(devices_);
  report.effective["system_info"] = Json(std::string(base::trim(llama_print_system_info())));
  report.model = facts();
  report.kv_cache_bytes = cache_bytes();
  report.compute_buffer_bytes = log_.compute_bytes();
  report.memory_bytes = log_.model_bytes() + cache_bytes() + log_.compute_bytes();
  return report;
}

std::string llama_version_text() {
  return fmt::format("{} ({})", llama_version(), ggml_commit());
}

}  // namespace llem::worker
