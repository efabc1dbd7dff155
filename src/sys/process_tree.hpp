#pragma once

// Owns: which of the machine's processes descend from one of ours. Pure but for the functions named
// read_*.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace llem::sys {

struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;  // since boot: with the pid, an identity that is never reused

  bool ended() const { return state == 'Z' || state == 'X'; }
};

/// One line of /proc/PID/stat.
std::optional<ProcessEntry> parse_process_stat(std::string_view text);
std::optional<ProcessEntry> read_process(pid_t pid);
std::vector<ProcessEntry> read_process_table();

/// Whether the text of /proc/PID/environ carries `mark` in kTrialVariable.
bool environment_has_mark(std::string_view environ_text, std::string_view mark);
bool process_has_mark(pid_t pid, std::string_view mark);

struct Leader {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
};

/// The processes that belong to `leader`, itself not among them: those in its group or session,
/// those in `known` that still are the same process, those `has_mark` names, and all their
/// descendants. Ended ones that nobody has reaped are included. `self` and processes older than the
/// leader never belong.
std::vector<ProcessEntry> members_of(const std::vector<ProcessEntry>& table, Leader leader,
                                     const std::vector<ProcessEntry>& known, pid_t self,
                                     const std::function<bool(pid_t)>& has_mark);

/// All live descendants of `ancestor` in the table.
std::vector<pid_t> descendants_of(const std::vector<ProcessEntry>& table, pid_t ancestor);

}  // namespace llem::sys
