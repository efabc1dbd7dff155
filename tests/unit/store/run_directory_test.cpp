#include "store/run_directory.hpp"

#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "store/flat_table.hpp"
#include "store/parquet.hpp"

namespace llem::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStudy = "# as given\r\nmodel: x   \n\ttabs\n";

domain::Plan small_plan() {
  domain::Plan plan;
  plan.tool_version = "0.1.0";
  plan.study_name = "batch sweep/1";
  plan.study.timeout_s = 600;
  plan.configurations.resize(1);
  plan.configurations[0].hash = "9f31ab02c4d1e7aa";
  plan.configurations[0].model.name = "smollm2-135m";
  plan.trials = {{0, 0, 1}, {1, 0, 2}};
  return plan;
}

class RunDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-run");
    ASSERT_TRUE(folder) << folder.error().message;
    root_.emplace(*std::move(folder));
  }

  RunDirectory make_run() {
    auto run =
        RunDirectory::create(root_->path() / "runs", small_plan(), kStudy, "a/my study.yaml");
    EXPECT_TRUE(run) << run.error().message;
    return *std::move(run);
  }

  std::optional<sys::TempDir> root_;
};

std::string text_of(const fs::path& path) {
  return sys::read_file(path).value_or("(missing)");
}

TEST_F(RunDirectoryTest, IsLaidOutAsDocumented) {
  const RunDirectory run = make_run();
  const std::string name = run.path().filename().string();
  EXPECT_TRUE(name.starts_with("batch-sweep-1-2")) << name;
  EXPECT_EQ(name.size(), std::string("batch-sweep-1-20261122T140102Z-9f31ab02").size()) << name;
  for (const char* folder : {"trials", "manifest", "locks"}) {
    EXPECT_TRUE(fs::is_directory(run.path() / folder)) << folder;
  }
  EXPECT_EQ(text_of(run.path() / "study.yaml"), kStudy);
  const auto plan = run.read_plan();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(base::write_struct(*plan), base::write_struct(small_plan()));
}

TEST_F(RunDirectoryTest, ASecondOneOfTheSameSecondGetsANumber) {
  const RunDirectory first = make_run();
  const RunDirectory second = make_run();
  EXPECT_NE(first.path(), second.path());
}

TEST_F(RunDirectoryTest, AJsonStudyKeepsItsExtensionAndNoStudyIsNotWritten) {
  const auto json = RunDirectory::create(root_->path(), small_plan(), "{}", "study.json");
  ASSERT_TRUE(json);
  EXPECT_TRUE(fs::exists(json->path() / "study.json"));
  const auto none = RunDirectory::create(root_->path(), small_plan(), "", "");
  ASSERT_TRUE(none);
  EXPECT_FALSE(fs::exists(none->path() / "study.yaml"));
}

TEST_F(RunDirectoryTest, TheLockNamesItsHolder) {
  const RunDirectory run = make_run();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = RunDirectory::open(run.path(), RunDirectory::Lock::yes);
    const bool as_expected =
        !second && second.error().kind == ErrorKind::preflight &&
        second.error().message.find("pid " + std::to_string(::getppid())) != std::string::npos;
    ::_exit(as_expected ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(RunDirectory::open(run.path(), RunDirectory::Lock::no)) << "reading needs no lock";
}

TEST_F(RunDirectoryTest, TheLockEndsWithItsOwner) {
  fs::path path;
  {
    const RunDirectory run = make_run();
    path = run.path();
  }
  EXPECT_TRUE(RunDirectory::open(path, RunDirectory::Lock::yes));
}

TEST_F(RunDirectoryTest, OtherFoldersAreNoRunDirectories) {
  const auto empty = RunDirectory::open(root_->path(), RunDirectory::Lock::no);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, "no_run_directory");
  EXPECT_FALSE(RunDirectory::open(root_->path() / "absent", RunDirectory::Lock::no));
}

TEST_F(RunDirectoryTest, AnUnwritableRootLeavesNothing) {
  std::ofstream(root_->path() / "file") << "x";
  const auto run = RunDirectory::create(root_->path() / "file", small_plan(), kStudy, "s.yaml");
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().kind, ErrorKind::io);
  EXPECT_NE(run.error().message.find("file"), std::string::npos);
}

