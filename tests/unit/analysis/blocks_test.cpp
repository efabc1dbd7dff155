#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Behaviour;
using domain::Signal;
using test::a_recording;
using test::has_code;
using test::Poll;

// 20 requests of 16 tokens in ten batches of two over 30 s: each batch 3 s, its first tokens after
// 0.75 s, then 15 gaps over 2.25 s.
TEST(Latency, of_requests_follows_from_their_marks) {
  const auto result = analyse(a_recording().build());
  ASSERT_TRUE(result.latency);
  const auto& latency = *result.latency;
  EXPECT_EQ(latency.service_ttft_s->n, 20);
  EXPECT_NEAR(latency.service_ttft_s->median, 0.75, 1e-9);
  EXPECT_NEAR(latency.itl_s->median, 0.15, 1e-9);
  EXPECT_EQ(latency.itl_s->n, 300);
  EXPECT_NEAR(latency.tpot_s->mean, 0.15, 1e-9);
  // Submitted together, started 0, 3, ... 27 s later: mean 13.5 s; end 3 s after the start.
  EXPECT_NEAR(latency.queue_s->mean, 13.5, 1e-9);
  EXPECT_NEAR(latency.ttft_s->mean, 14.25, 1e-9);
  EXPECT_NEAR(latency.e2e_s->max, 30, 1e-9);
  EXPECT_NEAR(latency.queue_s->max, 27, 1e-9);
}

TEST(Latency, percentiles_stand_without_interval_where_it_does_not_exist) {
  const auto result = analyse(a_recording().batch(1, 20).build());
  EXPECT_TRUE(result.latency->e2e_s->median_interval);
  EXPECT_FALSE(result.latency->e2e_s->p95_interval);  // needs 72 requests
  EXPECT_FALSE(result.latency->itl_s->median_interval);
  const auto many = analyse(a_recording().batch(1, 80).build());
  EXPECT_TRUE(many.latency->e2e_s->p95_interval);
  EXPECT_FALSE(many.latency->e2e_s->p99_interval);  // needs 368
}

TEST(Latency, of_requests_that_share_a_batch_or_repeat_prompts_has_no_intervals) {
  const auto batched = analyse(a_recording().batch(2, 80).build());
  EXPECT_FALSE(batched.latency->e2e_s->median_interval);  // 40 batches, not 80 requests
  EXPECT_GT(batched.latency->e2e_s->p95, 0);
  const auto repeated =
      analyse(a_recording()
                  .batch(1, 80)
                  .but([](domain::Recording& r) { r.schedule.prompts_repeat = true; })
                  .build());
  EXPECT_FALSE(repeated.latency->e2e_s->median_interval);
}

TEST(Latency, percentiles_of_gaps_agree_with_sorting) {
  // Gaps of 1, 2, ... 100 ms in one request: type 7 gives 50.5, 90.1, 95.05 and 99.01 ms.
  auto recording = a_recording().build();
  auto& serve = recording.serves[0];
  serve.requests.resize(1);
  serve.token_ns = {serve.t_begin_ns};
  for (std::int64_t i = 1; i <= 100; ++i) {
    const std::int64_t gap = (i * 37 % 101) * 1'000'000;  // 37 generates all residues of 101
    serve.token_ns.push_back(serve.token_ns.back() + gap);
  }
  serve.requests[0].output_tokens = 101;
  serve.requests[0].token_offset = 0;
  const auto itl = *analyse(recording).latency->itl_s;
  EXPECT_NEAR(itl.median, 0.0505, 1e-12);
  EXPECT_NEAR(itl.p90, 0.0901, 1e-12);
  EXPECT_NEAR(itl.p95, 0.09505, 1e-12);
  EXPECT_NEAR(itl.p99, 0.09901, 1e-12);
  EXPECT_NEAR(itl.min, 0.001, 1e-12);
  EXPECT_NEAR(itl.max, 0.1, 1e-12);
}

TEST(Latency, of_chunks_counts_gaps_between_chunks) {
  auto recording = a_recording().batch(1, 1).lengths(8, 4).build();
  auto& serve = recording.serves[0];
  serve.token_time = domain::TokenTime::per_chunk;
  serve.token_ns[1] = serve.token_ns[0];
  serve.token_ns[3] = serve.token_ns[2];
  const auto result = analyse(recording);
  EXPECT_EQ(result.latency->itl_s->n, 1);
  EXPECT_TRUE(has_code(result, "token_times_estimated"));
}

