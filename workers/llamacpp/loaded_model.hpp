#pragma once

// Owns: a model and its context in memory, from file to clean end.

#include <cstdint>
#include <llama.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llamacpp/engine_log.hpp"
#include "llamacpp/gguf_file.hpp"
#include "llamacpp/native_arguments.hpp"
#include "llamacpp/native_parameters.hpp"
#include "support/worker.hpp"

namespace llem::worker {

class LoadedModel {
 public:
  LoadedModel();
  ~LoadedModel();
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  /// Errors: model_missing, bad_model, bad_argument, out_of_memory, interrupted.
  Expected<void> open(const protocol::WorkerConfig& config, Notices& notices);
  LoadReport report() const;

  const llama_model* model() const { return model_.get(); }

  const llama_vocab* vocab() const { return llama_model_get_vocab(model_.get()); }

  llama_context* context() const { return context_.get(); }

  EngineLog& log() { return log_; }

 private:
  struct ModelDelete {
    void operator()(llama_model* model) const { llama_model_free(model); }
  };

  struct ContextDelete {
    void operator()(llama_context* context) const { llama_free(context); }
  };

  struct PoolDelete {
    void operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
  };

  using Pool = std::unique_ptr<ggml_threadpool, PoolDelete>;

  Expected<void> place_threads() const;
  Expected<void> load_model(const std::string& path, Notices& notices);
  std::optional<std::int64_t> plain_cache_bytes(std::int64_t tokens) const;
  std::int64_t cache_bytes() const;
  Expected<void> check_memory() const;
  Expected<void> open_context();
  Expected<void> attach_threads();
  Error engine_error(std::string what, std::string_view otherwise) const;
  domain::ModelFacts facts() const;

  EngineLog log_;
  NativeArguments declared_;
  NativeParameters given_;
  GgufFile file_;
  std::vector<ggml_backend_dev_t> devices_;  // GPUs in use; ends with a null when the user chose
  // Freed in the opposite order: the context uses the pools and the model.
  std::unique_ptr<llama_model, ModelDelete> model_;
  Pool pool_;
  Pool batch_pool_;
  std::unique_ptr<llama_context, ContextDelete> context_;
};

/// "0.5.0 (0c1e57098)": release and commit of the linked llama.cpp.
std::string llama_version_text();

}  // namespace llem::worker