TEST_F(RunDirectoryTest, TrialDirectoriesSortByTrialAndAttempt) {
  const RunDirectory run = make_run();
  const auto add = [&](std::int64_t index, std::int64_t cycle, std::int64_t attempt) {
    const auto path = run.make_trial_directory({index, 0, cycle}, "9f31ab02c4d1e7aa", attempt);
    EXPECT_TRUE(path);
    std::ofstream(*path / "recording.json") << "{}";
    return path->filename().string();
  };
  const std::string tenth = add(7, 2, 10);
  const std::string second = add(7, 2, 2);
  const std::string first = add(0, 1, 1);
  EXPECT_EQ(first, "000000-9f31ab02c4d1e7aa-c1-a1");
  ASSERT_TRUE(run.make_trial_directory({8, 0, 1}, "9f31ab02c4d1e7aa", 1)) << "not recorded";
  fs::create_directories(run.path() / "trials" / "notes");
  std::ofstream(run.path() / "trials" / "notes" / "recording.json") << "{}";

  const auto attempts = run.attempts();
  ASSERT_TRUE(attempts);
  std::vector<std::string> names;
  for (const auto& attempt : *attempts) {
    if (attempt.recorded) {
      names.push_back(attempt.path.filename().string());
    }
  }
  EXPECT_EQ(names, (std::vector{first, second, tenth}));
  ASSERT_EQ(attempts->size(), 4U);
  EXPECT_FALSE(attempts->back().recorded);
  EXPECT_EQ(attempts->back().trial, 8);
  const auto again = run.make_trial_directory({7, 0, 2}, "9f31ab02c4d1e7aa", 2);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("000007-9f31ab02c4d1e7aa-c2-a2"), std::string::npos);
}

TEST_F(RunDirectoryTest, ManifestLinesComeBack) {
  RunDirectory run = make_run();
  ASSERT_TRUE(run.append_manifest(0, 1, TrialState::started));
  ASSERT_TRUE(run.append_manifest(0, 1, TrialState::failed, "engine_died"));
  const auto lines = run.read_manifest();
  ASSERT_TRUE(lines) << lines.error().message;
  ASSERT_EQ(lines->size(), 2U);
  EXPECT_EQ((*lines)[1].state, TrialState::failed);
  EXPECT_EQ((*lines)[1].reason, "engine_died");
  EXPECT_EQ(fold_manifest(*lines).at(0).state, TrialState::failed);
}

TEST_F(RunDirectoryTest, DecisionsComeBackBesideTheTrials) {
  RunDirectory run = make_run();
  ASSERT_TRUE(run.append_manifest(0, 1, TrialState::done));
  ASSERT_TRUE(run.append_decision({1, domain::BlockVerdict::go_on, 12.25}));
  ASSERT_TRUE(run.append_manifest(1, 1, TrialState::done));
  ASSERT_TRUE(run.append_decision({2, domain::BlockVerdict::budget_used, 24.5}));
  const fs::path log = fs::directory_iterator(run.path() / "manifest")->path();
  std::ofstream(log, std::ios::app) << R"({"v":2,"t":"2026-)";
  const auto lines = run.read_manifest();
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_EQ(lines->size(), 2U);
  const auto decisions = run.read_decisions();
  ASSERT_TRUE(decisions) << decisions.error().message;
  ASSERT_EQ(decisions->size(), 2U) << "a torn line is none";
  const auto latest = fold_blocks(*decisions);
  EXPECT_EQ(latest->block, 2);
  EXPECT_EQ(latest->verdict, domain::BlockVerdict::budget_used);
  EXPECT_EQ(latest->spent_s, 24.5);
}

TEST_F(RunDirectoryTest, ATornLastLineIsDroppedAndNeverWrittenAfter) {
  fs::path log;
  fs::path path;
  {
    RunDirectory run = make_run();
    path = run.path();
    ASSERT_TRUE(run.append_manifest(0, 1, TrialState::done));
    log = fs::directory_iterator(path / "manifest")->path();
  }
  std::ofstream(log, std::ios::app) << R"({"v":1,"t":"2026-)";
  auto run = RunDirectory::open(path, RunDirectory::Lock::yes);
  ASSERT_TRUE(run);
  ASSERT_TRUE(run->append_manifest(1, 1, TrialState::done));
  const auto lines = run->read_manifest();
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_EQ(fold_manifest(*lines).size(), 2U);
}

