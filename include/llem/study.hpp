#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <llem/error.hpp>
#include <llem/events.hpp>
#include <llem/export.hpp>
#include <llem/interrupt.hpp>

namespace llem {

/// One value over the file's: `deploy.batch_size` = "8". `origin` names where it came from in
/// errors ("--set").
struct Setting {
  std::string path;
  std::string value;
  std::string origin = "setting";
};

/// Where a study comes from. Without a file the settings alone make it; `model.name` is then
/// needed.
struct StudySource {
  std::string file;
  std::vector<Setting> settings;
};

/// A study that was read and checked, every default written out. Nothing has been fetched or
/// started.
class LLEM_API Study {
 public:
  static Expected<Study> load(const StudySource& source);

  const std::string& name() const;
  /// How many points of the deployment space it spans, before equal ones are merged.
  std::size_t points() const;
  /// Every resolved point as a JSON document.
  std::string json() const;
  /// How a file of the Python predecessor was read: what is called otherwise, left out, or means
  /// something else. Empty for a file of llem.
  const std::vector<std::string>& notes() const;

  struct State;

  const State& state() const { return *state_; }

 private:
  explicit Study(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

/// A study file of the Python predecessor in the grammar of llem.
struct Conversion {
  std::string yaml;                // with the notes as comments before it
  std::vector<std::string> notes;  // what is called otherwise, left out, or means something else
  std::string json;                // both, as one document
};

/// Writes a predecessor's study file anew; the settings are applied. `yaml` is a file that
/// `Study::load` takes where its engine is in this version. Refuses (ErrorKind::config) a file that
/// is not the predecessor's, that is broken, or that asks for something llem cannot express.
LLEM_API Expected<Conversion> convert(const StudySource& source);

/// One number over the cycles of a configuration. The interval (95 %) is absent below three cycles.
struct Metric {
  double value = 0;
  std::optional<double> low;
  std::optional<double> high;
  std::optional<double> u_systematic;  // k = 1
  bool estimated = false;              // no sensor gave it
};

struct ConfigurationSummary {
  std::string hash;
  std::string label;
  std::string state;               // valid, flagged, invalid
  std::vector<std::string> codes;  // reasons, see docs/methodology/validity.md
  std::int64_t trials_used = 0;
  std::int64_t trials_failed = 0;
  std::optional<Metric> gross_j_per_output_token;
  std::optional<Metric> net_j_per_output_token;
  std::optional<Metric> mean_power_w;
  std::optional<Metric> output_tokens_per_s;
  std::optional<Metric> service_ttft_median_s;
  std::optional<Metric> itl_median_s;
};

struct RunOutcome {
  std::string directory;
  bool interrupted = false;
  std::string stopped;              // why it ended before its plan; empty when it did not
  std::int64_t trials_missing = 0;  // of the plan, without a result
  std::int64_t trials_failed = 0;   // failed, invalid, or flagged under measure.strict
  std::int64_t trials_done = 0;
  std::vector<ConfigurationSummary> configurations;
  std::vector<std::string> unread;  // recordings that could not be analysed again, and why
  std::string text;                 // the result as a terminal shows it
  std::string json;                 // summary.json
};

/// Part of a study that one process works on.
struct Shard {
  std::int64_t k = 1;  // from 1
  std::int64_t n = 1;
};

struct RunOptions {
  std::string results_dir;      // empty: the user configuration's, else ./runs
  bool no_gaps = false;         // trials follow each other without rest
  bool lock_devices = true;     // wait while another study measures on the same devices
  bool retry_failed = false;    // resume: trials that failed are run again
  bool accept_changes = false;  // resume: plan again where the study changed
  Shard shard;                  // resume: only this part
  /// Asked about five times a second during a rest; true ends it.
  std::function<bool()> skip_rest = [] { return false; };
  Interrupts interrupts;
  EventSink events = [](const Event&) {};
  int text_width = 100;
};

/// What would happen: the plan, with predicted time and memory. Starts nothing, fetches nothing,
/// writes nothing.
struct PlanOutcome {
  std::string text;
  std::string json;
};

LLEM_API Expected<PlanOutcome> plan(const Study& study, const RunOptions& options);
/// Measures. A failed trial is no error: it is counted in the outcome and has its row.
LLEM_API Expected<RunOutcome> run(const Study& study, const RunOptions& options);
/// Finishes what is missing in a run directory. `study`, when given, must be the one the directory
/// was made for, unless changes are accepted.
LLEM_API Expected<RunOutcome> resume(const std::string& directory, const Study* study,
                                     const RunOptions& options);
/// The newest run directory of this study that has trials left.
LLEM_API Expected<std::string> find_unfinished(const Study& study, const RunOptions& options);
/// Recomputes every result of a run directory from its recordings. One that cannot be read keeps
/// the result it had and is named in the outcome.
LLEM_API Expected<RunOutcome> analyse(const std::string& directory, int text_width = 100);

}  // namespace llem
