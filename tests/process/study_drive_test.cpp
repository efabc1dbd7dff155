// Driving trials with a worker that ends at once: what is kept, whatever else goes wrong.

#include <cmath>
#include <filesystem>
#include <optional>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

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
    const auto loaded = config::load_study(
        fmt::format("{{model: m, deploy: {{engine: scripted}}, study: {{cycles: {}}}, measure: "
                    "{{baseline: {{bare_s: 0.02}}}}}}",
                    trials),
        "study.yaml", {}, {});
    if (!loaded) {
      return tl::unexpected(loaded.error());
    }
    LLEM_ASSIGN(const config::Space space,
                config::expand(*loaded, {.usable_cpus = 1},
                               [](const domain::Deploy&) { return Expected<void>(); }));
    const PointAssets assets{&model_, &dataset_};
    LLEM_ASSIGN(plan_, make_plan("drive", space, std::span(&assets, 1), "0"));
    LLEM_ASSIGN(auto directory, store::RunDirectory::create(folder_->path(), plan_, "", ""));
    directory_.emplace(std::move(directory));
    const Means means{.model = &model_.facts,
                      .prompts = &dataset_.prompts,
                      .worker = {{"false"}, {}},
                      .meters = &meters_};
    const DriveInputs inputs{.plan = plan_,
                             .tool_version = "0",
                             .means = std::span(&means, 1),
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
  ASSERT_TRUE(drive_trials(3));
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
  ASSERT_TRUE(drive_trials(2));
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

}  // namespace
}  // namespace llem::study
