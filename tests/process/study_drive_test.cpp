// Driving trials with a worker that ends at once: what is kept, whatever else goes wrong. And
// studies that end by what they measured, of recordings laid down before and of the test engine.

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "study/drive.hpp"
#include "study/plan.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::study {
namespace {

namespace fs = std::filesystem;
using analysis::test::a_recording;
using analysis::test::has_code;
using analysis::test::RecordingBuilder;

/// Reads what no document can hold.
class BrokenMeter final : public meters::Meter {
 public:
  BrokenMeter() : channels_(1) {}

  std::span<const domain::Channel> channels() const override { return channels_; }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    const std::int64_t now = to_ns(MonotonicTime::clock::now());
    block.push(first_channel, std::nan(""), now, now);
  }

  Seconds period(Seconds sampling_period) const override { return sampling_period; }

  std::int64_t failed_reads() const noexcept override { return 0; }

 private:
  std::vector<domain::Channel> channels_;
};

class Drive : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-drive");
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(*std::move(folder));
  }

  /// Runs a study of so many trials.
  Expected<DriveOutcome> drive_trials(int trials) {
    LLEM_TRY(make(
        fmt::format("{{model: m, deploy: {{engine: scripted}}, study: {{cycles: {}}}, measure: "
                    "{{baseline: {{bare_s: 0.02}}}}}}",
                    trials)));
    return drive_planned();
  }

  /// Makes plan and run directory of a study.
  Expected<void> make(const std::string& text) {
    LLEM_ASSIGN(const auto loaded, config::load_study(text, "study.yaml", {}, {}));
    LLEM_ASSIGN(config::Space space,
                config::expand(loaded, {.usable_cpus = 1},
                               [](const domain::Deploy&) { return Expected<void>(); }));
    const std::vector<PointAssets> assets(space.points.size(), PointAssets{&model_, &dataset_});
    LLEM_ASSIGN(plan_, make_plan("drive", std::move(space), assets, "0"));
    LLEM_ASSIGN(auto directory, store::RunDirectory::create(folder_->path(), plan_, "", ""));
    directory_.emplace(std::move(directory));
    return {};
  }

  Expected<DriveOutcome> drive_planned() {
    const std::vector<Means> means(plan_.configurations.size(), Means{.model = &model_.facts,
                                                                      .prompts = &dataset_.prompts,
                                                                      .worker = worker_,
                                                                      .meters = &meters_});
    const DriveInputs inputs{.plan = plan_,
                             .tool_version = "0",
                             .means = means,
                             .placement = runners::LocalPlacement{},
                             .shard = {},
                             .lock_devices = false,
                             .interrupts = interrupts_,
                             .events = events_};
    return drive(inputs, *directory_);
  }

  std::vector<domain::TrialResult> results() const {
    std::vector<domain::TrialResult> all;
    const std::vector<store::Path> paths = recordings();
    for (const store::Path& path : paths) {
      if (auto result = store::read_result(path)) {
        all.push_back(*std::move(result));
      }
    }
    return all;
  }

  std::vector<store::Path> recordings() const {
    std::vector<store::Path> paths;
    const auto attempts = directory_->attempts();
    for (const store::Attempt& attempt : *attempts) {
      if (attempt.recorded) {
        paths.push_back(attempt.path);
      }
    }
    return paths;
  }

  std::vector<store::TrialState> manifest() const {
    std::vector<store::TrialState> states;
    const auto lines = directory_->read_manifest();
    for (const store::ManifestLine& line : *lines) {
      states.push_back(line.state);
    }
    return states;
  }

  sys::CommandLine worker_{{"false"}, {}};
  std::optional<sys::TempDir> folder_;
  assets::ResolvedModel model_;
  assets::PromptSet dataset_;
  domain::Plan plan_;
  std::optional<store::RunDirectory> directory_;
  meters::MeterSet meters_;
  Interrupts interrupts_;
  EventSink events_ = [](const Event&) {};
};

