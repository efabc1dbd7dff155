#include <string>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "domain/reason.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Behaviour;
using domain::Recording;
using domain::Scope;
using domain::Signal;
using test::a_recording;
using test::has_code;
using test::RecordingBuilder;

RecordingBuilder a_measured_recording() {
  return a_recording().counter("package-0", Scope::package, RecordingBuilder::plain_wave(), 0.001);
}

TEST(Validity, of_a_clean_measurement_is_valid_without_codes) {
  const auto result = analyse(a_measured_recording().build());
  EXPECT_EQ(result.validity.state, domain::ValidityState::valid);
  EXPECT_TRUE(result.validity.codes.empty())
      << result.validity.codes.front().code << ": " << result.validity.codes.front().evidence;
}

struct Case {
  std::string code;
  std::string evidence;  // part of it
  void (*change)(Recording&);
};

class EachCode : public testing::TestWithParam<Case> {};

TEST_P(EachCode, is_raised_alone_with_its_numbers_and_known_severity) {
  auto recording = a_measured_recording().build();
  GetParam().change(recording);
  const auto result = analyse(recording);
  ASSERT_EQ(result.validity.codes.size(), 1U) << GetParam().code;
  const auto& code = result.validity.codes[0];
  EXPECT_EQ(code.code, GetParam().code);
  EXPECT_NE(code.evidence.find(GetParam().evidence), std::string::npos) << code.evidence;
  EXPECT_FALSE(code.remedy.empty());
  const auto* reason = domain::find_reason(code.code);
  ASSERT_NE(reason, nullptr);
  const bool invalid = reason->severity == domain::Severity::invalid;
  EXPECT_EQ(result.validity.state,
            invalid ? domain::ValidityState::invalid : domain::ValidityState::flagged);
}

/// Makes the package a GPU that the deployment uses.
void as_gpu(Recording& r, const char* id, base::Json facts) {
  r.devices.push_back({id, "NVIDIA L4", "gpu", true, std::move(facts)});
  r.channels[0].device = id;
  r.channels[0].scope = Scope::gpu;
}

