#pragma once

// Owns: the files a worker reads and writes. A written file appears whole or not at all.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "protocol/messages.hpp"
#include "support/serve_passes.hpp"

namespace llem::worker {

Expected<std::string> read_file(const std::string& path);
/// Writes `<path>.tmp` and renames. Not synced: the host keeps what matters in its own files.
Expected<void> write_file(const std::string& path, std::string_view content);
Expected<void> write_json_file(const std::string& path, const base::Json& json);

Expected<protocol::WorkerConfig> read_config(const std::string& path);
Expected<protocol::PromptRequest> read_prompt_request(const std::string& path);
/// Checks token ids and lengths as well. Token lists do not go through the field tables: they are
/// most of the file.
Expected<protocol::Schedule> read_schedule(const std::string& path);

/// Writes token times, steps and the serve file under `<stem>_….` names; returns the path of the
/// serve file.
Expected<std::string> write_serve(const std::string& stem, const std::string& label,
                                  const ServeRecord& record);

}  // namespace llem::worker
