#include "sys/system_error.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace llem::sys {
namespace {

std::string hint_for(const std::filesystem::path& path, int error_number) {
  switch (error_number) {
    case ENOSPC:
      return fmt::format(
          "free some space (or inodes) on the file system of `{}`, or choose another directory",
          path.parent_path().string());
    case EDQUOT:
      return "your disk quota is used up: remove files or choose another directory";
    case EROFS:
      return "this file system is mounted read-only: choose another directory";
    case EACCES:
    case EPERM:
      return fmt::format("check the owner and the permissions of `{}` and of the directories above",
                         path.string());
    case ENOENT:
      return "check the spelling of the path";
    case ENOTDIR:
    case EEXIST:
      return "something else than a directory is in the way: move it or choose another path";
    case EISDIR:
      return "this is a directory: name a file";
    case ENAMETOOLONG:
      return "choose a shorter path";
    case EMFILE:
    case ENFILE:
      return "too many files are open: raise the limit with `ulimit -n`";
    case EIO:
      return "the device reports an error: see `dmesg`";
    default:
      return {};
  }
}

}  // namespace

std::string system_reason(int error_number) {
  const char* text = strerrordesc_np(error_number);
  return text != nullptr ? text : fmt::format("error {}", error_number);
}

tl::unexpected<Error> io_failure(std::string_view action, const std::filesystem::path& path,
                                 int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return failure(
      ErrorKind::io,
      fmt::format("cannot {} `{}`: {}", action, path.string(), system_reason(error_number)),
      hint_for(path, error_number), full ? "no_space" : "");
}

}  // namespace llem::sys
