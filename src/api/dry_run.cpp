#include "api/dry_run.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <llem/version.hpp>

#include "api/shelf.hpp"
#include "api/state.hpp"
#include "base/field_io.hpp"
#include "base/text.hpp"
#include "study/earlier.hpp"
#include "study/forecast.hpp"
#include "study/plan.hpp"
#include "study/stopping.hpp"
#include "sys/host.hpp"

namespace llem::api {

namespace {

constexpr std::size_t kRowsShown = 40;
constexpr std::size_t kSkippedShown = 20;
constexpr std::size_t kPositionsShown = 5;

struct DryRun {
  domain::Plan plan;
  std::vector<study::PointPrediction> predictions;  // one a configuration
  config::TimeRange total;
  std::optional<double> expected_s;  // absent where the measurement decides when it ends
  std::set<std::string> notes;
};

/// Trials that are needed even when study.precision is reached as soon as it may be.
std::vector<bool> trials_at_least(const domain::Plan& plan) {
  return domain::needed_trials(plan, plan.study.precision ? std::optional(domain::BlockDecision{
                                                                *plan.study.precision->min_cycles,
                                                                domain::BlockVerdict::reached, 0})
                                                          : std::nullopt);
}

study::Forecast forecast_of(const domain::Plan& plan) {
  study::Forecast forecast(plan);
  const std::vector<bool> needed = trials_at_least(plan);
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (needed[i]) {
      forecast.expect(plan.trials[i].configuration);
    } else {
      forecast.expect_perhaps(plan.trials[i].configuration);
    }
  }
  return forecast;
}

config::TimeRange time_of(const domain::Plan& plan, const study::Forecast& forecast) {
  const config::TimeRange trials = forecast.remaining();
  return plan.study.precision
             ? study::within_budget(*plan.study.precision, 0, trials, forecast.cycle())
             : trials;
}

Expected<DryRun> prepare(const Study& study, const std::string& root, const RunOptions& options) {
  const Study::State& state = study.state();
  DryRun run;
  Shelf shelf(assets::Fetch::no, options.events);
  LLEM_ASSIGN(const std::vector<study::PointAssets> assets, shelf.points(state.space));
  for (const std::string& missing : shelf.missing()) {
    run.notes.insert("not on this machine yet, will be fetched first: " + missing +
                     "; hashes and, without study.seed, the order will then be others");
  }
  LLEM_ASSIGN(run.plan, study::make_plan(state.name, state.space, assets, version()));
  if (options.no_gaps) {
    run.plan = study::without_rests(std::move(run.plan));
  }
  std::map<std::string, const assets::ResolvedModel*> models;
  for (const study::PointAssets& found : assets) {
    models[found.model->sha256] = found.model;
  }
  const auto available =
      static_cast<double>(sys::usable_memory_bytes(sys::read_host_facts(sys::system_root())));
  for (const domain::Configuration& configuration : run.plan.configurations) {
    run.predictions.push_back(
        study::predict_point(configuration, models[configuration.model_sha256]->facts, available));
  }
  const auto earlier = study::earlier_durations(root);
  study::Forecast forecast = forecast_of(run.plan);
  std::size_t known = 0;
  for (std::size_t i = 0; i < run.plan.configurations.size(); ++i) {
    const auto found = earlier.find(run.plan.configurations[i].hash);
    if (found == earlier.end()) {
      continue;
    }
    ++known;
    for (const double seconds : found->second) {
      forecast.learn(static_cast<std::int64_t>(i), seconds);
    }
  }
  if (known > 0) {
    run.notes.insert(
        fmt::format("the time of {} of {} configurations is taken from earlier runs "
                    "in {}",
                    known, run.plan.configurations.size(), root));
  }
  run.total = time_of(run.plan, forecast);
  if (!run.plan.study.precision) {
    run.expected_s = forecast.expected();
  }
  return run;
}

std::string range_of(std::int64_t low, std::int64_t high) {
  return low == high ? std::to_string(low) : fmt::format("{} to {}", low, high);
}

/// "5 cycles, 10 trials", or from the fewest to the most.
std::string size_text(const domain::Plan& plan) {
  const domain::Study& study = plan.study;
  const std::int64_t fewest = study.precision ? *study.precision->min_cycles : study.cycles;
  const auto needed = std::ranges::count(trials_at_least(plan), true);
  return fmt::format("{} cycles, {} trials", range_of(fewest, study.cycles),
                     range_of(needed, static_cast<std::int64_t>(plan.trials.size())));
}

/// Said where a trial measures more than one window.
std::string windows_text(const domain::Plan& plan) {
  const auto [fewest, most] = std::ranges::minmax(
      plan.configurations, {}, [](const auto& c) { return c.measure.windows_per_trial; });
  const std::int64_t low = fewest.measure.windows_per_trial;
  const std::int64_t high = most.measure.windows_per_trial;
  return high == 1 ? ""
                   : fmt::format(
                         "windows       {} a trial, one after another with one engine "
                         "process\n",
                         range_of(low, high));
}

std::string precision_text(const domain::Plan& plan) {
  if (!plan.study.precision) {
    return {};
  }
  const domain::Precision& rule = *plan.study.precision;
  return fmt::format(
      "precision     cycles follow until {} is known to ±{} % of each configuration{}\n",
      words(rule.metric)[static_cast<std::size_t>(rule.metric)],
      base::shortest(100 * rule.relative_half_width),
      rule.budget_s ? fmt::format(", or {} are used up", base::format_duration(*rule.budget_s))
                    : "");
}

std::string time_text(const DryRun& run) {
  const std::string range = fmt::format("{} to {}", base::format_duration(run.total.low_s),
                                        base::format_duration(run.total.high_s));
  return fmt::format(
      "time          {}, loading and last passes not counted where "
      "no earlier run tells\n",
      run.expected_s ? fmt::format("about {} ({})", base::format_duration(*run.expected_s), range)
                     : range);
}

std::string positions_of(const domain::Plan& plan, std::int64_t configuration) {
  std::vector<std::string> positions;
  std::size_t count = 0;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (plan.trials[i].configuration == configuration &&
        plan.trials[i].role == domain::TrialRole::measured && ++count <= kPositionsShown) {
      positions.push_back(std::to_string(i + 1));
    }
  }
  if (count > kPositionsShown) {
    positions.emplace_back("...");
  }
  return base::join(positions, " ");
}