TEST(Latency, of_estimated_token_times_has_no_gaps) {
  auto recording = a_recording().build();
  recording.serves[0].token_time = domain::TokenTime::estimated;
  const auto result = analyse(recording);
  EXPECT_FALSE(result.latency->itl_s);
  EXPECT_TRUE(result.latency->tpot_s);
}

TEST(Throughput, counts_the_tokens_of_served_requests_over_the_window) {
  const auto t = *analyse(a_recording().build()).throughput;
  EXPECT_EQ(t.requests, 20);
  EXPECT_EQ(t.output_tokens, 320);
  EXPECT_EQ(t.input_tokens, 160);
  EXPECT_DOUBLE_EQ(t.window_s, 30);
  EXPECT_DOUBLE_EQ(t.output_tokens_per_s, 320.0 / 30);
  EXPECT_DOUBLE_EQ(t.total_tokens_per_s, 16);
  EXPECT_DOUBLE_EQ(*t.mean_batch, 2);
  EXPECT_DOUBLE_EQ(*t.median_batch, 2);
}

TEST(Throughput, leaves_failed_requests_out_of_the_token_set) {
  auto recording = a_recording().build();
  recording.serves[0].requests[3].finish = domain::Finish::error;
  const auto result = analyse(recording);
  EXPECT_EQ(result.throughput->requests, 19);
  EXPECT_EQ(result.throughput->failed_requests, 1);
  EXPECT_EQ(result.throughput->output_tokens, 304);
  EXPECT_TRUE(has_code(result, "request_errors"));
}

