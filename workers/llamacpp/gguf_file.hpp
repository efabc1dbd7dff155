#pragma once

// Owns: what a GGUF file's header says about a model, and whether the file is whole.

#include <string>

#include "domain/recording.hpp"

namespace llem::worker {

struct GgufFile {
  domain::ModelFacts
      facts;  // without parameters, bytes, file_type, vocabulary: the loaded model knows those
  bool has_tokenizer = false;
  bool plain_kv_cache =
      true;  // every layer caches kv_heads × head_width keys and values of the whole context
};

/// Errors: model_missing; bad_model for a file that is not GGUF, is cut short or cannot be parsed.
Expected<GgufFile> read_gguf(const std::string& path);

}  // namespace llem::worker
