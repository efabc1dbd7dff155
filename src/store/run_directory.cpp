#include "store/run_directory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <dirent.h>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "store/document.hpp"
#include "store/flat_table.hpp"
#include "store/parquet.hpp"
#include "sys/clock.hpp"
#include "sys/system_error.hpp"

namespace llem::store {
namespace {

constexpr std::array kFolders{"trials", "manifest", "locks"};
constexpr int kNamesTried = 1000;
constexpr int kTurnTries = 500;
constexpr std::chrono::milliseconds kTurnPause{10};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "host";
}

std::string utc_now() {
  return sys::utc_text(sys::read_clock_anchor().realtime_ns);
}

Expected<Path> make_run_folder(const Path& root, const domain::Plan& plan) {
  LLEM_TRY(sys::make_directories(root));
  const std::string name = fmt::format("{}-{}-{}", base::file_name_from(plan.study_name),
                                       sys::utc_compact(sys::read_clock_anchor().realtime_ns),
                                       domain::plan_hash(plan).substr(0, 8));
  for (int number = 1; number <= kNamesTried; ++number) {
    Path path = root / (number == 1 ? name : fmt::format("{}-{}", name, number));
    LLEM_ASSIGN(const bool made, sys::make_new_directory(path));
    if (made) {
      return path;
    }
  }
  return sys::io_failure("make the directory", root / name, EEXIST);
}

std::optional<std::int64_t> number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return std::nullopt;
  }
  text.remove_prefix(prefix.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::string identity() {
  return fmt::format("{} pid {} since {}", host_name(), ::getpid(), utc_now());
}

std::string shard_file_name(Shard shard) {
  return fmt::format("shard-{}-of-{}.lock", shard.k, shard.n);
}

/// n of "shard-2-of-4.lock".
std::optional<std::int64_t> division_of(const std::string& file_name) {
  const auto parts = base::split(file_name, '-');
  if (parts.size() != 4 || parts[0] != "shard" || parts[2] != "of" ||
      !parts[3].ends_with(".lock")) {
    return std::nullopt;
  }
  return number_after(parts[3].substr(0, parts[3].size() - 5), "");
}

/// The error with the run directory's name in place of the lock file's.
Error in_use(Error error, const Path& run, const Path& file) {
  if (error.code == "locked") {
    const auto holder = sys::read_line(file);
    error.message = fmt::format("`{}` is in use by another llem: {}", run.string(),
                                holder && !holder->empty() ? *holder : "one of its shards");
    error.hint = "wait until it has ended, or stop it; reading commands work meanwhile";
  }
  return error;
}

Expected<void> write_study(const Path& path, const domain::Plan& plan, std::string_view study_text,
                           std::string_view study_file_name) {
  if (!study_text.empty()) {
    const std::string extension = Path(study_file_name).extension().string();
    LLEM_TRY(sys::write_file_atomic(path / (extension == ".json" ? "study.json" : "study.yaml"),
                                    study_text));
  }
  // Last, because its presence makes this folder a run directory.
  return write_document(path / "plan.json", base::write_struct(plan));
}

Expected<void> fill_run_folder(const Path& path, const domain::Plan& plan,
                               std::string_view study_text, std::string_view study_file_name) {
  for (const char* folder : kFolders) {
    LLEM_TRY(sys::make_directories(path / folder));
  }
  return write_study(path, plan, study_text, study_file_name);
}

/// (trial, attempt) of "000007-<hash>-c2-a1".
std::optional<std::pair<std::int64_t, std::int64_t>> parse_trial_name(std::string_view name) {
  const auto parts = base::split(name, '-');
  if (parts.size() != 4 || !number_after(parts[2], "c")) {
    return std::nullopt;
  }
  const auto trial = number_after(parts[0], "");
  const auto attempt = number_after(parts[3], "a");
  if (!trial || !attempt) {
    return std::nullopt;
  }
  return std::pair(*trial, *attempt);
}

/// The names in a folder, sorted; none when there is no folder.
Expected<std::vector<Path>> entries_of(const Path& folder) {
  std::vector<Path> entries;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    entries.push_back(entry->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return sys::io_failure("list", folder, error.value());
  }
  std::ranges::sort(entries);
  return entries;
}

/// Reads the lines of a manifest that are `wanted`; a torn last one is left out.
template <class Line, class Wanted, class Parse>
Expected<void> read_manifest_file(const Path& path, const Wanted& wanted, const Parse& parse,
                                  std::vector<Line>& lines) {
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const bool torn = end == std::string_view::npos;  // still being written, or cut by a crash
    const std::string_view text_of_line = rest.substr(0, end);
    rest.remove_prefix(torn ? rest.size() : end + 1);
    if (!wanted(text_of_line)) {
      continue;
    }
    Expected<Line> line = parse(text_of_line);
    if (line) {
      lines.push_back(*std::move(line));
    } else if (!torn || line.error().code == "newer_version") {
      return tl::unexpected<Error>(
          std::move(line).error().at(fmt::format("{}:{}", path.string(), number)));
    }
  }
  return {};
}

