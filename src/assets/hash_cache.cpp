#include "assets/hash_cache.hpp"

#include <cerrno>
#include <sys/stat.h>
#include <system_error>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/log.hpp"
#include "sys/host.hpp"
#include "sys/system_error.hpp"

namespace llem::assets {
namespace {

constexpr std::size_t kMostEntries = 1000;

sys::Path cache_file() {
  return sys::cache_directory() / "hashes.json";
}

base::Json read_cache() {
  if (const auto text = sys::read_file(cache_file())) {
    if (auto json = base::parse_json(*text); json && json->is_object()) {
      return *std::move(json);
    }
  }
  return base::Json::object();
}

Expected<std::string> identity_of(const sys::Path& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) {
    return sys::io_failure("read", path, errno);
  }
  return fmt::format("{}:{}.{:09}:{}", facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                     facts.st_ino);
}

std::string key_of(const sys::Path& path) {
  std::error_code error;
  const sys::Path real = std::filesystem::canonical(path, error);
  return error ? path.string() : real.string();
}

void remember(const std::string& key, base::Json entry) {
  base::Json cache = read_cache();
  if (cache.members().size() >= kMostEntries) {
    cache = base::Json::object();
  }
  cache[key] = std::move(entry);
  auto written = sys::make_directories(cache_file().parent_path());
  if (written) {
    written = sys::write_file_atomic(cache_file(), base::write_json(cache) + "\n");
  }
  if (!written) {
    base::debug(fmt::format("hash not cached: {}", written.error().message));
  }
}

}  // namespace

void remember_sha256(const sys::Path& path, const std::string& hash) {
  if (const auto identity = identity_of(path)) {
    remember(key_of(path), base::Json::object({{"file", *identity}, {"sha256", hash}}));
  }
}

Expected<std::string> cached_sha256(const sys::Path& path) {
  const std::string key = key_of(path);
  LLEM_ASSIGN(const std::string identity, identity_of(path));
  const base::Json cache = read_cache();
  if (const base::Json* entry = cache.find(key);
      entry != nullptr && entry->text_or("file", "") == identity) {
    return std::string(entry->text_or("sha256", ""));
  }
  LLEM_ASSIGN(std::string hash, sys::sha256_of_file(path));
  LLEM_ASSIGN(const std::string afterwards, identity_of(path));
  if (afterwards == identity) {  // a file that changes while it is read has no hash worth keeping
    remember(key, base::Json::object({{"file", identity}, {"sha256", hash}}));
  }
  return hash;
}

}  // namespace llem::assets
