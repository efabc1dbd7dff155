#pragma once

// Owns: the layout of a run directory, its lock, its manifest and its documents.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "domain/plan.hpp"
#include "domain/recording.hpp"
#include "domain/summary.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace llem::store {

using sys::Path;

enum class TrialState { planned, started, recorded, done, failed, interrupted };
std::span<const std::string_view> words(TrialState);

struct ManifestLine {
  std::int64_t v = 1;
  std::string t;  // UTC
  std::string owner;
  std::int64_t trial = 0;
  std::int64_t attempt = 1;
  TrialState state = TrialState::planned;
  std::optional<std::string> reason;
  static const base::Table& table();
};

/// One line of the manifest from text, strictly. A torn last line is dropped by read_manifest.
Expected<ManifestLine> parse_manifest_line(std::string_view line);

/// What was decided after a whole block. Lines of this kind have a version of their own, so that a
/// program which knows of trials alone refuses them.
struct BlockLine {
  std::int64_t v = 2;
  std::string t;  // UTC
  std::string owner;
  std::int64_t block = 0;
  domain::BlockVerdict verdict = domain::BlockVerdict::go_on;
  double spent_s = 0;
  static const base::Table& table();
};

/// Whether a line is to be read as a BlockLine.
bool tells_of_block(std::string_view line);
Expected<BlockLine> parse_block_line(std::string_view line);

/// The decision that holds: that of the latest block; one that ends the study before one that does
/// not. Absent without a line.
std::optional<domain::BlockDecision> fold_blocks(std::span<const BlockLine> lines);

struct TrialStatus {
  TrialState state = TrialState::planned;
  std::int64_t attempt = 0;  // latest
  std::optional<std::string> reason;
};

/// State of each trial after folding all owners' lines in time order; trials without a line are
/// absent.
std::map<std::int64_t, TrialStatus> fold_manifest(std::span<const ManifestLine> lines);

/// Part of a study that one process works on: the trials whose position is `k - 1` modulo `n`.
struct Shard {
  std::int64_t k = 1;
  std::int64_t n = 1;
};

/// A trial's directory, complete when it has a recording.
struct Attempt {
  std::int64_t trial = 0;
  std::int64_t attempt = 1;
  Path path;
  bool recorded = false;
};

class RunDirectory {
 public:
  /// Makes `<root>/<study>-<UTC>-<hash8>` (a number is appended when that exists), with study text
  /// and plan, locked. The study text keeps its bytes and the file name's extension (`study.yaml`,
  /// `study.json`); an empty one is not written.
  static Expected<RunDirectory> create(const Path& root, const domain::Plan& plan,
                                       std::string_view study_text,
                                       std::string_view study_file_name);
  /// Opens an existing one. With `lock`, refuses while another process owns it or a part of it, and
  /// names that process.
  enum class Lock { no, yes };
  static Expected<RunDirectory> open(const Path& path, Lock lock);
  /// Owns one shard. Refuses while somebody owns the whole, the same shard, or a shard of another
  /// division.
  static Expected<RunDirectory> open_shard(const Path& path, Shard shard);

  const Path& path() const { return path_; }

  Expected<domain::Plan> read_plan() const;
  /// Replaces plan and study text: what was measured under the old plan stays where it is.
  Expected<void> write_plan(const domain::Plan& plan, std::string_view study_text,
                            std::string_view study_file_name) const;

  /// `trials/000007-<hash>-c2-a1`
  Path trial_path(const domain::Trial& trial, std::string_view config_hash,
                  std::int64_t attempt) const;
  /// Fails when that attempt has a directory already.
  Expected<Path> make_trial_directory(const domain::Trial& trial, std::string_view config_hash,
                                      std::int64_t attempt) const;
  /// Every trial directory, in trial and attempt order.
  Expected<std::vector<Attempt>> attempts() const;

  Expected<void> append_manifest(std::int64_t trial, std::int64_t attempt, TrialState state,
                                 std::optional<std::string> reason = {});
  Expected<std::vector<ManifestLine>> read_manifest() const;
  Expected<void> append_decision(const domain::BlockDecision& decision);
  Expected<std::vector<BlockLine>> read_decisions() const;
  Expected<void> append_event(const base::Json& event);

  Expected<void> write_environment(const base::Json& environment) const;
  Expected<void> write_summary(const domain::Summary& summary) const;
  /// One row a trial; columns as in flat_table.hpp, and `validity_codes`, the reason codes joined
  /// by commas.
  /// Whether a table can be written here: the library for it loads and the disk takes a file.
  Expected<void> check_results_table() const;
  Expected<void> write_results_table(std::span<const domain::TrialResult> results) const;

 private:
  explicit RunDirectory(Path path) : path_(std::move(path)) {}

  Expected<void> take_lock();
  Expected<void> take_shard(Shard shard);
  Expected<void> append_to_manifest(const base::Json& line);

  Path path_;
  std::string owner_;  // "<host>-<pid>"
  std::optional<sys::FileLock> lock_;
  std::optional<sys::FileLock> shard_lock_;
  sys::Fd manifest_;
  sys::Fd events_;
};

/// recording.json, traces.parquet, timeline.parquet, tokens.parquet, steps.parquet in a trial's
/// directory. Parquet times are int64 nanoseconds (`t_ns`) of the host's monotonic clock.
/// recording.json comes last: a directory that has it has everything.
Expected<void> write_recording(const Path& trial, const domain::Recording& recording);
/// Checks that the files belong together: row counts, channels, order in time, token ranges.
Expected<domain::Recording> read_recording(const Path& trial);
Expected<void> write_result(const Path& trial, const domain::TrialResult& result);
Expected<domain::TrialResult> read_result(const Path& trial);

}  // namespace llem::store