TEST_F(Drive, sees_an_interrupt_that_comes_while_a_result_is_written) {
  for (const int trials : {1, 2}) {
    const sys::Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    interrupts_ = {wake.get(), [&wake] {
                     std::uint64_t count = 0;
                     const bool came = ::read(wake.get(), &count, sizeof count) > 0;
                     return came ? StopRequest::stop : StopRequest::none;
                   }};
    events_ = [&wake](const Event& event) {
      const std::uint64_t one = 1;
      if (event.kind == EventKind::trial_finished) {
        EXPECT_EQ(::write(wake.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
      }
    };
    const auto outcome = drive_trials(trials);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_TRUE(outcome->interrupted);
    EXPECT_EQ(results().size(), 1U) << "the other trial is not begun";
  }
}

TEST_F(Drive, counts_a_trial_whose_readings_are_no_numbers_as_failed_and_goes_on) {
  meters_.meters.push_back(std::make_unique<BrokenMeter>());
  const auto outcome = drive_trials(2);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_EQ(results().size(), 2U);
  for (const domain::TrialResult& result : results()) {
    EXPECT_TRUE(has_code(result, "internal"));
    EXPECT_EQ(result.validity.state, domain::ValidityState::invalid);
  }
  using enum store::TrialState;
  EXPECT_EQ(manifest(), (std::vector{started, recorded, failed, started, recorded, failed}));
  EXPECT_EQ(recordings().size(), 2U);
}

TEST_F(Drive, analyses_again_what_it_can_and_names_the_rest) {
  const auto driven = drive_trials(3);
  ASSERT_TRUE(driven) << driven.error().message;
  const auto trials = recordings();
  ASSERT_EQ(trials.size(), 3U);
  fs::resize_file(trials[0] / "traces.parquet", 10);
  fs::resize_file(trials[1] / "recording.json", 10);
  fs::remove(trials[1] / "result.json");
  const auto kept = sys::read_file(trials[0] / "result.json").value();
  const auto outcome = analyse_again(*directory_);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_EQ(results().size(), 2U) << "the first by what was said of it before";
  EXPECT_EQ(results()[0].identity.trial, 0);
  EXPECT_EQ(results()[1].identity.trial, 2);
  EXPECT_EQ(sys::read_file(trials[0] / "result.json").value(), kept);
  ASSERT_EQ(outcome->unread.size(), 2U);
  EXPECT_NE(outcome->unread[0].find(trials[0].string()), std::string::npos);
}

TEST_F(Drive, counts_a_result_that_is_no_number_as_failed_and_goes_on) {
  const auto driven = drive_trials(2);
  ASSERT_TRUE(driven) << driven.error().message;
  const auto trials = recordings();
  // Powers that are numbers, and whose sum is none.
  domain::Recording recording =
      a_recording()
          .gauge("package-0", domain::Scope::package, RecordingBuilder::plain_wave(), 0.1, 0.1)
          .build();
  recording.configuration = plan_.configurations[0];
  for (domain::TracePoint& point : recording.traces[0]) {
    point.value = 1e308;
  }
  ASSERT_TRUE(store::write_recording(trials[0], recording));
  const auto outcome = analyse_again(*directory_);
  ASSERT_TRUE(outcome) << outcome.error().message;
  ASSERT_EQ(results().size(), 2U);
  EXPECT_TRUE(has_code(results()[0], "internal"));
  EXPECT_FALSE(has_code(results()[1], "internal"));
  EXPECT_TRUE(store::read_result(trials[0]));
}

/// Two configurations whose trials, where a test says so, lie there recorded: energies by design,
/// time that does not pass. A trial that does not lie there fails at once.
class Precise : public Drive {
 protected:
  // Relative deviations of the energy. Half the t interval of the first three of `kSteady` is 2.48
  // x 0.1 %; that of `kWide` is 2.48 x 2 % of three, 1.59 x 1.63 % of four, 1.24 x 1.41 % of five.
  static constexpr std::array kSteady{0.0, 0.001, -0.001, 0.0, 0.0, 0.0};
  static constexpr std::array kWide{0.0, 0.02, -0.02, 0.0, 0.0, 0.0};

  Expected<void> make_precise(const std::string& precision, const std::string& study = "") {
    return make(fmt::format(
        "{{model: m, workload: {{dataset: synthetic, requests: 20, output_tokens: 16}}, deploy: "
        "{{engine: scripted, batch_size: 2}}, sweep: {{deploy.threads: [1, 2]}}, measure: "
        "{{baseline: {{bare_s: 0.02}}}}, study: {{precision: {{{}}}{}}}}}",
        precision, study));
  }

  template <std::size_t N>
  void lay_down(std::int64_t configuration, const std::array<double, N>& deviations,
                std::int64_t from, std::int64_t to, std::int64_t attempt = 1) {
    for (const domain::Trial& trial : plan_.trials) {
      if (trial.configuration != configuration || trial.cycle < from || trial.cycle > to) {
        continue;
      }
      const domain::Configuration& planned =
          plan_.configurations[static_cast<std::size_t>(configuration)];
      const double factor = 1 + deviations.at(static_cast<std::size_t>(trial.cycle - 1));
      domain::Recording recording =
          a_recording()
              .gauge("package-0", domain::Scope::package,
                     RecordingBuilder::plain_wave().scaled(factor), 0.1, 0.1)
              .build();
      recording.configuration = planned;
      recording.trial = trial.index;
      recording.cycle = trial.cycle;
      recording.role = trial.role;
      recording.attempt = attempt;
      const auto place = directory_->make_trial_directory(trial, planned.hash, attempt);
      ASSERT_TRUE(place) << place.error().message;
      ASSERT_TRUE(store::write_recording(*place, recording));
    }
  }

  std::string decisions() const {
    std::string text;
    const auto lines = directory_->read_decisions();
    for (const store::BlockLine& line : *lines) {
      text += fmt::format("{} {}\n", line.block,
                          words(line.verdict)[static_cast<std::size_t>(line.verdict)]);
    }
    return text;
  }

  void open_again() {
    const sys::Path path = directory_->path();
    directory_.reset();
    auto directory = store::RunDirectory::open(path, store::RunDirectory::Lock::yes);
    ASSERT_TRUE(directory) << directory.error().message;
    directory_.emplace(*std::move(directory));
  }
};

TEST_F(Precise, ends_after_the_block_in_which_every_interval_is_narrow_enough) {
  ASSERT_TRUE(make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8"));
  lay_down(0, kSteady, 1, 5);
  lay_down(1, kWide, 1, 5);
  std::string told;
  events_ = [&told](const Event& event) {
    if (event.kind == EventKind::block_decided) {
      told += fmt::format("{} {}: {}\n", event.cycle, event.state, event.text);
    }
  };
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 go_on\n2 go_on\n3 go_on\n4 go_on\n5 reached\n");
  EXPECT_EQ(told,
            "1 go_on: goes on, at least to cycle 3\n"
            "2 go_on: goes on, at least to cycle 3\n"
            "3 go_on: goes on; ±4.97 %, ±2 % asked for; 1 of 2 short of it\n"
            "4 go_on: goes on; ±2.60 %, ±2 % asked for; 1 of 2 short of it\n"
            "5 reached: precision reached; ±1.76 %, ±2 % asked for\n");
  const domain::Summary& summary = outcome->summary;
  EXPECT_EQ(summary.n_planned, 16);
  EXPECT_EQ(summary.n_missing, 0);
  EXPECT_EQ(summary.n_unneeded, 6);
  EXPECT_FALSE(summary.stopped);
  ASSERT_TRUE(summary.precision);
  EXPECT_EQ(summary.precision->verdict, domain::BlockVerdict::reached);
  EXPECT_EQ(summary.precision->blocks, 5);
  for (std::size_t i = 0; i < 2; ++i) {
    const domain::ConfigurationResult& result = summary.configurations[i];
    const domain::ConfigurationPrecision& known = summary.precision->configurations[i];
    const domain::Aggregate& energy = *result.gross_j_per_output_token;
    EXPECT_EQ(known.n, 5);
    EXPECT_TRUE(known.reached);
    EXPECT_NEAR(*known.half_width_ratio,
                (energy.interval->high - energy.interval->low) / 2 / energy.value, 1e-12);
    EXPECT_EQ(std::ranges::count(result.codes, "precision_not_reached"), 0);
  }
  EXPECT_NEAR(*summary.precision->configurations[1].half_width_ratio, 0.0176, 0.0002);
  const auto again = analyse_again(*directory_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(base::write_struct(again->summary), base::write_struct(summary));
}

TEST_F(Precise, neither_repeats_nor_forgets_a_decision) {
  ASSERT_TRUE(make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8",
                           ", stop_on_failure: true"));
  lay_down(0, kSteady, 1, 3);
  lay_down(1, kWide, 1, 3);
  const auto cut = drive_planned();
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_TRUE(cut->summary.stopped) << "the first trial of the fourth cycle failed";
  EXPECT_EQ(decisions(), "1 go_on\n2 go_on\n3 go_on\n");
  EXPECT_EQ(cut->summary.precision->verdict, domain::BlockVerdict::go_on);
  EXPECT_EQ(cut->summary.n_unneeded, 0);
  EXPECT_EQ(cut->summary.n_missing, 9);
  open_again();
  lay_down(0, kSteady, 4, 5, 2);
  lay_down(1, kWide, 4, 5, 2);
  for (int round = 0; round < 2; ++round) {
    const auto outcome = drive_planned();
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->summary.n_missing, 0);
    EXPECT_EQ(outcome->summary.n_unneeded, 6);
    EXPECT_EQ(outcome->summary.precision->verdict, domain::BlockVerdict::reached);
    open_again();
    const auto lines = directory_->read_decisions();
    ASSERT_TRUE(lines) << lines.error().message;
    EXPECT_EQ(lines->size(), 5U);
    EXPECT_EQ(store::fold_blocks(*lines)->block, 5);
  }
}

TEST_F(Precise, decides_after_a_block_that_became_whole_before_a_kill) {
  ASSERT_TRUE(make_precise("relative_half_width: 0.01, min_cycles: 3, max_cycles: 8"));
  lay_down(0, kSteady, 1, 3);
  lay_down(1, kSteady, 1, 3);
  for (const domain::Trial& trial : plan_.trials) {
    if (trial.cycle <= 3) {  // all is written of the trials, nothing of the blocks
      ASSERT_TRUE(directory_->append_manifest(trial.index, 1, store::TrialState::done));
    }
  }
  open_again();
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 go_on\n2 go_on\n3 reached\n");
  EXPECT_EQ(outcome->summary.n_unneeded, 10);
  EXPECT_EQ(recordings().size(), 6U) << "no trial was run";
}

TEST_F(Precise, ends_when_its_time_is_used_up_and_flags_what_is_short_of_it) {
  ASSERT_TRUE(
      make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8, budget_s: 0.000001"));
  lay_down(0, kSteady, 1, 1);
  lay_down(1, kWide, 1, 1);
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 budget_used\n");
  EXPECT_EQ(outcome->summary.n_missing, 0);
  EXPECT_EQ(outcome->summary.n_unneeded, 14);
  for (const domain::ConfigurationResult& result : outcome->summary.configurations) {
    EXPECT_EQ(std::ranges::count(result.codes, "precision_not_reached"), 1);
    EXPECT_EQ(result.state, domain::ValidityState::flagged);
  }
  EXPECT_GT(outcome->summary.precision->spent_s, 0);
}

TEST_F(Precise, counts_the_time_of_the_process_before) {
  // The trials of a process that was killed took 70 s each; the budget is for less than two cycles.
  ASSERT_TRUE(
      make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8, budget_s: 200"));
  lay_down(0, kSteady, 1, 2);
  lay_down(1, kWide, 1, 2);
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_GE(outcome->summary.precision->spent_s, 280);
  EXPECT_LT(outcome->summary.precision->spent_s, 400);
}

TEST_F(Precise, counts_the_time_of_a_sentinel_too) {
  // A sentinel and one trial of the first cycle, 70 s each, were over when the process was killed.
  ASSERT_TRUE(make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8, budget_s: 100",
                           ", sentinel: 100"));
  lay_down(0, kSteady, 1, 1);
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 budget_used\n");
  EXPECT_GE(outcome->summary.precision->spent_s, 140);
  EXPECT_EQ(outcome->summary.n_missing, 0) << "the sentinel that closes the plan was tried";
  EXPECT_EQ(outcome->summary.n_unneeded, 14);
}

TEST_F(Precise, is_not_held_up_by_a_configuration_that_always_fails_and_names_it) {
  ASSERT_TRUE(make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 8"));
  lay_down(0, kSteady, 1, 3);
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 go_on\n2 go_on\n3 reached\n");
  const domain::Summary& summary = outcome->summary;
  EXPECT_EQ(summary.n_missing, 0);
  EXPECT_TRUE(summary.precision->configurations[0].reached);
  EXPECT_FALSE(summary.precision->configurations[1].reached);
  EXPECT_EQ(summary.precision->configurations[1].n, 0);
  EXPECT_EQ(summary.configurations[1].n_failed, 3);
  EXPECT_EQ(std::ranges::count(summary.configurations[1].codes, "precision_not_reached"), 1);
}

TEST_F(Precise, flags_what_the_most_cycles_did_not_reach) {
  ASSERT_TRUE(make_precise("relative_half_width: 0.02, min_cycles: 3, max_cycles: 4"));
  lay_down(0, kSteady, 1, 4);
  lay_down(1, kWide, 1, 4);
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(decisions(), "1 go_on\n2 go_on\n3 go_on\n4 maximum_used\n");
  EXPECT_EQ(outcome->summary.n_unneeded, 0);
  const auto& results = outcome->summary.configurations;
  EXPECT_EQ(std::ranges::count(results[0].codes, "precision_not_reached"), 0);
  EXPECT_EQ(std::ranges::count(results[1].codes, "precision_not_reached"), 1);
}

TEST_F(Precise, ends_a_study_of_the_test_engine) {
  auto meters = meters::open_meters({.meters = {"host"}, .devices = {}, .gpus_used = false});
  ASSERT_TRUE(meters) << meters.error().message;
  meters_ = *std::move(meters);
  worker_ = {{LLEM_SCRIPTED_WORKER}, {}};
  ASSERT_TRUE(make(
      "{model: m, workload: {dataset: synthetic, requests: 4, input_tokens: 16, output_tokens: "
      "8}, deploy: {engine: scripted, batch_size: 2}, measure: {profile: quick, baseline: "
      "{bare_s: 0.02, loaded_s: 0.02}, warmup: {min_s: 0, max_s: 0.05}, window: {min_s: 0.1, "
      "pad_s: 0.02}, cooldown_s: 0.05}, study: {precision: {metric: output_tokens_per_s, "
      "relative_half_width: 0.5, min_cycles: 3, max_cycles: 20}}}"));
  const auto outcome = drive_planned();
  ASSERT_TRUE(outcome) << outcome.error().message;
  const domain::PrecisionSummary& precision = *outcome->summary.precision;
  EXPECT_EQ(precision.verdict, domain::BlockVerdict::reached);
  EXPECT_GE(precision.blocks, 3);
  EXPECT_EQ(recordings().size(), static_cast<std::size_t>(precision.blocks));
  EXPECT_EQ(outcome->summary.n_missing, 0);
  EXPECT_EQ(outcome->summary.n_unneeded, 20 - precision.blocks);
  EXPECT_EQ(outcome->summary.configurations[0].n_used, precision.blocks);
  EXPECT_GT(precision.spent_s, 0.3) << "three trials of a tenth of a second and more";
}

}  // namespace
}  // namespace llem::study