void throttle(Recording& r, Signal signal, double share) {
  domain::Channel channel;
  channel.index = static_cast<std::int64_t>(r.channels.size());
  channel.device = "gpu:a";
  channel.signal = signal;
  channel.behaviour = Behaviour::counter;
  r.channels.push_back(channel);
  as_gpu(r, "gpu:a", base::Json::object());
  domain::Trace trace;
  for (int second = 0; second <= 70; ++second) {
    trace.push_back({1'000'000'000'000 + second * 1'000'000'000LL, 0, share * second});
  }
  r.traces.push_back(std::move(trace));
}

/// A reading each second, `before` until the 40th and `after` from then on: inside the window.
void gauge_of_gpu(Recording& r, Signal signal, double before, double after) {
  throttle(r, signal, 0);
  r.channels.back().behaviour = Behaviour::gauge;
  for (std::size_t second = 0; second < r.traces.back().size(); ++second) {
    r.traces.back()[second].value = second < 40 ? before : after;
  }
}

void host_counter(Recording& r, Signal signal, double rate) {
  throttle(r, signal, rate);
  r.channels.back().device = "host";
  r.devices.clear();
  r.channels[0].device = "package-0";
  r.channels[0].scope = Scope::package;
}

domain::DeviceProcess listed(int second, std::int64_t pid, double bytes, bool own) {
  return {1'000'000'000'000 + second * 1'000'000'000LL,
          "gpu:a",
          pid,
          "compute",
          static_cast<std::int64_t>(bytes),
          own};
}

const Case kCases[] = {
    {"quick_profile", "quick",
     [](Recording& r) { r.configuration.measure.profile = domain::Profile::quick; }},
    {"cache_reuse", "40 of 160",
     [](Recording& r) {
       for (auto& q : r.serves[0].requests) {
         q.cached_tokens = 2;
       }
     }},
    {"batch_underfilled", "mean 2.00 of 3",
     [](Recording& r) { r.configuration.deploy.batch_size = 3; }},
    {"short_output", "1 of 20 requests below 16",
     [](Recording& r) { r.serves[0].requests[0].output_tokens = 12; }},
    {"request_errors", "1 of 20",
     [](Recording& r) { r.serves[0].requests[0].finish = domain::Finish::error; }},
    {"not_steady", "the warm-up ended before throughput was steady: variation 2.9 %, slope 1.4 %",
     [](Recording& r) {
       r.warmup.steady = false;
       r.warmup.cv_ratio = 0.029;
       r.warmup.slope_ratio = 0.014;
     }},
    {"not_steady", "warmup throughput_variation 5.7 %, limit 3 %",
     [](Recording& r) { r.warmup.blocks[2].tokens = 35; }},
    {"throttled_thermal", "5.00 %",
     [](Recording& r) { throttle(r, Signal::throttle_hw_thermal, 0.05); }},
    {"throttled_power", "20.0 %", [](Recording& r) { throttle(r, Signal::throttle_power, 0.2); }},
    {"limit_changed", "gpu:a: power limit between 300 and 700 W",
     [](Recording& r) { gauge_of_gpu(r, Signal::power_limit, 300, 700); }},
    {"effective_config_differs", "gpu:a power_limit_w: declared 300.0, effective 280.0",
     [](Recording& r) {
       r.configuration.deploy.power_limit_w = 300;
       gauge_of_gpu(r, Signal::power_limit, 280, 280);
     }},
    {"effective_config_differs", "gpu:a power_limit_w: declared 300.0, effective unreported",
     [](Recording& r) {
       r.configuration.deploy.power_limit_w = 300;
       as_gpu(r, "gpu:a", base::Json::object());
     }},
    {"effective_config_differs", "gpu:a clocks.sm_mhz: declared 1200.0, effective 1110.0",
     [](Recording& r) {
       r.configuration.deploy.clocks.sm_mhz = 1200;
       gauge_of_gpu(r, Signal::clock_sm, 1110e6, 1110e6);
     }},
    {"effective_config_differs", "gpu:a clocks.memory_mhz: declared 1593.0, effective 2619.0",
     [](Recording& r) {
       r.configuration.deploy.clocks.memory_mhz = 1593;
       gauge_of_gpu(r, Signal::clock_memory, 2619e6, 2619e6);
     }},
    {"clock_step", "moved by 2.000 s",
     [](Recording& r) { r.anchor_end.realtime_ns += 2'000'000'000; }},
    {"suspended", "60.0 s",
     [](Recording& r) {
       r.anchor_end.boottime_ns += 60'000'000'000;
       r.anchor_end.realtime_ns += 60'000'000'000;
     }},
    {"clock_offset_large", "known to 3.000 ms",
     [](Recording& r) { r.clock_offset.bound_ns = 3'000'000; }},
    {"effective_config_differs", "n_batch: declared 2048, effective 512",
     [](Recording& r) { r.worker.declared = base::Json::object({{"n_batch", 2048}}); }},
    {"dataset_substituted", "bundled prompts",
     [](Recording& r) { r.schedule.dataset = "bundled"; }},
    {"contention", "hypervisor took 5.0 %",
     [](Recording& r) { host_counter(r, Signal::cpu_steal, 0.2); }},
    {"token_times_estimated", "per_chunk",
     [](Recording& r) { r.serves[0].token_time = domain::TokenTime::per_chunk; }},
    {"mig_parent_energy", "gpu:m",
     [](Recording& r) { as_gpu(r, "gpu:m", base::Json::object({{"mig", true}})); }},
    {"residual_memory", "2.0 GiB before",
     [](Recording& r) { gauge_of_gpu(r, Signal::memory_used, 0x1p31, 0x1p31); }},
    {"residual_memory", "2.0 GiB before",
     [](Recording& r) {
       gauge_of_gpu(r, Signal::memory_used, 0x1p31, 0x1p31);
       // Read once as sampling begins, then not before the engine starts.
       auto& readings = r.traces.back();
       const std::int64_t load_ns = r.phases.at(1).t_begin_ns;
       std::erase_if(readings, [&](const auto& p) { return p.t_ns < load_ns; });
       readings.insert(readings.begin(), {r.phases.at(0).t_begin_ns - 1, 0, 0x1p31});
     }},
    {"foreign_process", "memory in use between 0.50 and 1.00 GiB",
     [](Recording& r) { gauge_of_gpu(r, Signal::memory_used, 0x1p29, 0x1p30); }},
    {"foreign_process", "2.00 GiB more in use than after loading",
     [](Recording& r) {
       gauge_of_gpu(r, Signal::memory_used, 0x1p29, 0x1p29);
       for (std::size_t second = 26; second < r.traces.back().size(); ++second) {
         r.traces.back()[second].value += 0x1p31;  // from the warm-up on
       }
     }},
    {"foreign_process", "process 77 (2.0 GiB) beside the engine just before the window",
     [](Recording& r) {
       as_gpu(r, "gpu:a", base::Json::object());
       r.device_processes = {listed(34, 5, 0x1p30, true), listed(34, 77, 0x1p31, false)};
     }},
    {"foreign_process", "process 78 (0.5 GiB) beside the engine just after the window",
     [](Recording& r) {
       as_gpu(r, "gpu:a", base::Json::object());
       r.device_processes = {listed(34, 5, 0x1p30, true), listed(69, 5, 0x1p30, true),
                             listed(69, 78, 0x1p29, false)};
     }},
    {"timeline_incomplete", "no window", [](Recording& r) { r.serves.clear(); }},
    {"out_of_memory", "needs 9 GiB (in load)",
     [](Recording& r) {
       r.outcome = {domain::OutcomeState::failed, "out_of_memory", "load", "needs 9 GiB"};
     }},
    {"engine_died", "signal 9",
     [](Recording& r) {
       r.outcome = {domain::OutcomeState::failed, std::nullopt, std::nullopt, "signal 9"};
     }},
    {"interrupted", "(in window)",
     [](Recording& r) {
       r.outcome = {domain::OutcomeState::interrupted, std::nullopt, "window", std::nullopt};
     }},
};

INSTANTIATE_TEST_SUITE_P(Validity, EachCode, testing::ValuesIn(kCases), [](const auto& one) {
  return one.param.code + "_" + std::to_string(one.index);
});

TEST(Validity, of_what_was_asked_for_and_is_in_force_is_valid) {
  auto recording = a_measured_recording().build();
  recording.configuration.deploy.power_limit_w = 300;
  recording.configuration.deploy.clocks.sm_mhz = 1200;
  // 700 W before the trial's own change: in no window.
  gauge_of_gpu(recording, Signal::power_limit, 300, 300);
  recording.traces.back()[0].value = 700;
  gauge_of_gpu(recording, Signal::clock_sm, 1215e6, 1215e6);  // the step next to it
  recording.devices.pop_back();
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
}

TEST(Validity, tells_that_a_lock_was_lifted_in_the_window) {
  auto recording = a_measured_recording().build();
  recording.configuration.deploy.clocks.sm_mhz = 1200;
  gauge_of_gpu(recording, Signal::clock_sm, 1200e6, 1200e6);
  recording.traces.back()[50].value = 1980e6;  // one reading: the mean is 26 MHz off
  EXPECT_TRUE(has_code(analyse(recording), "limit_changed"));
  recording.traces.back()[50].value = 1110e6;  // below it, as by the power cap
  EXPECT_FALSE(has_code(analyse(recording), "limit_changed"));
}

TEST(Validity, does_not_mind_the_memory_that_the_engine_itself_takes) {
  auto recording = a_measured_recording().build();
  gauge_of_gpu(recording, Signal::memory_used, 0x1p29, 0x1p30);
  recording.device_processes = {listed(34, 5, 0x1p28, true), listed(69, 5, 0x1p28 + 0x1p29, true)};
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
}

TEST(Validity, takes_no_process_for_foreign_where_the_engines_own_is_not_listed) {
  auto recording = a_measured_recording().build();
  as_gpu(recording, "gpu:a", base::Json::object());
  // Numbers of another name space: the engine itself, perhaps.
  recording.device_processes = {listed(34, 77, 0x1p31, false)};
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
  // A display server beside the engine.
  recording.device_processes.push_back(listed(34, 5, 0x1p30, true));
  recording.device_processes[0].kind = "graphics";
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
}

TEST(Validity, does_not_mind_the_limits_of_a_gpu_that_is_not_used) {
  auto recording = a_measured_recording().build();
  gauge_of_gpu(recording, Signal::power_limit, 300, 700);
  recording.channels[0].device = "package-0";
  recording.channels[0].scope = Scope::package;
  recording.devices[0].used = false;
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
}

TEST(Validity, of_no_tokens_is_invalid) {
  const auto result = analyse(a_measured_recording()
                                  .but([](Recording& r) {
                                    for (auto& q : r.serves[0].requests) {
                                      q.output_tokens = 0;
                                    }
                                  })
                                  .build());
  EXPECT_TRUE(has_code(result, "zero_tokens"));
  EXPECT_EQ(result.validity.state, domain::ValidityState::invalid);
  EXPECT_FALSE(result.efficiency->gross_j_per_output_token);
}

TEST(Validity, of_a_window_below_thirty_seconds_says_so) {
  const auto result =
      analyse(a_recording()
                  .window_s(6)
                  .counter("package-0", Scope::package, RecordingBuilder::plain_wave(6), 0.001)
                  .build());
  ASSERT_EQ(result.validity.codes.size(), 1U);
  EXPECT_EQ(result.validity.codes[0].code, "window_short");
  EXPECT_EQ(result.validity.codes[0].evidence, "6.00 s < 30 s");
}

TEST(Validity, does_not_suffer_from_devices_that_are_not_used) {
  auto recording = a_measured_recording().build();
  throttle(recording, Signal::throttle_hw_thermal, 0.5);
  recording.channels[0].device = "package-0";
  recording.channels[0].scope = Scope::package;
  recording.devices[0].used = false;
  recording.channels[1].signal = Signal::energy;  // and its energy counter has one reading
  recording.traces[1].resize(1);
  EXPECT_EQ(analyse(recording).validity.state, domain::ValidityState::valid);
}

TEST(Validity, of_too_few_warm_up_blocks_claims_no_variation) {
  const auto result =
      analyse(a_measured_recording().but([](Recording& r) { r.warmup.blocks.resize(2); }).build());
  ASSERT_EQ(result.validity.codes.size(), 1U);
  EXPECT_EQ(result.validity.codes[0].evidence, "2 blocks of warm-up are too few to judge");
}

TEST(Validity, of_a_slow_sensor_counts_only_where_it_is_used) {
  const auto wave = RecordingBuilder::plain_wave();
  const auto unused = analyse(a_measured_recording()
                                  .counter("gpu:b", Scope::gpu, wave, 2)
                                  .device("gpu:b", "NVIDIA L4", "gpu", false)
                                  .build());
  EXPECT_FALSE(has_code(unused, "window_short"));
  const auto module = analyse(a_recording()
                                  .counter("gpu:b", Scope::module, wave, 2)
                                  .device("gpu:b", "GH200", "gpu")
                                  .build());
  EXPECT_TRUE(has_code(module, "window_short"));
}

TEST(Validity, passes_notes_of_the_recorder_on) {
  const auto result =
      analyse(a_measured_recording()
                  .but([](Recording& r) { r.notes = {{"engine_warning", "slow disk"}}; })
                  .build());
  ASSERT_EQ(result.validity.codes.size(), 1U);
  EXPECT_EQ(result.validity.codes[0].severity, "info");
  EXPECT_EQ(result.validity.state, domain::ValidityState::valid);
}

TEST(Validity, of_a_failed_trial_still_says_what_it_can) {
  auto recording = a_measured_recording().build();
  recording.outcome.state = domain::OutcomeState::failed;
  recording.outcome.code = "engine_died";
  recording.worker.declared = base::Json::object({{"n_batch", 2048}});
  const auto result = analyse(recording);
  EXPECT_EQ(result.validity.state, domain::ValidityState::invalid);
  EXPECT_FALSE(result.energy);
  EXPECT_FALSE(result.throughput);
  EXPECT_TRUE(result.memory);
  EXPECT_EQ(result.configuration.differences.size(), 1U);
}

TEST(Validity, of_an_empty_recording_is_a_result_too) {
  const auto result = analyse(Recording{});
  EXPECT_EQ(result.validity.state, domain::ValidityState::invalid);
  EXPECT_FALSE(result.energy);
}

}  // namespace
}  // namespace llem::analysis
