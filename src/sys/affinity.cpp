#include "sys/affinity.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "sys/host.hpp"
#include "sys/system_error.hpp"

namespace llem::sys {
namespace {

// One cpu_set_t holds 1024 CPUs; the kernel refuses to tell a set smaller than its own CPU mask (at
// most 8192).
constexpr std::size_t kSets = 8;
constexpr std::size_t kBytes = kSets * sizeof(cpu_set_t);
constexpr int kMostCpus = static_cast<int>(kBytes * 8);

using CpuSets = std::vector<cpu_set_t>;

bool contains(const CpuSets& sets, int cpu) {
  return CPU_ISSET_S(static_cast<std::size_t>(cpu), kBytes, sets.data()) != 0;
}

tl::unexpected<Error> refused(const std::string& cpus, std::string_view why, std::string hint) {
  return failure(ErrorKind::config, fmt::format("the CPU list `{}` {}", cpus, why), std::move(hint),
                 "cpu_affinity");
}

}  // namespace

Expected<AffinityScope> AffinityScope::enter(const std::string& cpus) {
  AffinityScope scope;
  if (cpus.empty()) {
    return scope;
  }
  const auto wanted = parse_cpu_list(cpus);
  if (!wanted || wanted->empty()) {
    return refused(cpus, "cannot be read", "write CPUs and ranges with commas, as in `0-3,8`");
  }
  const std::string online_text = read_line("/sys/devices/system/cpu/online").value_or("");
  const auto online = parse_cpu_list(online_text);
  CpuSets before(kSets);
  CpuSets target(kSets);
  CPU_ZERO_S(kBytes, target.data());
  for (const int cpu : *wanted) {
    const bool known = !online || std::binary_search(online->begin(), online->end(), cpu);
    if (!known || cpu >= kMostCpus) {
      return refused(cpus, fmt::format("names CPU {}, which does not exist", cpu),
                     fmt::format("this machine has the CPUs {}", online_text));
    }
    CPU_SET_S(static_cast<std::size_t>(cpu), kBytes, target.data());
  }
  if (::sched_getaffinity(0, kBytes, before.data()) != 0) {
    return failure(ErrorKind::internal,
                   fmt::format("cannot read the CPU affinity: {}", system_reason(errno)));
  }
  const int outcome = ::sched_setaffinity(0, kBytes, target.data());
  const int reason = errno;
  if (outcome == 0) {
    scope.before_ = before;
  }
  // CPUs outside this process's cpuset are dropped silently, unless all of them are.
  CpuSets now(kSets);
  CPU_ZERO_S(kBytes, now.data());
  if (outcome == 0) {
    ::sched_getaffinity(0, kBytes, now.data());
  }
  if (outcome != 0 && reason != EINVAL) {
    return refused(cpus, fmt::format("was refused: {}", system_reason(reason)), {});
  }
  for (const int cpu : *wanted) {
    if (!contains(now, cpu)) {
      return refused(cpus, fmt::format("names CPU {}, which this process may not use", cpu),
                     "a container, a batch system or a cpuset limits it: see Cpus_allowed_list in "
                     "/proc/self/status");
    }
  }
  return scope;
}

AffinityScope& AffinityScope::operator=(AffinityScope&& other) noexcept {
  std::swap(before_, other.before_);
  return *this;
}

AffinityScope::~AffinityScope() {
  if (!before_.empty()) {
    ::sched_setaffinity(0, kBytes, before_.data());
  }
}

}  // namespace llem::sys
