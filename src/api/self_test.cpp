#include "analysis/self_test.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>
#include <llem/self_test.hpp>
#include <llem/version.hpp>

#include "api/state.hpp"
#include "base/field_io.hpp"
#include "report/format.hpp"
#include "report/self_test.hpp"
#include "store/run_directory.hpp"
#include "study/gather.hpp"

namespace llem {

namespace {

constexpr std::int64_t kFewestPairs = 3;

/// What is measured where nothing else is asked for: every trial does the same work in seconds.
constexpr std::array<std::pair<const char*, const char*>, 13> kDefaults{
    {{"name", "self-test"},
     {"model.name", "smollm2-135m"},
     {"workload.dataset.name", "synthetic"},
     {"workload.requests", "8"},
     {"workload.input_tokens", "64"},
     {"workload.output_tokens", "32"},
     {"deploy.batch_size", "4"},
     {"measure.profile", "quick"},
     {"measure.baseline", "{bare_s: 1, loaded_s: 1}"},
     {"measure.warmup", "{min_s: 1, max_s: 5}"},
     {"measure.window", "{min_s: 4, pad_s: 0.5}"},
     {"measure.cooldown_s", "1"},
     {"study.order", "blocks"}}};

StudySource source_of(const SelfTestOptions& options) {
  StudySource source = options.source;
  if (source.file.empty()) {
    std::vector<Setting> settings;
    for (const auto& [path, value] : kDefaults) {
      settings.push_back({path, value, "the self-test"});
    }
    settings.insert(settings.end(), source.settings.begin(), source.settings.end());
    source.settings = std::move(settings);
  }
  source.settings.push_back(
      {"study.cycles", fmt::format("{}", 2 * options.pairs), "the self-test"});
  return source;
}

Expected<void> check_one(std::size_t configurations, const std::string& of) {
  if (configurations == 1) {
    return {};
  }
  return failure(
      ErrorKind::config,
      fmt::format("a deployment is compared with itself, and {} has {}", of,
                  report::plural(static_cast<std::int64_t>(configurations), "configuration")),
      "name one without a sweep", "not_one_configuration");
}

/// What the trials in a run directory say.
Expected<domain::SelfTest> evaluate(const std::string& path, const EventSink& events) {
  LLEM_ASSIGN(const store::RunDirectory directory,
              store::RunDirectory::open(path, store::RunDirectory::Lock::no));
  LLEM_ASSIGN(const domain::Plan plan, directory.read_plan());
  LLEM_TRY(check_one(plan.configurations.size(), fmt::format("`{}`", path)));
  LLEM_ASSIGN(const domain::UserFactors factors, api::user_factors());
  LLEM_ASSIGN(const study::Gathered gathered, study::gather(plan, directory, {}, factors, events));
  domain::SelfTest test;
  test.tool_version = std::string(version());
  test.directory = path;
  test.config_hash = plan.configurations.front().hash;
  std::vector<const domain::TrialResult*> trials;
  for (const domain::TrialResult& result : gathered.results) {
    test.unusable += result.validity.state == domain::ValidityState::invalid ? 1 : 0;
    trials.push_back(&result);
  }
  test.trials = static_cast<std::int64_t>(trials.size());
  test.metrics = analysis::noise_of(std::move(trials),
                                    static_cast<std::uint64_t>(plan.study.seed.value_or(0)));
  return test;
}

}  // namespace

Expected<SelfTestOutcome> self_test(const SelfTestOptions& options) {
  SelfTestOutcome outcome;
  outcome.directory = options.directory;
  if (options.directory.empty()) {
    if (options.pairs < kFewestPairs) {
      return failure(ErrorKind::usage,
                     fmt::format("{} cannot be compared", report::plural(options.pairs, "pair")),
                     fmt::format("the fewest are {}", kFewestPairs));
    }
    LLEM_ASSIGN(const Study study, Study::load(source_of(options)));
    LLEM_TRY(check_one(study.points(), "the study"));
    LLEM_ASSIGN(const RunOutcome measured, run(study, options.run));
    outcome.directory = measured.directory;
    outcome.interrupted = measured.interrupted;
    outcome.stopped = measured.stopped;
  }
  LLEM_ASSIGN(const domain::SelfTest test, evaluate(outcome.directory, options.run.events));
  outcome.said_something = !test.metrics.empty();
  outcome.text = report::self_test_text(test);
  outcome.json = base::write_json(base::write_struct(test), base::JsonStyle::indented);
  return outcome;
}

}  // namespace llem
