#pragma once

// Owns: the one table from a native argument's name to where it goes and how it is read back.

#include <llama.h>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "llamacpp/engine_log.hpp"
#include "llamacpp/native_arguments.hpp"

namespace llem::worker {

/// Everything llama.cpp takes by value before a model and a context exist.
struct NativeParameters {
  llama_model_params model = llama_model_default_params();
  llama_context_params context = llama_context_default_params();
  ggml_threadpool_params pool = ggml_threadpool_params_default(1);
  ggml_numa_strategy numa = GGML_NUMA_STRATEGY_DISABLED;
  std::vector<float> tensor_split;
  std::vector<float> padded_split;  // what model.tensor_split points to
  std::vector<int> cpus;
};

/// The engine once it runs.
struct LiveEngine {
  const NativeParameters& given;
  const llama_model* model;
  llama_context* context;
  const EngineLog& log;
  bool has_device;  // a GPU is there for this build
};

Expected<void> apply_native(const NativeArguments& arguments, NativeParameters& parameters);

/// Every argument by name as the engine has it now.
base::Json effective_values(const LiveEngine& engine);

}  // namespace llem::worker
