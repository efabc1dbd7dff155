#include <algorithm>

#include <fmt/format.h>
#include <llem/study.hpp>
#include <llem/version.hpp>

#include "analysis/analyse.hpp"
#include "api/dry_run.hpp"
#include "api/environment.hpp"
#include "api/notify.hpp"
#include "api/shelf.hpp"
#include "api/state.hpp"
#include "assets/assets.hpp"
#include "base/field_io.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "meters/meter.hpp"
#include "report/text.hpp"
#include "store/run_directory.hpp"
#include "study/block_watch.hpp"
#include "study/device_state.hpp"
#include "study/drive.hpp"
#include "study/plan.hpp"
#include "sys/host.hpp"

namespace llem {

namespace {

constexpr double kLeastFreeBytes = 64.0 * 1024 * 1024;

Metric metric(const domain::Aggregate& aggregate) {
  Metric out;
  out.value = aggregate.value;
  if (aggregate.interval) {
    out.low = aggregate.interval->low;
    out.high = aggregate.interval->high;
  }
  out.u_systematic = aggregate.u_systematic;
  out.estimated = aggregate.source == domain::Provenance::estimated;
  return out;
}

std::optional<Metric> metric(const std::optional<domain::Aggregate>& aggregate) {
  return aggregate ? std::optional(metric(*aggregate)) : std::nullopt;
}

RunOutcome outcome_of(const study::DriveOutcome& driven, const store::RunDirectory& directory,
                      const domain::Plan& plan, int width) {
  RunOutcome out;
  out.directory = directory.path().string();
  out.interrupted = driven.interrupted;
  out.stopped = driven.summary.stopped.value_or("");
  out.trials_missing = driven.summary.n_missing;
  out.unread = driven.unread;
  const bool strict = std::any_of(plan.configurations.begin(), plan.configurations.end(),
                                  [](const auto& c) { return c.measure.strict; });
  for (const domain::TrialRow& trial : driven.summary.trials) {
    const bool failed = trial.state == "invalid" || (strict && trial.state != "valid");
    (failed ? out.trials_failed : out.trials_done) += 1;
  }
  for (const domain::ConfigurationResult& c : driven.summary.configurations) {
    ConfigurationSummary summary;
    summary.hash = c.config_hash;
    summary.label = c.label;
    summary.state = std::string(words(c.state)[static_cast<std::size_t>(c.state)]);
    summary.codes = c.codes;
    summary.trials_used = c.n_used;
    summary.trials_failed = c.n_failed;
    summary.gross_j_per_output_token = metric(c.gross_j_per_output_token);
    summary.net_j_per_output_token = metric(c.net_j_per_output_token);
    summary.mean_power_w = metric(c.mean_power_w);
    summary.output_tokens_per_s = metric(c.output_tokens_per_s);
    summary.service_ttft_median_s = metric(c.service_ttft_median_s);
    summary.itl_median_s = metric(c.itl_median_s);
    out.configurations.push_back(std::move(summary));
  }
  report::TextOptions options;
  options.width = width;
  out.text = report::summary_text(driven.summary, options);
  out.text += fmt::format("  results       {}\n", out.directory);
  out.json = base::write_json(base::write_struct(driven.summary), base::JsonStyle::indented);
  return out;
}

Expected<std::string> results_dir(const RunOptions& options) {
  if (!options.results_dir.empty()) {
    return options.results_dir;
  }
  if (const auto named = sys::environment("LLEM_RESULTS_DIR")) {
    return *named;
  }
  LLEM_ASSIGN(const config::UserConfig user, api::user_config());
  return user.results_dir.value_or("runs");
}

Expected<void> check_space(const std::string& root) {
  LLEM_TRY(sys::make_directories(root));
  LLEM_ASSIGN(const std::uint64_t free, sys::free_bytes(root));
  if (static_cast<double>(free) < kLeastFreeBytes) {
    return failure(ErrorKind::preflight,
                   fmt::format("only {} are free in `{}`",
                               base::format_bytes(static_cast<double>(free)), root),
                   "free space, or choose another place with --output", "no_disk_space");
  }
  return {};
}

/// A results folder that this run made goes again when nothing came into it.
class ResultsFolder {
 public:
  explicit ResultsFolder(const sys::Path& path) : path_(path) {
    std::error_code ignored;
    was_there_ = std::filesystem::exists(path_, ignored);
  }

  ~ResultsFolder() {
    std::error_code ignored;  // a folder with something in it stays
    if (!was_there_) {
      std::filesystem::remove(path_, ignored);
    }
  }

  ResultsFolder(const ResultsFolder&) = delete;
  ResultsFolder& operator=(const ResultsFolder&) = delete;

