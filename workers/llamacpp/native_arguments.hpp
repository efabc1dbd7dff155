#pragma once

// Owns: a deployment as the arguments llama.cpp is given. Does not know: llama.h.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "protocol/messages.hpp"

namespace llem::worker {

/// Native names and values; only what was chosen, the rest is the engine's own default.
using NativeArguments = std::map<std::string, base::Json>;

/// Canonical fields of `deploy` in the engine's words, with `deploy.llamacpp` on top.
/// context_length holds for one sequence: n_ctx is that, rounded up to the engine's cell of 256,
/// times n_seq_max.
Expected<NativeArguments> native_arguments(const protocol::WorkerConfig& config);

/// The CPUs of a list such as "0-3,8", ascending.
Expected<std::vector<int>> parse_cpu_list(std::string_view text);
/// The other way: {0,1,2,3,8} is "0-3,8".
std::string cpu_list(const std::vector<int>& cpus);

}  // namespace llem::worker
