#pragma once

// Owns: the CPUs the calling thread may run on.

#include <sched.h>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace llem::sys {

/// Moves the calling thread to a list of CPUs ("0-3,8") until destruction. A process started
/// meanwhile inherits them: posix_spawn(3) has no attribute for it.
class AffinityScope {
 public:
  /// An empty list changes nothing. Names the CPU that does not exist or that this process may not
  /// use.
  static Expected<AffinityScope> enter(const std::string& cpus);
  AffinityScope(AffinityScope&& other) noexcept = default;
  AffinityScope& operator=(AffinityScope&& other) noexcept;
  ~AffinityScope();

 private:
  AffinityScope() = default;
  std::vector<cpu_set_t> before_;  // empty: nothing to restore
};

}  // namespace llem::sys
