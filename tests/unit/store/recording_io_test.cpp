#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "store/parquet.hpp"
#include "store/run_directory.hpp"

namespace llem::store {
namespace {

namespace fs = std::filesystem;
using domain::Recording;

domain::Channel channel(std::int64_t index, std::string device, domain::Signal signal,
                        std::string unit) {
  domain::Channel made;
  made.index = index;
  made.device = std::move(device);
  made.signal = signal;
  made.unit = std::move(unit);
  made.meter = "nvml";
  return made;
}

domain::RequestRecord request(std::string id, std::int64_t offset, std::int64_t tokens) {
  domain::RequestRecord made;
  made.id = std::move(id);
  made.submitted_ns = 10;
  made.started_ns = 20;
  made.end_ns = 90;
  made.prompt_tokens = 32;
  made.output_tokens = tokens;
  made.token_offset = offset;
  return made;
}

Recording small_recording() {
  Recording recording;
  recording.trial = 7;
  recording.cycle = 2;
  recording.configuration.hash = "9f31ab02c4d1e7aa";
  recording.configuration.model.name = "smollm2-135m";
  recording.phases = {{domain::PhaseName::window, 100, 200}};
  recording.channels = {channel(0, "gpu:a", domain::Signal::energy, "J"),
                        channel(1, "gpu:a", domain::Signal::power, "W"),
                        channel(2, "host", domain::Signal::cpu_busy, "s")};
  recording.traces = {{{1, 2, 0.5}, {11, 2, 1.5}}, {}, {{5, 1, 0.0}}};
  recording.worker.declared = base::Json::object({{"n_batch", 512}});

  domain::Serve warmup;
  warmup.label = "warmup";
  warmup.t_begin_ns = 5;
  warmup.t_end_ns = 95;
  warmup.passes = 1;
  warmup.requests = {request("p0r0", 0, 2)};
  warmup.token_ns = {30, 40};
  warmup.steps = {{20, 30, 32, 0, 32, 1}, {30, 40, 0, 1, 33, 1}};
  domain::Serve window;
  window.label = "window";
  window.t_begin_ns = 100;
  window.t_end_ns = 200;
  window.passes = 2;
  window.token_time = domain::TokenTime::per_chunk;
  window.requests = {request("p0r0", 1, 2), request("p0r1", 0, 1), request("p0r2", 3, 0)};
  window.requests[0].intended_ns = 101;
  window.requests[2].finish = domain::Finish::error;
  window.requests[2].error = "prompt too long";
  window.token_ns = {130, 140, 150};
  recording.serves = {warmup, window};
  return recording;
}

class RecordingIo : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-recording");
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(*std::move(folder));
    path_ = folder_->path();
  }

  Error failure_of_reading() {
    auto read = read_recording(path_);
    EXPECT_FALSE(read);
    return read ? Error{} : read.error();
  }

  /// Rewrites one column of a written file.
  void change(const char* file, const char* name, decltype(Column::values) values) {
    auto table = read_parquet(path_ / file);
    ASSERT_TRUE(table);
    for (Column& column : table->columns) {
      if (column.name == name) {
        column.values = std::move(values);
      }
    }
    ASSERT_TRUE(write_parquet(path_ / file, *table));
  }

  std::optional<sys::TempDir> folder_;
  fs::path path_;
};

