#include "sys/file.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "sys/system_error.hpp"

namespace llem::sys {
namespace {

constexpr mode_t kFileMode = 0666;  // less the umask, as every Unix program makes files
constexpr std::size_t kBlock = std::size_t{1} << 18;

int open_retrying(const Path& path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

ssize_t read_retrying(int fd, void* data, std::size_t size) {
  ssize_t got = 0;
  do {
    got = ::read(fd, data, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

/// Gives the file to `take` in blocks until its end: 0, or the errno of the read that failed.
template <class Take>
int read_blocks(int fd, const Take& take) {
  std::vector<char> block(kBlock);
  while (true) {
    const ssize_t got = read_retrying(fd, block.data(), block.size());
    if (got < 0) {
      return errno;
    }
    if (got == 0) {
      return 0;
    }
    take(block.data(), static_cast<std::size_t>(got));
  }
}

/// 0, or the errno of the write that failed. Short writes go on where they stopped.
int write_fully(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return errno;
    }
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// 0 or errno. Descriptors that cannot be synced (pipes, some network directories) count as synced.
int sync(int fd) {
  if (::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP) {
    return 0;
  }
  return errno;
}

int sync_directory(const Path& path) {
  const Path directory = path.has_parent_path() ? path.parent_path() : Path(".");
  const Fd fd(open_retrying(directory, O_RDONLY | O_DIRECTORY));
  return fd ? sync(fd.get()) : errno;
}

Path path_of(const Fd& file) {
  std::error_code error;
  Path path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", file.get()), error);
  return error ? Path("the file") : path;
}

/// 0 or errno.
int write_whole(const Path& path, std::string_view content, Durable durable) {
  const Fd fd(open_retrying(path, O_WRONLY | O_CREAT | O_TRUNC, kFileMode));
  if (!fd) {
    return errno;
  }
  const int error = write_fully(fd.get(), content);
  return error == 0 && durable == Durable::yes ? sync(fd.get()) : error;
}

}  // namespace

Expected<std::string> read_file(const Path& path) {
  const Fd fd(open_retrying(path, O_RDONLY));
  if (!fd) {
    return io_failure("read", path, errno);
  }
  std::string text;
  struct stat facts{};
  // Virtual files say 0; their content comes in blocks until the end.
  if (::fstat(fd.get(), &facts) == 0 && facts.st_size > 0) {
    text.reserve(static_cast<std::size_t>(facts.st_size) + 1);
  }
  if (const int error = read_blocks(
          fd.get(), [&](const char* data, std::size_t size) { text.append(data, size); })) {
    return io_failure("read", path, error);
  }
  return text;
}

std::optional<std::string> read_line(const Path& path) {
  const Fd fd(open_retrying(path, O_RDONLY));
  if (!fd) {
    return std::nullopt;
  }
  std::string text;
  std::array<char, 4096> block{};
  while (true) {
    const ssize_t got = read_retrying(fd.get(), block.data(), block.size());
    if (got < 0) {
      return std::nullopt;
    }
    if (got == 0) {
      return std::string(base::trim(text));
    }
    text.append(block.data(), static_cast<std::size_t>(got));
  }
}

Expected<void> write_file_atomic(const Path& path, std::string_view content) {
  // Several processes may write the same file at once: one of them wins whole.
  Path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  if (const int error = write_whole(temporary, content, Durable::yes); error != 0) {
    ::unlink(temporary.c_str());
    return io_failure("write", path, error);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return io_failure("write", path, error);
  }
  if (const int error = sync_directory(path); error != 0) {
    return io_failure("sync the directory of", path, error);
  }
  return {};
}

Expected<void> write_file(const Path& path, std::string_view content) {
  if (const int error = write_whole(path, content, Durable::no); error != 0) {
    return io_failure("write", path, error);
  }
  return {};
}

Expected<void> append_line(const Fd& file, std::string_view line, Durable durable) {
  std::string text;
  text.reserve(line.size() + 1);
  text.append(line).push_back('\n');
  struct stat before{};
  const bool sized = ::fstat(file.get(), &before) == 0 && S_ISREG(before.st_mode);
  if (const int error = write_fully(file.get(), text); error != 0) {
    // The part that a full disk still took would run into the next line.
    if (sized && ::ftruncate(file.get(), before.st_size) != 0) {
      base::warn(fmt::format("`{}` ends in half a line", path_of(file).string()));
    }
    return io_failure("append to", path_of(file), error);
  }
  if (const int error = durable == Durable::yes ? sync(file.get()) : 0; error != 0) {
    return io_failure("sync", path_of(file), error);
  }
  return {};
}

Expected<Fd> open_append(const Path& path) {
  Fd fd(open_retrying(path, O_WRONLY | O_CREAT | O_APPEND, kFileMode));
  if (!fd) {
    return io_failure("open", path, errno);
  }
  return fd;
}

Expected<void> make_directories(const Path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return io_failure("make the directory", path, error.value());
  }
  if (!std::filesystem::is_directory(path, error)) {
    return io_failure("make the directory", path, ENOTDIR);
  }
  return {};
}

Expected<bool> make_new_directory(const Path& path) {
  if (::mkdir(path.c_str(), 0777) == 0) {
    return true;
  }
  if (errno == EEXIST) {
    return false;
  }
  return io_failure("make the directory", path, errno);
}

Expected<std::string> sha256_of_file(const Path& path) {
  const Fd fd(open_retrying(path, O_RDONLY));
  if (!fd) {
    return io_failure("read", path, errno);
  }
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  base::Sha256 hash;
  if (const int error = read_blocks(
          fd.get(), [&](const char* data, std::size_t size) { hash.update(data, size); })) {
    return io_failure("read", path, error);
  }
  return hash.hex_digest();
}

Expected<std::uint64_t> free_bytes(const Path& path) {
  std::error_code error;
  Path existing = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(existing, error) && existing != existing.parent_path()) {
    existing = existing.parent_path();
  }
  struct statvfs facts{};
  if (::statvfs(existing.c_str(), &facts) != 0) {
    return io_failure("ask for the free space of", path, errno);
  }
  return std::uint64_t{facts.f_bavail} * facts.f_frsize;
}

Expected<TempDir> TempDir::make(std::string_view prefix) {
  const char* base = std::getenv("TMPDIR");
  const Path parent = base != nullptr && *base != '\0' ? Path(base) : Path("/tmp");
  std::string pattern = (parent / fmt::format("{}.XXXXXX", prefix)).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return io_failure("make a temporary directory in", parent, errno);
  }
  return TempDir(Path(pattern));
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, Path())) {}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  path_.swap(other.path_);
  return *this;
}

