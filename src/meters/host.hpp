#pragma once

// Owns: what the host's kernel counts: CPU seconds and memory of the machine or its control group,
// and of the worker's process group.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "meters/opened.hpp"
#include "sys/file.hpp"

namespace llem::meters {

Opened open_host(const MeterOptions& options, const sys::Path& root);

/// As make_process_meter, below another root.
std::unique_ptr<Meter> make_process_meter(int process_group, const sys::Path& root);

namespace host {

/// The first line of /proc/stat in clock ticks.
struct CpuTicks {
  std::uint64_t busy = 0;   // user, nice, system, irq, softirq; guests are part of user
  std::uint64_t steal = 0;  // taken by the hypervisor
};

std::optional<CpuTicks> parse_cpu_ticks(std::string_view stat) noexcept;

/// The number after `key` in "key: 123 kB" or "key 123" lines.
std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) noexcept;

/// What of /proc/<pid>/stat is used. The command's name may hold anything, so fields count from the
/// last ')'.
struct ProcessStat {
  int parent = 0;
  int group = 0;
  std::uint64_t own_ticks = 0;       // user and system time
  std::uint64_t children_ticks = 0;  // of children that ended and were waited for
  std::uint64_t resident_pages = 0;
};

std::optional<ProcessStat> parse_process_stat(std::string_view text) noexcept;

/// Files that say how much memory this process's control group has and uses; empty paths: it is not
/// limited.
struct MemoryGroup {
  sys::Path usage;                  // memory.current, memory.usage_in_bytes
  sys::Path statistics;             // memory.stat
  std::string_view inactive_key{};  // reclaimable page cache in it
};

MemoryGroup find_memory_group(const sys::Path& root);

}  // namespace host
}  // namespace llem::meters