std::string memory_word(const predict::MemoryFit& memory) {
  if (memory.weights_bytes <= 0) {
    return "unknown";
  }
  return fmt::format("{} {}", base::format_bytes(memory.total_bytes),
                     memory.fits ? "fits" : "DOES NOT FIT");
}

std::string one_configuration(const domain::Configuration& c, const predict::MemoryFit& memory) {
  std::string text =
      fmt::format("configuration {} · {} · {} batching, batch {} · {} requests a pass · {}\n",
                  c.model.name, words(c.deploy.engine)[static_cast<std::size_t>(c.deploy.engine)],
                  words(c.deploy.batching)[static_cast<std::size_t>(c.deploy.batching)],
                  c.deploy.batch_size, c.workload.requests, c.workload.dataset.name);
  if (memory.weights_bytes > 0) {
    text += fmt::format(
        "memory        {} of {} ({} weights, {} KV cache): {}\n",
        base::format_bytes(memory.total_bytes), base::format_bytes(memory.available_bytes),
        base::format_bytes(memory.weights_bytes), base::format_bytes(memory.kv_cache_bytes),
        memory.fits ? "fits" : "does not fit");
  }
  return text;
}

std::string table(const DryRun& run) {
  std::size_t width = std::string("configuration").size();
  const std::size_t shown = std::min(run.plan.configurations.size(), kRowsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    width = std::max(width, run.plan.configurations[i].label.size());
  }
  width = std::min<std::size_t>(width, 60);
  std::string text = fmt::format("\n{:>4}  {:<{}}  {:<8}  {:<22}  {}\n", "#", "configuration",
                                 width, "hash", "memory", "positions");
  for (std::size_t i = 0; i < shown; ++i) {
    const domain::Configuration& c = run.plan.configurations[i];
    text += fmt::format("{:>4}  {:<{}}  {:<8}  {:<22}  {}\n", i + 1, c.label.substr(0, width),
                        width, c.hash.substr(0, 8), memory_word(run.predictions[i].memory),
                        positions_of(run.plan, static_cast<std::int64_t>(i)));
    for (const std::string& other : c.same_as) {
      text += fmt::format("      = {}\n", other);
    }
  }
  if (run.plan.configurations.size() > shown) {
    text += fmt::format("      and {} more; --json lists all\n",
                        run.plan.configurations.size() - shown);
  }
  return text + "\n";
}

