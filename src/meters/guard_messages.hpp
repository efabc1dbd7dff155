#pragma once

// Owns: what llem and the device guard tell each other, one JSON document a line. llem sends the
// order; the guard answers when it is ready to put the devices back; then it waits for a word or
// the end of the stream, puts them back, and tells the outcome.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"

namespace llem::meters {

inline constexpr std::string_view kGuardProgram = "llem-device-guard";
/// llem's two words. Anything else, and the end of the stream, means to restore.
inline constexpr std::string_view kGuardRestore = "restore\n";
inline constexpr std::string_view kGuardDiscard = "discard\n";  // nothing was changed

struct GuardOrder {
  std::string library;               // of NVML
  std::vector<std::string> devices;  // as Gpu::id() has them
  bool power_limit = false;          // what will be changed
  bool sm_clock = false;
  bool memory_clock = false;
  std::string lock_directory;  // one guard a device and machine
  std::string report;          // file for the outcome when nobody reads it any more
  static const base::Table& table();
};

/// How a device was before.
struct OriginalState {
  std::string device;
  std::optional<std::int64_t> power_limit_mw;
  bool unlock_sm = false;
  bool unlock_memory = false;
  static const base::Table& table();
};

struct GuardReady {
  std::int64_t pid = 0;
  std::vector<OriginalState> originals;
  std::optional<std::string> error;  // it could not get ready and has ended
  std::optional<std::string> hint;
  static const base::Table& table();
};

struct GuardOutcome {
  bool restored = false;
  std::vector<OriginalState> originals;
  std::optional<std::string> error;
  static const base::Table& table();
};

}  // namespace llem::meters
