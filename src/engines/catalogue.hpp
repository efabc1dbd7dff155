#pragma once

// Owns: the engines there are and what each can be told: one table.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "domain/study_config.hpp"
#include "sys/file.hpp"

namespace llem::engines {

struct EngineInfo {
  domain::EngineKind kind;
  std::string_view name;
  std::string_view program;  // of its worker
  std::string_view summary;
  bool hidden;  // a test engine, left out of help
};

std::span<const EngineInfo> engines();
const EngineInfo& engine(domain::EngineKind kind);

/// A program that llem starts: in $LLEM_WORKER_DIR, else in ../libexec/llem beside this library,
/// else beside this program.
Expected<sys::Path> find_companion(std::string_view program);
Expected<sys::Path> find_worker(domain::EngineKind kind);

/// What the engine cannot do of a deployment as the user wrote it, found before anything starts:
/// unknown native arguments with the nearest name, choices it does not have, contradictions.
Expected<void> check_deployment(const domain::Deploy& deploy);

}  // namespace llem::engines