std::string skipped(const domain::Plan& plan) {
  if (plan.skipped.empty()) {
    return {};
  }
  std::string text = fmt::format("skipped       {} points\n", plan.skipped.size());
  for (std::size_t i = 0; i < std::min(plan.skipped.size(), kSkippedShown); ++i) {
    text += fmt::format("      {}: {}\n", plan.skipped[i].label, plan.skipped[i].reason);
  }
  if (plan.skipped.size() > kSkippedShown) {
    text +=
        fmt::format("      and {} more; --json lists all\n", plan.skipped.size() - kSkippedShown);
  }
  return text;
}

std::string order_text(const domain::Plan& plan) {
  const domain::Study& study = plan.study;
  const bool drawn = study.order == domain::TrialOrder::blocks ||
                     study.order == domain::TrialOrder::shuffled ||
                     study.order == domain::TrialOrder::latin_square;
  return fmt::format(
      "order         {}{}{}\n", words(study.order)[static_cast<std::size_t>(study.order)],
      drawn ? fmt::format(", seed {}", *study.seed) : "",
      study.sentinel
          ? fmt::format(", the first configuration again every {} trials", study.sentinel->every)
          : "");
}

std::string text_of(const DryRun& run, const std::string& root) {
  const domain::Plan& plan = run.plan;
  const bool single = plan.configurations.size() == 1;
  std::string text = fmt::format("plan          {} ({} configuration{}, {})\n", plan.study_name,
                                 plan.configurations.size(), single ? "" : "s", size_text(plan));
  text += windows_text(plan) + precision_text(plan);
  if (single) {
    text += one_configuration(plan.configurations.front(), run.predictions.front().memory);
  } else {
    for (const domain::Factor& factor : plan.factors) {
      text += fmt::format("factor        {}: {}\n", factor.name, base::join(factor.levels, ", "));
    }
    text += order_text(plan) + table(run);
  }
  text += skipped(plan);
  if (!plan.skipped.empty() && plan.skipped.size() > plan.configurations.size()) {
    text += "warning       more than half of the points are skipped\n";
  }
  text += time_text(run);
  std::set<std::string> assumptions;
  for (const study::PointPrediction& prediction : run.predictions) {
    assumptions.insert(prediction.memory.assumptions.begin(), prediction.memory.assumptions.end());
  }
  for (const std::string& assumption : assumptions) {
    text += fmt::format("assumed       {}\n", assumption);
  }
  for (const std::string& note : run.notes) {
    text += fmt::format("note          {}\n", note);
  }
  if (plan.study.gap.temperature_within_c || plan.study.cycle_gap.temperature_within_c) {
    text += "note          rests for temperature are not counted in the time\n";
  }
  return text + fmt::format("would write   {}/{}-<time>-{}/\n", root,
                            base::file_name_from(plan.study_name),
                            domain::plan_hash(plan).substr(0, 8));
}

base::Json json_of(const DryRun& run, const std::string& root) {
  base::Json predictions = base::Json::array();
  for (const study::PointPrediction& p : run.predictions) {
    predictions.push_back(
        base::Json::object({{"shortest_s", p.declared.low_s},
                            {"longest_s", p.declared.high_s},
                            {"memory_fits", p.memory.fits},
                            {"memory_total_bytes", p.memory.total_bytes},
                            {"memory_weights_bytes", p.memory.weights_bytes},
                            {"memory_kv_cache_bytes", p.memory.kv_cache_bytes},
                            {"memory_available_bytes", p.memory.available_bytes}}));
  }
  base::Json notes = base::Json::array();
  for (const std::string& note : run.notes) {
    notes.push_back(note);
  }
  base::Json json = base::Json::object({{"schema", "dry_run"},
                                        {"schema_version", "1.0.0"},
                                        {"plan", base::write_struct(run.plan)},
                                        {"predictions", std::move(predictions)},
                                        {"predicted_shortest_s", run.total.low_s},
                                        {"predicted_longest_s", run.total.high_s},
                                        {"results_dir", root},
                                        {"notes", std::move(notes)}});
  if (run.expected_s) {
    json["predicted_s"] = *run.expected_s;
  }
  return json;
}

}  // namespace

Expected<PlanOutcome> describe_study(const Study& study, const std::string& root,
                                     const RunOptions& options) {
  LLEM_ASSIGN(const DryRun run, prepare(study, root, options));
  PlanOutcome out;
  out.text = text_of(run, root);
  out.json = base::write_json(json_of(run, root), base::JsonStyle::indented);
  return out;
}

}  // namespace llem::api