/// A file of this name that nobody wrote to before: going on after another's torn line would hide
/// ours.
Expected<sys::Fd> open_new_log(const Path& folder, const std::string& owner) {
  for (int number = 1; number <= kNamesTried; ++number) {
    const Path path =
        folder / (number == 1 ? owner + ".jsonl" : fmt::format("{}-{}.jsonl", owner, number));
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      LLEM_TRY(sys::write_file_atomic(path, ""));  // makes the name itself durable
      return sys::open_append(path);
    }
  }
  return sys::io_failure("open", folder / owner, EEXIST);
}

Expected<void> check_run_directory(const Path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return sys::io_failure("open the run directory", path, ENOENT);
  }
  if (!std::filesystem::exists(path / "plan.json", error)) {
    return failure(ErrorKind::io,
                   fmt::format("`{}` is no run directory: it has no plan.json", path.string()),
                   "give the directory that `llem run` printed", "no_run_directory");
  }
  return {};
}

}  // namespace

Expected<void> RunDirectory::take_lock() {
  const Path file = path_ / "locks" / "run.lock";
  LLEM_TRY(sys::make_directories(file.parent_path()));
  auto lock = sys::FileLock::acquire(file, identity());
  if (!lock) {
    return tl::unexpected<Error>(in_use(std::move(lock).error(), path_, file));
  }
  lock_ = *std::move(lock);
  owner_ = fmt::format("{}-{}", base::file_name_from(host_name()), ::getpid());
  return {};
}

Expected<void> RunDirectory::take_shard(Shard shard) {
  const Path folder = path_ / "locks";
  LLEM_TRY(sys::make_directories(folder));
  auto whole = sys::FileLock::acquire(folder / "run.lock", identity(), sys::FileLock::Mode::shared);
  if (!whole) {
    return tl::unexpected<Error>(in_use(std::move(whole).error(), path_, folder / "run.lock"));
  }
  // One at a time looks who else is there and takes its place.
  Expected<sys::FileLock> turn = sys::FileLock::acquire(folder / "turn.lock", identity());
  for (int tries = 0; !turn && turn.error().code == "locked" && tries < kTurnTries; ++tries) {
    std::this_thread::sleep_for(kTurnPause);
    turn = sys::FileLock::acquire(folder / "turn.lock", identity());
  }
  if (!turn) {
    return tl::unexpected<Error>(std::move(turn).error());
  }
  LLEM_ASSIGN(const std::vector<Path> files, entries_of(folder));
  for (const Path& file : files) {
    const auto division = division_of(file.filename().string());
    if (!division || *division == shard.n) {
      continue;
    }
    if (const auto free = sys::FileLock::acquire(file, "", sys::FileLock::Mode::shared); !free) {
      return failure(ErrorKind::preflight,
                     fmt::format("`{}` is being worked on in {} shards, not {}", path_.string(),
                                 *division, shard.n),
                     "divide it in the same way, or wait until those have ended", "locked");
    }
  }
  const Path file = folder / shard_file_name(shard);
  auto mine = sys::FileLock::acquire(file, identity());
  if (!mine) {
    return tl::unexpected<Error>(in_use(std::move(mine).error(), path_, file));
  }
  lock_ = *std::move(whole);
  shard_lock_ = *std::move(mine);
  owner_ = fmt::format("{}-{}", base::file_name_from(host_name()), ::getpid());
  return {};
}

