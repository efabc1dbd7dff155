#pragma once

// Owns: how much memory this process may still take.

#include <cstdint>
#include <optional>
#include <string>

namespace llem::worker {

/// The smaller of what the kernel calls available and what is left to this process's control group.
/// `root` stands before /proc and /sys.
std::optional<std::int64_t> free_memory_bytes(const std::string& root = {});

}  // namespace llem::worker
