#include <algorithm>

#include <fmt/format.h>
#include <llem/study.hpp>
#include <llem/version.hpp>

#include "analysis/analyse.hpp"
#include "api/environment.hpp"
#include "api/state.hpp"
#include "assets/assets.hpp"
#include "base/field_io.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "engines/catalogue.hpp"
#include "meters/meter.hpp"
#include "report/text.hpp"
#include "store/run_directory.hpp"
#include "study/drive.hpp"
#include "study/plan.hpp"
#include "sys/host.hpp"

namespace llem {

namespace {

constexpr double kLeastFreeBytes = 64.0 * 1024 * 1024;

/// Model and prompts of a study, on this machine.
struct Assets {
  assets::ResolvedModel model;
  assets::PromptSet prompts;
};

assets::FetchProgress fetch_progress(const EventSink& events) {
  return [&events](const std::string& what, std::uint64_t done, std::uint64_t total) {
    Event event;
    event.kind = EventKind::fetch_progress;
    event.text = what;
    event.done = static_cast<double>(done);
    event.total = static_cast<double>(total);
    events(event);
  };
}

Expected<Assets> resolve_assets(const domain::StudyConfig& config, assets::Fetch fetch,
                                const EventSink& events) {
  const auto progress = fetch_progress(events);
  Assets found;
  if (config.deploy.engine == domain::EngineKind::scripted) {
    found.model.name = config.model.name;
  } else {
    LLEM_ASSIGN(found.model, assets::resolve_model(config.model, fetch, progress));
  }
  if (config.workload.dataset.name == "synthetic") {
    found.prompts.name = "synthetic";
    return found;
  }
  LLEM_ASSIGN(found.prompts,
              assets::resolve_dataset(
                  config.workload.dataset, fetch,
                  fetch == assets::Fetch::yes && config.measure.profile == domain::Profile::quick,
                  progress));
  return found;
}

bool uses_gpus(const domain::Deploy& deploy) {
  // Offloading is the engine's choice unless it was told to use none.
  const auto layers = deploy.llamacpp.find("n_gpu_layers");
  return layers == deploy.llamacpp.end() || !layers->second.is_integer() ||
         layers->second.integer() != 0;
}

meters::MeterOptions meter_options(const domain::StudyConfig& config) {
  return {config.measure.meters, config.deploy.devices, uses_gpus(config.deploy)};
}

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

sys::CommandLine worker_command(const sys::Path& worker) {
  sys::CommandLine command;
  command.argv = {worker.string()};
  return command;
}

}  // namespace

Expected<RunOutcome> run(const Study& study, const RunOptions& options) {
  const domain::StudyConfig& config = study.state().resolved;
  LLEM_ASSIGN(const sys::Path worker, engines::find_worker(config.deploy.engine));
  LLEM_ASSIGN(const std::string root, results_dir(options));
  const ResultsFolder folder(root);
  LLEM_TRY(check_space(root));
  LLEM_ASSIGN(Assets assets, resolve_assets(config, assets::Fetch::yes, options.events));
  LLEM_ASSIGN(meters::MeterSet meters, meters::open_meters(meter_options(config)));
  const domain::Plan plan = study::make_plan(config, assets.model, assets.prompts, version());
  LLEM_ASSIGN(store::RunDirectory directory,
              store::RunDirectory::create(root, plan, study.state().text, study.state().file_name));
  LLEM_TRY(directory.write_environment(api::environment_json(meters)));

  const EventSink sink = [&](const Event& e) {
    if (e.kind != EventKind::progress) {
      if (auto written = directory.append_event(api::event_json(e)); !written) {
        base::warn(written.error().message);
      }
    }
    options.events(e);
  };
  Event event;
  event.kind = EventKind::study_started;
  event.text = directory.path().string();
  event.trials = static_cast<std::int64_t>(plan.trials.size());
  sink(event);
  const study::DriveInputs inputs{.plan = plan,
                                  .model = assets.model.facts,
                                  .prompts = assets.prompts.prompts,
                                  .dataset_substituted = assets.prompts.substituted,
                                  .worker = worker_command(worker),
                                  .placement = runners::LocalPlacement{},
                                  .interrupts = options.interrupts,
                                  .events = sink};
  LLEM_ASSIGN(const study::DriveOutcome driven, study::drive(inputs, meters, directory));
  event.kind = EventKind::study_finished;
  event.state = driven.interrupted ? "interrupted" : "finished";
  sink(event);
  return outcome_of(driven, directory, plan, options.text_width);
}

Expected<RunOutcome> analyse(const std::string& path, int text_width) {
  LLEM_ASSIGN(store::RunDirectory directory,
              store::RunDirectory::open(path, store::RunDirectory::Lock::yes));
  LLEM_ASSIGN(const study::DriveOutcome driven, study::analyse_again(directory));
  LLEM_ASSIGN(const domain::Plan plan, directory.read_plan());
  return outcome_of(driven, directory, plan, text_width);
}

Expected<PlanOutcome> plan(const Study& study, const RunOptions& options) {
  const domain::StudyConfig& config = study.state().resolved;
  LLEM_TRY(engines::find_worker(config.deploy.engine));
  LLEM_ASSIGN(const std::string root, results_dir(options));
  std::vector<std::string> notes;
  auto assets = resolve_assets(config, assets::Fetch::no, options.events);
  if (!assets) {
    if (assets.error().code != "not_cached") {
      return tl::unexpected(assets.error());
    }
    notes.push_back("not on this machine yet, will be fetched first: " + assets.error().message);
  }
  const Assets found = assets ? *std::move(assets) : Assets{};
  const domain::Plan plan = study::make_plan(config, found.model, found.prompts, version());
  const study::PointPrediction point = study::predict_point(
      plan.configurations.front(), found.model.facts,
      static_cast<double>(sys::usable_memory_bytes(sys::read_host_facts(sys::system_root()))));
  return api::describe_plan(plan, point, notes, root, config.study.cycles);
}

}  // namespace llem
