#include "llamacpp/free_memory.hpp"

#include <algorithm>
#include <fstream>

#include "base/text.hpp"

namespace llem::worker {

namespace {

constexpr std::int64_t kBytesPerKib = 1024;

std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) ? base::parse_integer(base::trim(line)) : std::nullopt;
}

std::optional<std::int64_t> available_bytes(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) {
      const std::string_view value = base::trim(std::string_view(line).substr(13));
      const auto kib = base::parse_integer(value.substr(0, value.find(' ')));
      return kib ? std::optional(*kib * kBytesPerKib) : std::nullopt;
    }
  }
  return std::nullopt;
}

/// The path of this process in the unified hierarchy (v2) or in that of the memory controller (v1).
std::string group_path(const std::string& root, std::string_view controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto parts = base::split(line, ':');
    if (parts.size() >= 3 && parts[1] == controller) {
      return std::string(parts[2]);
    }
  }
  return "/";
}

std::optional<std::int64_t> left_in(const std::string& folder, const char* limit,
                                    const char* usage) {
  const auto most = number_in(folder + limit);  // "max" is no number: no limit
  const auto used = number_in(folder + usage);
  return most && used ? std::optional(std::max<std::int64_t>(*most - *used, 0)) : std::nullopt;
}

void lower(std::optional<std::int64_t>& least, std::optional<std::int64_t> value) {
  if (value) {
    least = std::min(least.value_or(*value), *value);
  }
}

}  // namespace

std::optional<std::int64_t> free_memory_bytes(const std::string& root) {
  std::optional<std::int64_t> least = available_bytes(root);
  // A limit may be set on any group above ours; inside a container the mount shows only our own.
  const std::string v2 = root + "/sys/fs/cgroup";
  std::string path = group_path(root, "");
  for (;; path = path.substr(0, path.find_last_of('/'))) {
    lower(least, left_in(v2 + path, "/memory.max", "/memory.current"));
    if (path.size() <= 1) {
      break;
    }
  }
  lower(least, left_in(v2, "/memory.max", "/memory.current"));
  const std::string v1 = root + "/sys/fs/cgroup/memory";
  for (const std::string& folder : {v1, v1 + group_path(root, "memory")}) {
    lower(least, left_in(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes"));
  }
  return least;
}

}  // namespace llem::worker
