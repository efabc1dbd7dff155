#pragma once

// Owns: files as whole values. Errors name the path and the system's reason.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "sys/fd.hpp"

namespace llem::sys {

using Path = std::filesystem::path;

Expected<std::string> read_file(const Path& path);
/// Small virtual files (sysfs, procfs): trimmed text, or nothing when it cannot be read.
std::optional<std::string> read_line(const Path& path);
/// Writes `<path>.<pid>.tmp`, fsyncs, renames, fsyncs the directory: readers see the old or the new
/// file, never a torn one.
Expected<void> write_file_atomic(const Path& path, std::string_view content);
/// Writes without waiting for the disk: for what is of no use once this program has ended.
Expected<void> write_file(const Path& path, std::string_view content);
/// Whether to wait until the disk has it.
enum class Durable { no, yes };
/// Appends in one write(2). For append-only logs.
Expected<void> append_line(const Fd& file, std::string_view line, Durable durable = Durable::yes);
Expected<Fd> open_append(const Path& path);
Expected<void> make_directories(const Path& path);
/// Makes a directory that must not exist yet; false when it does.
Expected<bool> make_new_directory(const Path& path);
Expected<std::string> sha256_of_file(const Path& path);
Expected<std::uint64_t> free_bytes(const Path& path);

/// A directory of its own under $TMPDIR that is removed with everything in it on destruction.
class TempDir {
 public:
  static Expected<TempDir> make(std::string_view prefix);
  TempDir(TempDir&&) noexcept;
  TempDir& operator=(TempDir&&) noexcept;
  ~TempDir();

  const Path& path() const { return path_; }

 private:
  explicit TempDir(Path path) : path_(std::move(path)) {}

  Path path_;
};

/// An advisory lock on a file, held until destruction or the holder's death. The identity of one
/// who holds it alone is written into the file.
class FileLock {
 public:
  /// Whether others may hold it too.
  enum class Mode { exclusive, shared };
  /// Fails with kind preflight, code "locked" and the present holder's identity when it cannot be
  /// had now.
  static Expected<FileLock> acquire(const Path& path, std::string_view identity,
                                    Mode mode = Mode::exclusive);
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = default;
  ~FileLock() = default;

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace llem::sys