TempDir::~TempDir() {
  if (!path_.empty()) {
    std::error_code
        ignored;  // a destructor has nobody to tell; the system clears $TMPDIR in the end
    std::filesystem::remove_all(path_, ignored);
  }
}

Expected<FileLock> FileLock::acquire(const Path& path, std::string_view identity, Mode mode) {
  Fd fd(open_retrying(path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode));
  if (!fd && (errno == EACCES || errno == EROFS)) {
    // Another user's lock file: flock(2) needs no right to write.
    fd = Fd(open_retrying(path, O_RDONLY | O_NOFOLLOW));
  }
  if (!fd) {
    return io_failure("open the lock file", path, errno);
  }
  // Lock files may lie where anybody can write: a link there must not lead to another's file.
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_nlink != 1) {
    return io_failure("open the lock file", path, EINVAL);
  }
  int outcome = 0;
  do {
    outcome = ::flock(fd.get(), (mode == Mode::exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0 && errno == EWOULDBLOCK) {
    const std::string holder = read_line(path).value_or("");
    return failure(ErrorKind::preflight,
                   fmt::format("`{}` is held by {}", path.string(),
                               holder.empty() ? "another process" : holder),
                   "wait until it has ended, or stop it", "locked");
  }
  if (outcome != 0) {
    return io_failure("lock", path, errno);
  }
  // The text only helps the next one who finds the lock taken: a failure to write it is no reason
  // not to hold it.
  if (mode == Mode::exclusive && ::ftruncate(fd.get(), 0) == 0) {
    const std::string text = fmt::format("{}\n", identity);
    [[maybe_unused]] const ssize_t written = ::pwrite(fd.get(), text.data(), text.size(), 0);
  }
  return FileLock(std::move(fd));
}

}  // namespace llem::sys