TEST(Throughput, weighs_the_batch_by_time) {
  auto recording = a_recording().build();
  auto& steps = recording.serves[0].steps;
  const std::int64_t t = recording.serves[0].t_begin_ns;
  steps = {{t, t + 3'000'000'000, 0, 8, 80, 8},
           {t + 3'000'000'000, t + 4'000'000'000, 0, 4, 40, 4}};
  const auto result = analyse(recording);
  EXPECT_DOUBLE_EQ(*result.throughput->mean_batch, 7);  // (3 x 8 + 1 x 4) / 4
  EXPECT_DOUBLE_EQ(*result.throughput->median_batch, 8);
}

TEST(Lengths, are_those_that_ran) {
  auto recording = a_recording().build();
  recording.serves[0].requests[0].prompt_tokens = 28;
  const auto lengths = *analyse(recording).lengths;
  EXPECT_EQ(lengths.input_tokens.n, 20);
  EXPECT_DOUBLE_EQ(lengths.input_tokens.mean, 9);  // (19 x 8 + 28) / 20
  EXPECT_DOUBLE_EQ(lengths.input_tokens.max, 28);
  EXPECT_DOUBLE_EQ(lengths.output_tokens.median, 16);
  std::int64_t counted = 0;
  for (const auto n : lengths.input_tokens.histogram_counts) {
    counted += n;
  }
  EXPECT_EQ(counted, 20);
}

TEST(Phases, have_time_but_no_energy_without_a_counter) {
  const auto phases = *analyse(a_recording().build()).phases;
  EXPECT_NEAR(phases.prefill_s, 7.5, 1e-6);  // ten batches of 0.75 s
  EXPECT_NEAR(phases.decode_s, 22.5, 1e-6);
  EXPECT_EQ(phases.mixed_s, 0);
  EXPECT_NEAR(phases.between_steps_s, 0, 1e-6);
  EXPECT_TRUE(phases.energy_refused);
  EXPECT_FALSE(phases.prefill_j);
}

// N = 2 layers x (4 x 64 x 64 attention + 3 x 64 x 256 MLP) + 1000 x 64 = 195,072; attention 4 x 2
// x 64 = 512 a token. Prefill of 8: 2 x 131,072 x 8 + 2 x 64,000 + 512 x 36 = 2,243,584. Decode of
// 15 from context 9 to 23: 15 x 390,144 + 512 x 240 = 5,975,040. Twenty requests.
TEST(Compute, counts_the_token_set_exactly) {
  const auto c = *analyse(a_recording().build()).compute;
  EXPECT_DOUBLE_EQ(c.prefill_flops, 20 * 2243584.0);
  EXPECT_DOUBLE_EQ(c.decode_flops, 20 * 5975040.0);
  EXPECT_DOUBLE_EQ(c.flops_per_s, c.flops / 30);
  EXPECT_NEAR(*c.gflops_per_output_token, 8218624.0 / 16 * 1e-9, 1e-15);
  EXPECT_FALSE(c.mfu_ratio);
  EXPECT_EQ(c.assumptions.back(), "no peak is known for a CPU: MFU and MBU are absent");
}

// Per batch: one prefill step with 16 tokens of context, fifteen decode steps with 2 x (8 + k).
// Cache: 2 x 2 x 64 x 2 = 512 bytes a token. Context summed: 16 + 2 x (15 x 8 + 120) = 496 tokens;
// weights 16 x 400,000.
TEST(Compute, counts_bytes_from_steps) {
  const auto c = *analyse(a_recording().build()).compute;
  EXPECT_DOUBLE_EQ(*c.bytes_read_bytes, 10 * (16 * 400000.0 + 496 * 512.0));
}

TEST(Compute, compares_with_the_peak_of_the_gpus_used) {
  const auto c = *analyse(a_recording()
                              .device("gpu:a", "NVIDIA L4", "gpu")
                              .device("gpu:b", "NVIDIA L4", "gpu")
                              .build())
                      .compute;
  EXPECT_DOUBLE_EQ(*c.peak_flops_per_s, 242e12);
  EXPECT_DOUBLE_EQ(*c.mfu_ratio, c.flops_per_s / 242e12);
  EXPECT_DOUBLE_EQ(*c.mbu_ratio, *c.bytes_per_s / 600e9);
  EXPECT_EQ(c.peak_source, "NVIDIA L4 datasheet, dense");
}

TEST(Compute, compares_with_the_user_s_peaks_first) {
  const auto recording = a_recording().device("gpu:a", "NVIDIA L4", "gpu").build();
  domain::UserFactors factors;
  factors.peaks = {{"NVIDIA L4", "bf16", 1e12, 1e9, "of another type"},
                   {"NVIDIA L4", "F16", 50e12, 200e9, "measured"},
                   {"NVIDIA L4", std::nullopt, 1e12, 1e9, "any type, named later"}};
  const auto c = *analyse(recording, factors).compute;
  EXPECT_EQ(c.peak_flops_per_s, 50e12);
  EXPECT_DOUBLE_EQ(*c.mfu_ratio, c.flops_per_s / 50e12);
  EXPECT_DOUBLE_EQ(*c.mbu_ratio, *c.bytes_per_s / 200e9);
  EXPECT_EQ(c.peak_source, "measured");
}

TEST(Compute, compares_a_cpu_with_what_the_user_says_of_it) {
  domain::UserFactors factors;
  factors.peaks = {{"NVIDIA L4", std::nullopt, 1e12, 1e9, "a GPU"},
                   {"cpu", std::nullopt, 2e12, 4e10, "measured"}};
  const auto c = *analyse(a_recording().build(), factors).compute;
  EXPECT_DOUBLE_EQ(*c.mfu_ratio, c.flops_per_s / 2e12);
  EXPECT_EQ(c.peak_source, "measured");
}

TEST(Compute, leaves_out_what_a_cache_answered) {
  auto recording = a_recording().build();
  for (auto& request : recording.serves[0].requests) {
    request.cached_tokens = 4;
  }
  // 2 x 131,072 x 4 + 128,000 + 512 x (36 - 10)
  EXPECT_DOUBLE_EQ(analyse(recording).compute->prefill_flops, 20 * 1189888.0);
}

TEST(Compute, is_absent_without_the_models_shape) {
  auto recording = a_recording().build();
  recording.model.layers.reset();
  EXPECT_FALSE(analyse(recording).compute);
}

TEST(Memory, names_the_source_of_each_figure) {
  const auto steps = [](double before, double after) {
    return [=](double t) { return t < 37 ? before : after; };
  };
  auto recording = a_recording()
                       .device("gpu:a", "NVIDIA L4", "gpu")
                       .device("gpu:b", "NVIDIA L4", "gpu")
                       .signal("gpu:a", Signal::memory_used, Behaviour::gauge, steps(1e9, 2e9))
                       .signal("gpu:b", Signal::memory_used, Behaviour::gauge, steps(3e9, 5e9))
                       .signal("worker", Signal::process_rss, Behaviour::gauge, steps(1e8, 2e8))
                       .build();
  recording.worker.kv_cache_bytes = 4096;
  const auto memory = *analyse(recording).memory;
  EXPECT_EQ(memory.device_after_load_bytes->bytes, 4e9);
  EXPECT_EQ(memory.device_peak_bytes->bytes, 7e9);
  EXPECT_EQ(memory.host_rss_peak_bytes->bytes, 2e8);
  EXPECT_EQ(memory.kv_cache_bytes->bytes, 4096);
  EXPECT_EQ(memory.kv_cache_bytes->source, "engine's own account");
  EXPECT_EQ(memory.weights_bytes->bytes, 400000);
  EXPECT_FALSE(memory.compute_buffer_bytes);
}

TEST(Thermal, reports_readings_of_the_window_only) {
  const auto result =
      analyse(a_recording()
                  .device("gpu:a", "NVIDIA L4", "gpu")
                  .signal("gpu:a", Signal::temperature, Behaviour::gauge,
                          [](double t) { return t < 37   ? 90.0
                                                : t < 52 ? 60.0
                                                         : 70.0; })
                  .signal("gpu:a", Signal::clock_sm, Behaviour::gauge, [](double) { return 1.5e9; })
                  .signal("gpu:a", Signal::throttle_power, Behaviour::counter,
                          [](double t) { return t < 37 ? 0.0 : 0.1 * (std::min(t, 67.0) - 37); })
                  .build());
  const auto& device = result.thermal->devices.at(0);
  EXPECT_EQ(device.temperature_start_celsius, 60);
  EXPECT_EQ(device.temperature_max_celsius, 70);
  EXPECT_NEAR(*device.temperature_mean_celsius, 65, 0.2);
  EXPECT_EQ(device.clock_sm_mean_hz, 1.5e9);
  EXPECT_NEAR(*device.throttle->power_ratio, 0.1, 0.004);
  EXPECT_FALSE(device.throttle->brake_ratio);
  EXPECT_TRUE(has_code(result, "throttled_power"));
}

// Four CPUs over 30 s: 120 CPU-seconds.
TEST(HostLoad, splits_the_machine_between_the_worker_and_others) {
  const auto result = analyse(
      a_recording()
          .signal("host", Signal::cpu_busy, Behaviour::counter, [](double t) { return 2 * t; })
          .signal("host", Signal::cpu_steal, Behaviour::counter, [](double t) { return 0.04 * t; })
          .signal("worker", Signal::process_cpu, Behaviour::counter, [](double t) { return t; })
          .signal("worker", Signal::process_switches, Behaviour::counter,
                  [](double t) { return 5 * t; })
          .build());
  const auto& load = *result.host_load;
  EXPECT_NEAR(*load.cpu_busy_ratio, 0.5, 1e-9);
  EXPECT_NEAR(*load.cpu_steal_ratio, 0.01, 1e-9);
  EXPECT_NEAR(*load.worker_cpu_s, 30, 1e-6);
  EXPECT_NEAR(*load.worker_share_ratio, 0.5, 1e-9);
  EXPECT_NEAR(*load.involuntary_switches_per_s, 5, 1e-6);
  EXPECT_TRUE(has_code(result, "contention"));  // others took a quarter of the machine
}

TEST(Configuration, lists_every_difference_by_its_path) {
  auto recording = a_recording().build();
  using base::Json;
  recording.worker.declared = Json::object({{"n_batch", 2048},
                                            {"n_ctx", 512.0},
                                            {"flash_attn", "auto"},
                                            {"rope", Json::object({{"base", 1e4}, {"scale", 1}})},
                                            {"threads", 4}});
  recording.worker.effective =
      Json::object({{"n_batch", 512},
                    {"n_ctx", 512},
                    {"flash_attn", true},
                    {"rope", Json::object({{"base", 1e4}, {"scale", 2}})}});
  const auto result = analyse(recording);
  const auto& differences = result.configuration.differences;
  ASSERT_EQ(differences.size(), 3U);
  EXPECT_EQ(differences[0].name, "n_batch");
  EXPECT_EQ(differences[1].name, "rope.scale");
  EXPECT_EQ(differences[2].name, "threads");
  EXPECT_TRUE(differences[2].effective.is_null());
  EXPECT_TRUE(has_code(result, "effective_config_differs"));
}

TEST(Overhead, is_the_samplers_share_of_a_core) {
  EXPECT_NEAR(analyse(a_recording().build()).overhead.core_share_ratio, 0.001, 1e-12);
}

TEST(Warmup, says_what_was_discarded) {
  const auto warmup = *analyse(a_recording().build()).warmup;
  EXPECT_EQ(warmup.blocks, 5);
  EXPECT_EQ(warmup.tokens_discarded, 200);
  EXPECT_DOUBLE_EQ(warmup.seconds, 10);
  EXPECT_EQ(warmup.cv_ratio, 0.01);
}

TEST(Warmup, of_too_few_blocks_has_no_spread) {
  domain::Recording recording = a_recording().build();
  recording.warmup.cv_ratio.reset();
  recording.warmup.slope_ratio.reset();
  const auto result = analyse(recording);
  EXPECT_FALSE(result.warmup->cv_ratio);
  EXPECT_FALSE(result.warmup->slope_ratio);
}

}  // namespace
}  // namespace llem::analysis
