#pragma once

// Owns: prompts as token ids of the loaded model: texts, with its chat template or without, and
// made ones of exact lengths.

#include <llama.h>

#include "protocol/messages.hpp"
#include "support/worker.hpp"

namespace llem::worker {

Expected<protocol::PromptTokens> make_prompts(const llama_model* model,
                                              const protocol::PromptRequest& request,
                                              Notices& notices);

}  // namespace llem::worker
