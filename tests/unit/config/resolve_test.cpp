#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

Expected<domain::StudyConfig> resolved(std::string_view text) {
  auto study = load_study(text, "study.yaml", {}, {});
  EXPECT_TRUE(study) << error_text(study);
  auto outcome = resolve(std::move(study->config), {.usable_cpus = 6});
  if (!outcome) {
    return tl::unexpected<Error>(with_origins(std::move(outcome).error(), study->origins));
  }
  return outcome;
}

std::string refusal(std::string_view rest) {
  return error_text(resolved("model: x\n" + std::string(rest)));
}

TEST(Resolve, writes_out_the_defaults_of_the_full_profile) {
  const auto config = resolved("model: x\n");
  ASSERT_TRUE(config) << error_text(config);
  EXPECT_EQ(config->measure.baseline.bare_s, 10);
  EXPECT_EQ(config->measure.baseline.loaded_s, 10);
  EXPECT_EQ(config->measure.warmup.min_s, 30);
  EXPECT_EQ(config->measure.warmup.max_s, 300);
  EXPECT_EQ(config->measure.window.min_s, 30);
  EXPECT_EQ(config->measure.window.pad_s, 2);
  EXPECT_EQ(config->measure.cooldown_s, 5);
  EXPECT_EQ(config->measure.sample_hz, 50);
  EXPECT_EQ(config->workload.input_tokens.max, 512);
  EXPECT_EQ(config->workload.output_tokens.exact, 128);
  EXPECT_EQ(config->deploy.threads, 6);
  EXPECT_EQ(config->study.timeout_s, 5 * (10 + 10 + 300 + 30 + 4 + 5));
}

TEST(Resolve, writes_out_the_defaults_of_the_quick_profile) {
  const auto config = resolved("model: x\nmeasure: {profile: quick}\n");
  ASSERT_TRUE(config) << error_text(config);
  EXPECT_EQ(config->measure.baseline.bare_s, 2);
  EXPECT_EQ(config->measure.baseline.loaded_s, 2);
  EXPECT_EQ(config->measure.warmup.min_s, 2);
  EXPECT_EQ(config->measure.warmup.max_s, 10);
  EXPECT_EQ(config->measure.window.min_s, 5);
  EXPECT_EQ(config->measure.window.pad_s, 0.5);
  EXPECT_EQ(config->measure.cooldown_s, 0.5);
  EXPECT_EQ(config->study.timeout_s, 600);
}

TEST(Resolve, counts_each_window_and_the_pads_around_them) {
  const auto config = resolved("model: x\nmeasure: {windows_per_trial: 3}\n");
  ASSERT_TRUE(config) << error_text(config);
  const TimeRange time = declared_time(config->measure);
  EXPECT_EQ(time.low_s, 10 + 10 + 30 + 3 * 30 + 4 * 2 + 5);
  EXPECT_EQ(time.high_s, 10 + 10 + 300 + 3 * 30 + 4 * 2 + 5);
  EXPECT_EQ(config->study.timeout_s, 5 * time.high_s);
  EXPECT_NE(
      error_text(load_study("model: x\nmeasure: {windows_per_trial: 0}\n", "study.yaml", {}, {}))
          .find("windows_per_trial"),
      std::string::npos);
}

TEST(Resolve, changes_nothing_the_second_time) {
  const auto once = resolved(
      "model: x\nworkload: {sampling: creative}\ndeploy: {llamacpp: {n_threads: 3}}\n"
      "measure: {profile: quick, warmup: {max_s: 1}}\n");
  ASSERT_TRUE(once) << error_text(once);
  const auto twice = resolve(*once, {.usable_cpus = 64});
  ASSERT_TRUE(twice) << error_text(twice);
  EXPECT_EQ(base::write_struct(*twice), base::write_struct(*once));
}

TEST(Resolve, moves_the_default_of_one_warmup_bound_for_the_other) {
  EXPECT_EQ(resolved("model: x\nmeasure: {warmup: {min_s: 400}}\n")->measure.warmup.max_s, 400);
  EXPECT_EQ(resolved("model: x\nmeasure: {warmup: {max_s: 7}}\n")->measure.warmup.min_s, 7);
  EXPECT_EQ(refusal("measure:\n  warmup: {min_s: 9, max_s: 2.5}\n"),
            "error: the shortest warm-up, 9 s, is longer than the longest, 2.5 s\n"
            "  at study.yaml:3:19 measure.warmup.min_s\n"
            "  at study.yaml:3:29 measure.warmup.max_s\n");
}