Expected<RunDirectory> RunDirectory::create(const Path& root, const domain::Plan& plan,
                                            std::string_view study_text,
                                            std::string_view study_file_name) {
  LLEM_ASSIGN(Path path, make_run_folder(root, plan));
  RunDirectory run(std::move(path));
  auto made = run.take_lock();
  if (made) {
    made = fill_run_folder(run.path_, plan, study_text, study_file_name);
  }
  if (!made) {
    std::error_code ignored;  // the error that counts is the one that is returned
    std::filesystem::remove_all(run.path_, ignored);
    return tl::unexpected<Error>(std::move(made).error());
  }
  return run;
}

Expected<RunDirectory> RunDirectory::open(const Path& path, Lock lock) {
  LLEM_TRY(check_run_directory(path));
  RunDirectory run(path);
  if (lock == Lock::yes) {
    LLEM_TRY(run.take_lock());
  }
  return run;
}

Expected<RunDirectory> RunDirectory::open_shard(const Path& path, Shard shard) {
  LLEM_TRY(check_run_directory(path));
  RunDirectory run(path);
  LLEM_TRY(run.take_shard(shard));
  return run;
}

Expected<void> RunDirectory::write_plan(const domain::Plan& plan, std::string_view study_text,
                                        std::string_view study_file_name) const {
  return write_study(path_, plan, study_text, study_file_name);
}

Expected<domain::Plan> RunDirectory::read_plan() const {
  return read_document_as<domain::Plan>(path_ / "plan.json", "plan");
}

Path RunDirectory::trial_path(const domain::Trial& trial, std::string_view config_hash,
                              std::int64_t attempt) const {
  return path_ / "trials" /
         fmt::format("{:06}-{}-c{}-a{}", trial.index, base::file_name_from(config_hash),
                     trial.cycle, attempt);
}

Expected<Path> RunDirectory::make_trial_directory(const domain::Trial& trial,
                                                  std::string_view config_hash,
                                                  std::int64_t attempt) const {
  Path path = trial_path(trial, config_hash, attempt);
  LLEM_TRY(sys::make_directories(path.parent_path()));
  LLEM_ASSIGN(const bool made, sys::make_new_directory(path));
  if (!made) {
    return sys::io_failure("make the directory", path, EEXIST);
  }
  return path;
}

Expected<std::vector<Attempt>> RunDirectory::attempts() const {
  const Path folder = path_ / "trials";
  const std::unique_ptr<DIR, int (*)(DIR*)> list(::opendir(folder.c_str()), &::closedir);
  std::vector<Attempt> found;
  if (!list) {
    return errno == ENOENT ? Expected<std::vector<Attempt>>(std::move(found))
                           : sys::io_failure("list", folder, errno);
  }
  errno = 0;
  while (const dirent* entry = ::readdir(list.get())) {
    const std::string_view name(entry->d_name);
    if (const auto numbers = parse_trial_name(name)) {
      const bool recorded =
          ::faccessat(::dirfd(list.get()), fmt::format("{}/recording.json", name).c_str(), F_OK,
                      0) == 0;
      found.push_back({numbers->first, numbers->second, folder / name, recorded});
    }
    errno = 0;
  }
  if (errno != 0) {
    return sys::io_failure("list", folder, errno);
  }
  std::ranges::sort(found, [](const Attempt& a, const Attempt& b) {
    return std::pair(a.trial, a.attempt) < std::pair(b.trial, b.attempt);
  });
  return found;
}