 private:
  sys::Path path_;
  bool was_there_ = false;
};

Expected<domain::Plan> plan_of(const Study& study, api::Shelf& shelf) {
  const Study::State& state = study.state();
  LLEM_ASSIGN(const std::vector<study::PointAssets> assets, shelf.points(state.space));
  return study::make_plan(state.name, state.space, assets, version());
}

/// Drives what is left of a plan and shows what came of it.
Expected<RunOutcome> drive(domain::Plan planned, const std::vector<study::Means>& means,
                           store::RunDirectory& directory, const RunOptions& options) {
  const domain::Plan plan =
      options.no_gaps ? study::without_rests(std::move(planned)) : std::move(planned);
  LLEM_TRY(directory.write_environment(api::environment_json(*means.front().meters)));
  LLEM_ASSIGN(const domain::UserFactors factors, api::user_factors());
  const EventSink sink = [&](const Event& e) {
    if (e.kind != EventKind::progress) {
      if (auto written = directory.append_event(api::event_json(e)); !written) {
        base::warn(written.error().message);
      }
    }
    options.events(e);
  };
  const study::DriveInputs inputs{.plan = plan,
                                  .tool_version = std::string(version()),
                                  .means = means,
                                  .placement = runners::LocalPlacement{},
                                  .shard = {options.shard.k, options.shard.n},
                                  .retry_failed = options.retry_failed,
                                  .factors = factors,
                                  .lock_devices = options.lock_devices,
                                  .interrupts = options.interrupts,
                                  .skip_rest = options.skip_rest,
                                  .events = sink};
  LLEM_ASSIGN(const study::DriveOutcome driven, study::drive(inputs, directory));
  Event event;
  event.kind = EventKind::study_finished;
  event.text = directory.path().string();
  event.state = driven.interrupted       ? "interrupted"
                : driven.summary.stopped ? "stopped"
                                         : "finished";
  sink(event);
  RunOutcome outcome = outcome_of(driven, directory, plan, options.text_width);
  if (plan.study.notify && !driven.interrupted) {
    api::notify(*plan.study.notify, outcome.json, options.interrupts, sink);
  }
  return outcome;
}

Expected<void> check_shard(const Shard& shard) {
  if (shard.n >= 1 && shard.k >= 1 && shard.k <= shard.n) {
    return {};
  }
  return failure(ErrorKind::usage, fmt::format("there is no shard {}/{}", shard.k, shard.n),
                 "shards are counted from 1: --shard 1/4 is the first of four");
}

Expected<store::RunDirectory> open_for_work(const std::string& directory, const Shard& shard) {
  LLEM_TRY(check_shard(shard));
  if (shard.n == 1) {
    return store::RunDirectory::open(directory, store::RunDirectory::Lock::yes);
  }
  return store::RunDirectory::open_shard(directory, {shard.k, shard.n});
}

/// A trial number that neither a directory nor a manifest line has, whatever plan they were of.
Expected<std::int64_t> unused_number(const store::RunDirectory& directory) {
  std::int64_t unused = 0;
  LLEM_ASSIGN(const auto attempts, directory.attempts());
  LLEM_ASSIGN(const auto lines, directory.read_manifest());
  for (const store::Attempt& attempt : attempts) {
    unused = std::max(unused, attempt.trial + 1);
  }
  for (const store::ManifestLine& line : lines) {
    unused = std::max(unused, line.trial + 1);
  }
  return unused;
}

/// Whether a run directory belongs to this study and has work left.
bool unfinished(const sys::Path& path, const std::string& study_name, bool retry_failed) {
  const auto directory = store::RunDirectory::open(path, store::RunDirectory::Lock::no);
  if (!directory) {
    return false;
  }
  const auto plan = directory->read_plan();
  if (!plan || plan->study_name != study_name) {
    return false;
  }
  const auto lines = directory->read_manifest();
  if (!lines) {
    return false;
  }
  const auto decision = study::decision_in(*plan, *directory);
  if (!decision) {
    return false;
  }
  const auto states = store::fold_manifest(*lines);
  const std::vector<bool> needed = domain::needed_trials(*plan, *decision);
  for (std::size_t i = 0; i < plan->trials.size(); ++i) {
    const auto state = states.find(plan->trials[i].index);
    const bool over = state != states.end() &&
                      (state->second.state == store::TrialState::done ||
                       (!retry_failed && state->second.state == store::TrialState::failed));
    if (needed[i] && !over) {
      return true;
    }
  }
  return false;
}

/// Whether a plan can be worked on in shards.
Expected<void> check_divisible(const domain::Plan& plan, const Shard& shard) {
  if (!plan.study.precision || shard.n == 1) {
    return {};
  }
  return failure(ErrorKind::usage,
                 "a study with study.precision cannot be divided: after each cycle it decides for "
                 "all configurations whether it goes on",
                 "leave out --shard");
}

/// The plan of a directory, made anew where the study changed.
Expected<domain::Plan> replanned(const store::RunDirectory& directory, domain::Plan plan,
                                 const Study& study, api::Shelf& shelf, const RunOptions& options) {
  LLEM_ASSIGN(domain::Plan now, plan_of(study, shelf));
  const std::vector<std::string> changes = study::differences(plan, now);
  if (changes.empty()) {
    return plan;
  }
  const bool declared = plan.study.precision || now.study.precision;
  if (declared || !options.accept_changes) {
    return failure(
        ErrorKind::config,
        fmt::format("the study is not the one of `{}`:\n  {}", directory.path().string(),
                    base::join(changes, "\n  ")),
        declared ? "undo the change, or start a new study: what study.precision decides by is "
                   "declared in advance"
                 : "resume with the directory alone, undo the change, or add --accept-changes: it "
                   "keeps the trials that are still planned",
        "study_changed");
  }
  if (options.shard.n != 1) {
    return failure(ErrorKind::usage, "one shard cannot change the plan of the others",
                   "accept the changes without --shard first");
  }
  LLEM_ASSIGN(const std::int64_t unused, unused_number(directory));
  plan = study::replan(plan, std::move(now), unused);
  LLEM_TRY(directory.write_plan(plan, study.state().text, study.state().file_name));
  return plan;
}

}  // namespace

Expected<RunOutcome> run(const Study& study, const RunOptions& options) {
  if (options.shard.n != 1) {
    return failure(ErrorKind::usage, "shards work on a run directory that is there",
                   "add --resume DIR");
  }
  LLEM_ASSIGN(const std::string root, results_dir(options));
  const ResultsFolder folder(root);
  LLEM_TRY(check_space(root));
  api::Shelf shelf(assets::Fetch::yes, options.events);
  LLEM_ASSIGN(domain::Plan plan, plan_of(study, shelf));
  LLEM_ASSIGN(const std::vector<study::Means> means, shelf.means(plan));
  LLEM_TRY(study::check_device_state(plan, means));
  LLEM_ASSIGN(store::RunDirectory directory,
              store::RunDirectory::create(root, plan, study.state().text, study.state().file_name));
  return drive(std::move(plan), means, directory, options);
}

Expected<RunOutcome> resume(const std::string& path, const Study* study,
                            const RunOptions& options) {
  LLEM_ASSIGN(store::RunDirectory directory, open_for_work(path, options.shard));
  LLEM_ASSIGN(domain::Plan plan, directory.read_plan());
  LLEM_TRY(check_divisible(plan, options.shard));
  api::Shelf shelf(assets::Fetch::yes, options.events);
  if (study != nullptr) {
    LLEM_ASSIGN(plan, replanned(directory, std::move(plan), *study, shelf, options));
  }
  LLEM_TRY(check_space(path));
  LLEM_ASSIGN(const std::vector<study::Means> means, shelf.means(plan));
  LLEM_TRY(study::check_device_state(plan, means));
  return drive(std::move(plan), means, directory, options);
}

Expected<std::string> find_unfinished(const Study& study, const RunOptions& options) {
  LLEM_ASSIGN(const std::string root, results_dir(options));
  std::vector<sys::Path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    if (entry.is_directory(error)) {
      found.push_back(entry.path());
    }
  }
  const auto stamp = [](const sys::Path& path) {
    std::error_code ignored;
    return std::filesystem::last_write_time(path / "plan.json", ignored);
  };
  std::ranges::sort(found, [&](const sys::Path& a, const sys::Path& b) {
    return std::pair(stamp(a), a) > std::pair(stamp(b), b);
  });
  for (const sys::Path& path : found) {
    if (unfinished(path, study.name(), options.retry_failed)) {
      return path.string();
    }
  }
  return failure(ErrorKind::config,
                 fmt::format("`{}` holds no unfinished run of `{}`", root, study.name()),
                 "name the run directory: --resume DIR", "nothing_to_resume");
}

Expected<RunOutcome> analyse(const std::string& path, int text_width) {
  LLEM_ASSIGN(store::RunDirectory directory,
              store::RunDirectory::open(path, store::RunDirectory::Lock::yes));
  LLEM_ASSIGN(const domain::Plan plan, directory.read_plan());
  LLEM_ASSIGN(const domain::UserFactors factors, api::user_factors());
  LLEM_ASSIGN(const study::DriveOutcome driven, study::analyse_again(directory, factors));
  return outcome_of(driven, directory, plan, text_width);
}

Expected<PlanOutcome> plan(const Study& study, const RunOptions& options) {
  LLEM_ASSIGN(const std::string root, results_dir(options));
  return api::describe_study(study, root, options);
}

}  // namespace llem