TEST(Resolve, expands_presets_under_explicit_values) {
  const auto sampling = [](std::string_view text) {
    const auto config = resolved("model: x\nworkload: {sampling: " + std::string(text) + "}\n");
    return config ? base::write_json(base::write_struct(config->workload.sampling))
                  : error_text(config);
  };
  const std::string greedy =
      R"({"temperature":0.0,"top_p":1.0,"top_k":0,"min_p":0.0,"repetition_penalty":1.0,)"
      R"("presence_penalty":0.0,"frequency_penalty":0.0})";
  EXPECT_EQ(sampling("{}"), greedy);
  EXPECT_EQ(sampling("greedy"), greedy);
  EXPECT_EQ(sampling("{preset: creative, top_p: 0.5}"),
            R"({"temperature":0.8,"top_p":0.5,"top_k":0,"min_p":0.0,"repetition_penalty":1.1,)"
            R"("presence_penalty":0.0,"frequency_penalty":0.0})");
  EXPECT_EQ(sampling("standard").substr(0, 32), R"({"temperature":1.0,"top_p":0.95,)");
  EXPECT_EQ(sampling("factual").substr(0, 31), R"({"temperature":0.3,"top_p":1.0,)");
  EXPECT_EQ(sampling("{top_k: 40}"),
            "error: `top_k` has no effect: without a temperature the likeliest token is always "
            "taken\n  at study.yaml:2:30 workload.sampling.top_k\n"
            "  hint: set workload.sampling.temperature or a preset\n");
}

TEST(Resolve, takes_one_length_rule) {
  EXPECT_EQ(refusal("workload:\n  output_tokens: {exact: 5, max: 9}\n"),
            "error: `workload.output_tokens` takes one rule, got exact and max\n"
            "  at study.yaml:3:26 workload.output_tokens.exact\n"
            "  at study.yaml:3:34 workload.output_tokens.max\n"
            "  hint: keep one of them\n");
}

TEST(Resolve, wants_a_range_in_order) {
  EXPECT_EQ(refusal("workload: {output_tokens: {uniform: [9, 5]}}\n"),
            "error: `uniform` must be [low, high] with 1 <= low <= high, got [9, 5]\n"
            "  at study.yaml:2:37 workload.output_tokens.uniform\n");
  EXPECT_NE(refusal("workload: {output_tokens: {uniform: [0, 5]}}\n"), "no error");
  EXPECT_EQ(refusal("workload: {output_tokens: {uniform: [5, 5]}}\n"), "no error");
}

TEST(Resolve, draws_prompt_lengths_for_synthetic_prompts_only) {
  const std::string rule = "input_tokens: {uniform: [5, 9]}";
  EXPECT_EQ(refusal("workload: {dataset: synthetic, " + rule + "}\n"), "no error");
  EXPECT_EQ(refusal("workload: {dataset: bundled, " + rule + "}\n"),
            "error: lengths from a distribution need synthetic prompts, not `bundled`\n"
            "  at study.yaml:2:54 workload.input_tokens.uniform\n"
            "  at study.yaml:2:21 workload.dataset.name\n"
            "  hint: set workload.dataset to synthetic, or input_tokens to {max: N} or {exact: "
            "N}\n");
}

TEST(Resolve, refuses_the_block_of_another_engine) {
  EXPECT_EQ(refusal("deploy: {scripted: {a: 1}}\n"),
            "error: `deploy.scripted` has no effect: the engine is llamacpp\n"
            "  at study.yaml:2:20 deploy.scripted\n"
            "  at default deploy.engine\n"
            "  hint: remove it, or set deploy.engine to scripted\n");
  EXPECT_EQ(refusal("deploy: {engine: scripted, scripted: {a: 1}}\n"), "no error");
  EXPECT_EQ(refusal("deploy: {engine: scripted, llamacpp: {a: 1}}\n").substr(0, 33),
            "error: `deploy.llamacpp` has no e");
}

TEST(Resolve, takes_the_threads_of_a_native_argument) {
  EXPECT_EQ(resolved("model: x\ndeploy: {llamacpp: {n_threads: 4}}\n")->deploy.threads, 4);
}

TEST(Resolve, reads_lists_of_cpus) {
  for (const char* good : {"0", "0-3", "0-3,8", "0-3, 8,10-11"}) {
    EXPECT_EQ(refusal("deploy: {cpu_affinity: \"" + std::string(good) + "\"}\n"), "no error");
  }
  for (const char* bad : {"", "x", "3-1", "0-", "-1", "1-2-3", "0,,1", "99999999"}) {
    EXPECT_EQ(refusal("deploy: {cpu_affinity: \"" + std::string(bad) + "\"}\n").substr(0, 8),
              "error: `")
        << bad;
  }
  EXPECT_EQ(refusal("deploy: {cpu_affinity: '0-3;8'}\n"),
            "error: `0-3;8` is no list of CPUs: cannot read `0-3;8`\n"
            "  at study.yaml:2:24 deploy.cpu_affinity\n"
            "  hint: write CPU numbers and ranges, as in 0-3,8\n");
}

TEST(Resolve, refuses_impossible_environment_variables) {
  EXPECT_EQ(refusal("deploy: {env: {'A=B': c}}\n"),
            "error: `A=B` cannot be the name of an environment variable\n"
            "  at study.yaml:2:23 deploy.env.A=B\n");
}

TEST(Resolve, refuses_absurd_lengths) {
  EXPECT_EQ(refusal("workload: {output_tokens: 9000000000000000000}\n").substr(0, 66),
            "error: `workload.output_tokens` is beyond 100000000 tokens\n  at wo");
}

}  // namespace
}  // namespace llem::config