TEST_F(RunDirectoryTest, ABrokenLineInTheMiddleIsAnErrorWithItsPlace) {
  const RunDirectory run = make_run();
  std::ofstream(run.path() / "manifest" / "other-1.jsonl") << "{\"v\":1\n{}\n";
  const auto lines = run.read_manifest();
  ASSERT_FALSE(lines);
  ASSERT_FALSE(lines.error().context.empty());
  EXPECT_TRUE(lines.error().context[0].ends_with("other-1.jsonl:1"));
  std::ofstream(run.path() / "manifest" / "other-1.jsonl") << R"({"v":9})";
  const auto newer = run.read_manifest();
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, "newer_version");
}

TEST_F(RunDirectoryTest, EventsAndDocuments) {
  RunDirectory run = make_run();
  ASSERT_TRUE(run.append_event(base::Json::object({{"event", "trial_started"}, {"trial", 0}})));
  ASSERT_TRUE(run.append_event(base::Json::object({{"event", "trial_ended"}})));
  EXPECT_EQ(text_of(run.path() / "events.jsonl"),
            "{\"event\":\"trial_started\",\"trial\":0}\n{\"event\":\"trial_ended\"}\n");
  ASSERT_TRUE(run.write_environment(base::Json::object({{"schema", "environment"}})));
  ASSERT_TRUE(run.write_summary({}));
  EXPECT_TRUE(base::parse_json(text_of(run.path() / "summary.json")));
}

TEST_F(RunDirectoryTest, APlanOfAnotherMajorVersionIsRefused) {
  const RunDirectory run = make_run();
  std::string text = text_of(run.path() / "plan.json");
  const auto at = text.find("1.0.0");
  ASSERT_NE(at, std::string::npos);
  text[at] = '2';
  std::ofstream(run.path() / "plan.json") << text;
  const auto plan = run.read_plan();
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, "newer_version");
}

TEST_F(RunDirectoryTest, ResultsHaveOneRowATrialAndNullsForWhatIsAbsent) {
  const RunDirectory run = make_run();
  domain::TrialResult measured;
  measured.identity.trial = 3;
  measured.validity.codes = {{"quick_profile", "warning", "", ""},
                             {"window_short", "warning", "", ""}};
  measured.efficiency.emplace().gross_j_per_output_token.emplace().value = 0.5;
  measured.energy.emplace().headline_scope = "gpu";
  measured.warmup.emplace().steady = true;
  const std::vector<domain::TrialResult> results{measured, {}};
  ASSERT_TRUE(run.write_results_table(results));
  const auto table = read_parquet(run.path() / "results.parquet");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->size(), 2U);
  EXPECT_EQ(table->metadata.at("schema"), "results");
  const auto* gross = table->find("efficiency_gross_j_per_output_token");
  ASSERT_NE(gross, nullptr);
  EXPECT_EQ(std::get<OptionalRealColumn>(gross->values), (OptionalRealColumn{0.5, std::nullopt}));
  EXPECT_EQ(std::get<TextColumn>(table->find("validity_codes")->values)[0],
            "quick_profile,window_short");
  EXPECT_EQ(std::get<OptionalBoolColumn>(table->find("warmup_steady")->values),
            (OptionalBoolColumn{true, std::nullopt}));
  EXPECT_EQ(std::get<OptionalTextColumn>(table->find("energy_headline_scope")->values)[1],
            std::nullopt);
  ASSERT_TRUE(run.write_results_table({})) << "a study none of whose trials was recorded";
}

TEST(FlatTable, ColumnNamesOfAResultAreUnique) {
  std::set<std::string> names;
  for (const Leaf& leaf : leaves_of(domain::TrialResult::table())) {
    EXPECT_TRUE(names.insert(leaf.name).second) << leaf.name;
  }
  EXPECT_GT(names.size(), 100U);
}

}  // namespace
}  // namespace llem::store