TEST_F(RecordingIo, TokensThatSpanSeveralPartsComeBack) {
  constexpr std::int64_t kTokens = 600'000;
  Recording recording = small_recording();
  domain::Serve& window = recording.serves[1];
  window.requests = {request("p0r0", 0, 200'000), request("p0r1", 200'000, 399'999)};
  window.token_ns.clear();
  for (std::int64_t i = 0; i < kTokens; ++i) {
    window.token_ns.push_back(130 + 1000 * i);
  }
  ASSERT_TRUE(write_recording(path_, recording));
  const auto read = read_recording(path_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->serves[0].token_ns, recording.serves[0].token_ns);
  EXPECT_EQ(read->serves[1].token_ns, window.token_ns);
  const auto table = read_parquet(path_ / "tokens.parquet", {"request"});
  ASSERT_TRUE(table);
  const auto& owner = std::get<OptionalIntColumn>(table->columns[0].values);
  ASSERT_EQ(owner.size(), 2U + kTokens);
  EXPECT_EQ(owner[1], 0);  // of the warm-up's request
  EXPECT_EQ(owner[2], 1);
  EXPECT_EQ(owner[2 + 199'999], 1);
  EXPECT_EQ(owner[2 + 200'000], 2);
  EXPECT_EQ(owner[2 + 599'998], 2);
  EXPECT_EQ(owner[2 + 599'999], std::nullopt);
}

TEST_F(RecordingIo, TracesAndStepsThatSpanSeveralPartsComeBack) {
  constexpr std::int64_t kRows = 150'000;
  Recording recording = small_recording();
  domain::Trace& trace = recording.traces[1];
  std::vector<domain::StepRecord>& steps = recording.serves[1].steps;
  for (std::int64_t i = 0; i < kRows; ++i) {
    trace.push_back({100 + 7 * i, i % 5, 0.25 * static_cast<double>(i)});
    steps.push_back({100 + 9 * i, 109 + 9 * i, 0, i % 3, i, 1});
  }
  ASSERT_TRUE(write_recording(path_, recording));
  const auto read = read_recording(path_);
  ASSERT_TRUE(read) << read.error().message;
  for (std::size_t i = 0; i < recording.traces.size(); ++i) {
    const auto same = [](const domain::TracePoint& a, const domain::TracePoint& b) {
      return a.t_ns == b.t_ns && a.latency_ns == b.latency_ns && a.value == b.value;
    };
    EXPECT_TRUE(std::ranges::equal(read->traces[i], recording.traces[i], same)) << i;
  }
  for (std::size_t i = 0; i < recording.serves.size(); ++i) {
    const auto same = [](const domain::StepRecord& a, const domain::StepRecord& b) {
      return a.begin_ns == b.begin_ns && a.end_ns == b.end_ns &&
             a.prefill_tokens == b.prefill_tokens && a.decode_tokens == b.decode_tokens &&
             a.context_tokens == b.context_tokens && a.sequences == b.sequences;
    };
    EXPECT_TRUE(std::ranges::equal(read->serves[i].steps, recording.serves[i].steps, same)) << i;
  }
  const auto device = read_parquet(path_ / "traces.parquet", {"device"});
  ASSERT_TRUE(device);
  const auto& names = std::get<TextColumn>(device->columns[0].values);
  ASSERT_EQ(names.size(), 3U + kRows);
  EXPECT_EQ(names[1 + kRows], "gpu:a");
  EXPECT_EQ(names[2 + kRows], "host");
}

TEST_F(RecordingIo, ANumberThatIsNoneIsAnErrorThatNamesItsField) {
  Recording recording = small_recording();
  recording.sampler.cpu_s = std::nan("");
  auto written = write_recording(path_, recording);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::internal);
  EXPECT_NE(written.error().message.find("`sampler.cpu_s`"), std::string::npos);
  EXPECT_FALSE(fs::exists(path_ / "recording.json"));

  recording = small_recording();
  recording.traces[0][1].value = std::nan("");
  written = write_recording(path_, recording);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::internal);
  EXPECT_NE(written.error().message.find("`value`, row 1"), std::string::npos);

  domain::TrialResult result;
  result.identity.attempt = 1;
  result.overhead.cpu_s = std::numeric_limits<double>::infinity();
  written = write_result(path_, result);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::internal);
  EXPECT_NE(written.error().message.find("`overhead.cpu_s`"), std::string::npos);
}

TEST_F(RecordingIo, EverythingComesBack) {
  const Recording recording = small_recording();
  const auto written = write_recording(path_, recording);
  ASSERT_TRUE(written) << written.error().message;
  const auto read = read_recording(path_);
  ASSERT_TRUE(read) << read.error().message;

  EXPECT_EQ(base::write_struct(*read), base::write_struct(recording));
  ASSERT_EQ(read->traces.size(), 3U);
  ASSERT_EQ(read->traces[0].size(), 2U);
  EXPECT_EQ(read->traces[0][1].t_ns, 11);
  EXPECT_EQ(read->traces[0][1].latency_ns, 2);
  EXPECT_EQ(read->traces[0][1].value, 1.5);
  EXPECT_TRUE(read->traces[1].empty());
  ASSERT_EQ(read->serves.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const domain::Serve& was = recording.serves[i];
    const domain::Serve& is = read->serves[i];
    EXPECT_EQ(is.label, was.label);
    EXPECT_EQ(is.t_begin_ns, was.t_begin_ns);
    EXPECT_EQ(is.t_end_ns, was.t_end_ns);
    EXPECT_EQ(is.passes, was.passes);
    EXPECT_EQ(is.token_time, was.token_time);
    EXPECT_EQ(is.token_ns, was.token_ns);
    ASSERT_EQ(is.requests.size(), was.requests.size());
    for (std::size_t j = 0; j < is.requests.size(); ++j) {
      EXPECT_EQ(base::write_struct(is.requests[j]), base::write_struct(was.requests[j]));
    }
    ASSERT_EQ(is.steps.size(), was.steps.size());
  }
  EXPECT_EQ(read->serves[0].steps[1].context_tokens, 33);
  EXPECT_EQ(read->serves[0].steps[1].begin_ns, 30);
}

TEST_F(RecordingIo, ARecordingOfAFailureHasNoTraces) {
  Recording recording;
  recording.configuration.model.name = "tiny.gguf";
  recording.outcome.state = domain::OutcomeState::failed;
  recording.outcome.code = "engine_died";
  ASSERT_TRUE(write_recording(path_, recording));
  const auto read = read_recording(path_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->outcome.code, "engine_died");
  EXPECT_TRUE(read->serves.empty());
}

TEST_F(RecordingIo, TracesSayWhatTheyAreWithoutTheRecording) {
  ASSERT_TRUE(write_recording(path_, small_recording()));
  const auto traces = read_parquet(path_ / "traces.parquet");
  ASSERT_TRUE(traces);
  EXPECT_EQ(std::get<TextColumn>(traces->find("signal")->values),
            (TextColumn{"energy", "energy", "cpu_busy"}));
  EXPECT_EQ(std::get<TextColumn>(traces->find("unit")->values), (TextColumn{"J", "J", "s"}));
  const auto tokens = read_parquet(path_ / "tokens.parquet");
  ASSERT_TRUE(tokens);
  EXPECT_EQ(std::get<OptionalIntColumn>(tokens->find("request")->values),
            (OptionalIntColumn{0, 0, 2, 1, 1}));
  const auto timeline = read_parquet(path_ / "timeline.parquet");
  ASSERT_TRUE(timeline);
  EXPECT_EQ(std::get<TextColumn>(timeline->find("label")->values)[1], "window");
  EXPECT_EQ(std::get<OptionalIntColumn>(timeline->find("intended_ns")->values),
            (OptionalIntColumn{std::nullopt, 101, std::nullopt, std::nullopt}));
}

TEST_F(RecordingIo, RefusesToWriteTokensThatAreNotThere) {
  Recording recording = small_recording();
  recording.serves[1].requests[0].output_tokens = 3;
  const auto written = write_recording(path_, recording);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, "window: request p0r0 has 3 tokens from 1 on, of 3 recorded");
  EXPECT_FALSE(fs::exists(path_ / "recording.json"));
}

TEST_F(RecordingIo, ATornFileIsAClearError) {
  ASSERT_TRUE(write_recording(path_, small_recording()));
  for (const char* name : {"traces.parquet", "timeline.parquet", "tokens.parquet", "steps.parquet",
                           "recording.json"}) {
    const auto whole = sys::read_file(path_ / name);
    ASSERT_TRUE(whole);
    fs::resize_file(path_ / name, whole->size() / 2);
    const Error torn = failure_of_reading();
    EXPECT_EQ(torn.kind, ErrorKind::io) << name;
    EXPECT_NE(base::describe(torn).find(name), std::string::npos) << base::describe(torn);
    fs::remove(path_ / name);
    EXPECT_NE(failure_of_reading().message.find(name), std::string::npos);
    std::ofstream(path_ / name, std::ios::binary) << *whole;
  }
  EXPECT_TRUE(read_recording(path_));
}

TEST_F(RecordingIo, FilesThatDoNotBelongTogetherAreRefused) {
  ASSERT_TRUE(write_recording(path_, small_recording()));
  change("traces.parquet", "channel", IntColumn{0, 0, 3});
  EXPECT_NE(failure_of_reading().message.find("channel 3 of 3"), std::string::npos);
  change("traces.parquet", "channel", IntColumn{0, 2, 2});
  EXPECT_NE(failure_of_reading().message.find("before the one before it"), std::string::npos);

  ASSERT_TRUE(write_recording(path_, small_recording()));
  change("timeline.parquet", "token_offset", IntColumn{0, INT64_MAX, 0, 3});
  EXPECT_NE(failure_of_reading().message.find("request p0r0 has"), std::string::npos);
  change("timeline.parquet", "token_offset", IntColumn{0, -1, 0, 3});
  EXPECT_EQ(failure_of_reading().code, "bad_recording");

  Recording shorter = small_recording();
  shorter.serves[1].token_ns.push_back(160);
  auto other = sys::TempDir::make("llem-recording");
  ASSERT_TRUE(other);
  ASSERT_TRUE(write_recording(path_, small_recording()));
  ASSERT_TRUE(write_recording(other->path(), shorter));
  fs::copy_file(other->path() / "tokens.parquet", path_ / "tokens.parquet",
                fs::copy_options::overwrite_existing);
  EXPECT_NE(failure_of_reading().message.find("has 6 rows, 5 were recorded"), std::string::npos);

  fs::copy_file(path_ / "steps.parquet", path_ / "tokens.parquet",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(failure_of_reading().kind, ErrorKind::io);
}

TEST_F(RecordingIo, ResultsComeBack) {
  domain::TrialResult result;
  result.identity.trial = 7;
  result.throughput.emplace().window_s = 30;
  ASSERT_TRUE(write_result(path_, result));
  const auto read = read_result(path_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(base::write_struct(*read), base::write_struct(result));
}

}  // namespace
}  // namespace llem::store
