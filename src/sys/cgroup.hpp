#pragma once

// Owns: the limits control groups of either version put on this process.

#include <cstdint>
#include <optional>

#include "sys/file.hpp"

namespace llem::sys {

struct CgroupLimits {
  int version = 0;  // 1, 2; 0 when unknown
  std::optional<std::int64_t> memory_bytes;
  std::optional<double> cpus;
};

/// The tightest limit on the way from this process's group up to the root of the hierarchy.
CgroupLimits read_cgroup_limits(const Path& root);

}  // namespace llem::sys