Expected<void> RunDirectory::append_to_manifest(const base::Json& line) {
  if (!manifest_) {
    LLEM_ASSIGN(manifest_, open_new_log(path_ / "manifest", owner_));
  }
  return sys::append_line(manifest_, base::write_json(line));
}

Expected<void> RunDirectory::append_manifest(std::int64_t trial, std::int64_t attempt,
                                             TrialState state, std::optional<std::string> reason) {
  LLEM_ASSERT(lock_, "only the owner of a run writes its manifest");
  const ManifestLine line{.t = utc_now(),
                          .owner = owner_,
                          .trial = trial,
                          .attempt = attempt,
                          .state = state,
                          .reason = std::move(reason)};
  return append_to_manifest(base::write_struct(line));
}

Expected<void> RunDirectory::append_decision(const domain::BlockDecision& decision) {
  LLEM_ASSERT(lock_, "only the owner of a run writes its manifest");
  const BlockLine line{.t = utc_now(),
                       .owner = owner_,
                       .block = decision.block,
                       .verdict = decision.verdict,
                       .spent_s = decision.spent_s};
  return append_to_manifest(base::write_struct(line));
}

Expected<std::vector<ManifestLine>> RunDirectory::read_manifest() const {
  LLEM_ASSIGN(const std::vector<Path> files, entries_of(path_ / "manifest"));
  std::vector<ManifestLine> lines;
  for (const Path& file : files) {
    if (file.extension() == ".jsonl") {
      LLEM_TRY(read_manifest_file(file, std::not_fn(tells_of_block), parse_manifest_line, lines));
    }
  }
  return lines;
}

Expected<std::vector<BlockLine>> RunDirectory::read_decisions() const {
  LLEM_ASSIGN(const std::vector<Path> files, entries_of(path_ / "manifest"));
  std::vector<BlockLine> lines;
  for (const Path& file : files) {
    if (file.extension() == ".jsonl") {
      LLEM_TRY(read_manifest_file(file, tells_of_block, parse_block_line, lines));
    }
  }
  return lines;
}

Expected<void> RunDirectory::append_event(const base::Json& event) {
  if (!events_) {
    LLEM_ASSIGN(events_, sys::open_append(path_ / "events.jsonl"));
  }
  // The manifest says what happened; events are for watching, and some come between the phases.
  return sys::append_line(events_, base::write_json(event), sys::Durable::no);
}

Expected<void> RunDirectory::write_environment(const base::Json& environment) const {
  return write_document(path_ / "environment.json", environment);
}

Expected<void> RunDirectory::write_summary(const domain::Summary& summary) const {
  return write_document(path_ / "summary.json", base::write_struct(summary));
}

Expected<void> RunDirectory::check_results_table() const {
  std::error_code error;
  return std::filesystem::exists(path_ / "results.parquet", error) ? Expected<void>()
                                                                   : write_results_table({});
}

Expected<void> RunDirectory::write_results_table(
    std::span<const domain::TrialResult> results) const {
  FlatWriter writer(domain::TrialResult::table());
  TextColumn codes;
  for (const domain::TrialResult& result : results) {
    writer.add(&result);
    std::vector<std::string> names;
    names.reserve(result.validity.codes.size());
    for (const domain::ValidityCode& code : result.validity.codes) {
      names.push_back(code.code);
    }
    codes.push_back(base::join(names, ","));
  }
  ParquetTable table{std::move(writer).take(),
                     {{"schema", "results"}, {"schema_version", "1.0.0"}}};
  const auto state = std::ranges::find(table.columns, "validity_state", &Column::name);
  table.columns.insert(state == table.columns.end() ? state : state + 1,
                       Column{"validity_codes", "", std::move(codes)});
  return write_parquet(path_ / "results.parquet", std::move(table));
}

}  // namespace llem::store
