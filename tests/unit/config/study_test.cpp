#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

Expected<LoadedStudy> load(std::string_view text, std::string_view file,
                           const std::vector<Override>& overrides) {
  return load_study(text, file, overrides, {});
}

std::string refusal(std::string_view text, const std::vector<Override>& overrides = {}) {
  return error_text(load(text, "study.yaml", overrides));
}

Override set(std::string path, std::string value) {
  return {std::move(path), std::move(value), "--set"};
}

std::string as_json(const domain::StudyConfig& config) {
  return base::write_json(base::write_struct(config));
}

TEST(LoadStudy, takes_a_model_alone) {
  const auto study = load("model: smollm2-135m\n", "dir/quick.study.yaml", {});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->config.name, "quick.study");
  EXPECT_EQ(study->config.model.name, "smollm2-135m");
  EXPECT_EQ(study->config.workload.requests, 100);
  EXPECT_EQ(study->config.study.cycles, 5);
  EXPECT_EQ(study->text, "model: smollm2-135m\n");
}

TEST(LoadStudy, names_an_unknown_key_its_place_and_the_nearest_one) {
  EXPECT_EQ(refusal("model: x\ndeploy:\n  batch_szie: 8\n"),
            "error: unknown key `batch_szie`\n"
            "  at study.yaml:3:3 deploy.batch_szie\n"
            "  hint: did you mean `batch_size`?\n");
}

TEST(LoadStudy, refuses_wrong_types) {
  EXPECT_EQ(refusal("model: x\ndeploy: {batch_size: many}\n"),
            "error: `batch_size` must be an integer, 1 to 4096, got `many`\n"
            "  at study.yaml:2:22 deploy.batch_size\n");
  EXPECT_EQ(refusal("model: x\ndeploy: {batch_size: '8'}\n"),
            "error: `batch_size` must be an integer, 1 to 4096, got the text `8`\n"
            "  at study.yaml:2:22 deploy.batch_size\n"
            "  hint: leave out the quotes: a quoted scalar is text\n");
  EXPECT_EQ(refusal("model: x\nmeasure: 5\n").substr(0, 39),
            "error: `measure` must be a map, got `5`");
  EXPECT_EQ(refusal("[model, x]\n").substr(0, 47),
            "error: the document must be a map, got a list\n ");
}

TEST(LoadStudy, says_how_to_write_what_is_written_elsewhere) {
  EXPECT_EQ(refusal("model: x\ndeploy: {batch_size: [1, 8]}\n"),
            "error: `batch_size` must be an integer, 1 to 4096, got a list\n"
            "  at study.yaml:2:22 deploy.batch_size\n"
            "  hint: to measure each of them: sweep: {deploy.batch_size: [1, 8]}\n");
  EXPECT_EQ(refusal("model: x\nbatch_size: 4\n"),
            "error: unknown key `batch_size`\n"
            "  at study.yaml:2:1 batch_size\n"
            "  hint: did you mean `deploy.batch_size`?\n");
  EXPECT_EQ(refusal("model: x\nzip: {deploy.batch_size: [1, 8]}\n"),
            "error: `zip` must be a list of values, got a map\n"
            "  at study.yaml:2:6 zip\n"
            "  hint: as list entries, each with a dash before it: `- {…}`\n");
}

TEST(LoadStudy, refuses_yes_for_a_boolean) {
  EXPECT_EQ(refusal("model: x\nmeasure:\n  strict: yes\n"),
            "error: `yes` is no boolean: write true or false\n"
            "  at study.yaml:3:11 measure.strict\n");
}

TEST(LoadStudy, refuses_a_leading_zero) {
  EXPECT_EQ(refusal("model: x\ndeploy: {threads: 012}\n"),
            "error: `threads` must be an integer, 1 to 4096, got `012`\n"
            "  at study.yaml:2:19 deploy.threads\n"
            "  hint: a leading zero is ambiguous: write 12 (octal is 0o12)\n");
}

TEST(LoadStudy, refuses_no_requests) {
  EXPECT_EQ(refusal("model: x\nworkload: {requests: 0}\n"),
            "error: `requests` must be an integer, 1 to 1000000, got `0`\n"
            "  at study.yaml:2:22 workload.requests\n");
}

TEST(LoadStudy, refuses_unknown_words) {
  EXPECT_EQ(refusal("model: x\nmeasure: {meters: [nvlm]}\n"),
            "error: item 1 of `meters` must be one of nvml, rapl, host, got `nvlm`\n"
            "  at study.yaml:2:20 measure.meters[0]\n"
            "  hint: did you mean `nvml`?\n");
  EXPECT_EQ(refusal("model: x\ndeploy: {numa: isolated}\n"),
            "error: `numa` must be one of disabled, distribute, isolate, numactl, got `isolated`\n"
            "  at study.yaml:2:16 deploy.numa\n"
            "  hint: did you mean `isolate`?\n");
  EXPECT_EQ(refusal("model: x\ndeploy: {kv_cache: {dtype: q8}}\n").substr(0, 34),
            "error: `dtype` must be one of auto");
  EXPECT_EQ(refusal("model: x\nmeasure: {sample_hz: 2000}\n"),
            "error: `sample_hz` must be a number, 1 to 1000, got `2000`\n"
            "  at study.yaml:2:22 measure.sample_hz\n");
}

TEST(LoadStudy, asks_for_a_model) {
  EXPECT_EQ(refusal("deploy: {batch_size: 8}\n").substr(0, 27), "error: `model` is missing\n ");
  const auto nothing = load("", "", {});
  EXPECT_EQ(error_text(nothing).substr(0, 34), "error: `model` is missing\n  hint: ");
}

TEST(LoadStudy, puts_overrides_over_the_file) {
  const auto study = load("model: x\ndeploy:\n  batch_size: 8\n  env: {A: b}\n", "study.yaml",
                          {set("deploy.batch_size", "4"),
                           set("deploy.env.C", "d"),
                           set("model.file", "m.gguf"),
                           set("measure.meters", "[host]"),
                           {"workload.output_tokens", "{max: 64}", "--output-tokens"}});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->config.deploy.batch_size, 4);
  EXPECT_EQ(study->config.deploy.env.at("A"), "b");
  EXPECT_EQ(study->config.deploy.env.at("C"), "d");
  EXPECT_EQ(study->config.model.name, "x");
  EXPECT_EQ(study->config.model.file, "m.gguf");
  EXPECT_EQ(study->config.measure.meters, std::vector<std::string>{"host"});
  EXPECT_EQ(study->config.workload.output_tokens.max, 64);
}

TEST(LoadStudy, lets_the_last_override_of_a_path_win) {
  const auto study =
      load("model: x\n", "study.yaml",
           {set("deploy.batch_size", "4"), {"deploy.batch_size", "2", "--batch-size"}});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->config.deploy.batch_size, 2);
  EXPECT_EQ(study->origins.at("deploy.batch_size"), "--batch-size");
}

TEST(LoadStudy, tells_where_each_value_came_from) {
  const auto study = load("model: x\ndeploy:\n  batch_size: 8\n  llamacpp: {n_batch: 64}\n",
                          "study.yaml", {set("workload.sampling", "standard")});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->origins.at("model.name"), "study.yaml:1:8");
  EXPECT_EQ(study->origins.at("deploy.batch_size"), "study.yaml:3:15");
  EXPECT_EQ(study->origins.at("deploy.llamacpp.n_batch"), "study.yaml:4:23");
  EXPECT_EQ(study->origins.at("workload.sampling.preset"), "--set");
  EXPECT_EQ(study->origins.at("deploy.threads"), "default");
  EXPECT_EQ(study->origins.at("measure.window.min_s"), "default");
  EXPECT_EQ(study->origins.at("name"), "default");
}

TEST(LoadStudy, blames_an_override_and_not_the_file) {
  EXPECT_EQ(refusal("model: x\n", {set("deploy.batch_szie", "8")}),
            "error: unknown key `batch_szie`\n"
            "  at --set deploy.batch_szie\n"
            "  hint: did you mean `batch_size`?\n");
  EXPECT_EQ(refusal("model: x\n", {{"deploy.batch_size", "many", "--batch-size"}}),
            "error: `batch_size` must be an integer, 1 to 4096, got `many`\n"
            "  at --batch-size deploy.batch_size\n");
  EXPECT_EQ(refusal("model: x\ndeploy: {batch_size: 8}\n", {set("deploy.batch_size", "0")}),
            "error: `batch_size` must be an integer, 1 to 4096, got `0`\n"
            "  at --set deploy.batch_size\n");
  EXPECT_EQ(error_text(load("", "", {set("model", "x"), set("measure.strict", "yes")})),
            "error: `yes` is no boolean: write true or false\n  at --set measure.strict\n");
}

TEST(LoadStudy, refuses_paths_that_lead_nowhere) {
  EXPECT_EQ(refusal("model: x\ndeploy: {batch_size: 8}\n", {set("deploy.batch_size.x", "8")}),
            "error: `deploy.batch_size` is no map, so it has nothing named `x`\n"
            "  at --set deploy.batch_size.x\n"
            "  hint: set `deploy.batch_size` itself\n");
  EXPECT_EQ(refusal("model: x\n", {set("deploy..x", "8")}),
            "error: `deploy..x` is no path\n  at --set deploy..x\n"
            "  hint: a path is names joined by dots, as in deploy.batch_size\n");
  EXPECT_EQ(refusal("model: x\n", {set("deploy.env", "a: [b")}),
            "error: this is not valid YAML: end of sequence flow not found\n  at --set deploy.env\n"
            "  hint: the value is read as YAML: `a: [b`\n");
}

TEST(LoadStudy, makes_a_file_that_does_the_same_from_flags_alone) {
  const std::vector<Override> flags{set("model", "org/SmolLM2-GGUF"),
                                    set("model.file", "a b.gguf"),
                                    set("deploy.batch_size", "8"),
                                    set("workload.output_tokens", "{lognormal: {mean: 9, cv: 1}}"),
                                    set("measure.meters", "[host, rapl]"),
                                    set("deploy.env.X", "'1'")};
  const auto study = load("", "", flags);
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->config.name, "SmolLM2-GGUF");
  const auto again = load(study->text, "SmolLM2-GGUF.yaml", {});
  ASSERT_TRUE(again) << error_text(again) << study->text;
  EXPECT_EQ(as_json(again->config), as_json(study->config));
}

TEST(LoadStudy, names_a_study_after_its_model_without_a_file) {
  EXPECT_EQ(load("", "", {set("model", "models/Tiny.Q4_1.gguf")})->config.name, "Tiny.Q4_1");
  EXPECT_EQ(load("model: org/a-1.5b\n", "-", {})->config.name, "a-1.5b");
  EXPECT_EQ(load("name: mine\nmodel: x\n", "study.yaml", {})->config.name, "mine");
}

TEST(WithOrigins, puts_the_place_before_a_path) {
  const auto study = load("model: x\ndeploy: {threads: 4}\n", "study.yaml", {});
  const Error error{ErrorKind::config, "m", "", {"deploy.threads", "elsewhere"}, ""};
  EXPECT_EQ(with_origins(error, study->origins).context,
            (std::vector<std::string>{"study.yaml:2:19 deploy.threads", "elsewhere"}));
}

TEST(UserConfig, reads_its_keys_and_no_others) {
  const auto config =
      load_user_config("results_dir: /data/runs\nmodel_dirs: [/m]\nlog: debug\n", "config.yaml");
  ASSERT_TRUE(config) << error_text(config);
  EXPECT_EQ(config->results_dir, "/data/runs");
  EXPECT_EQ(config->model_dirs, std::vector<std::string>{"/m"});
  EXPECT_EQ(config->log, "debug");
  EXPECT_TRUE(load_user_config("", "config.yaml"));
  const auto costs = load_user_config(
      "carbon: {g_per_kwh: 51.5, source: grid operator 2025}\npue: 1.2\nprice_per_kwh: 0.25\n"
      "currency: EUR\n",
      "config.yaml");
  ASSERT_TRUE(costs) << error_text(costs);
  EXPECT_EQ(costs->carbon->g_per_kwh, 51.5);
  EXPECT_EQ(costs->pue, 1.2);
  const auto peaks = load_user_config(
      "peaks:\n  - {device: cpu, flops_per_s: 1.5e12, bytes_per_s: 4e10, source: measured}\n",
      "config.yaml");
  ASSERT_TRUE(peaks) << error_text(peaks);
  EXPECT_EQ(peaks->peaks.at(0).flops_per_s, 1.5e12);
  EXPECT_FALSE(load_user_config("peaks: [{device: cpu, flops_per_s: 0, bytes_per_s: 1, source: x}]",
                                "config.yaml"));
  EXPECT_FALSE(
      load_user_config("peaks: [{device: cpu, flops_per_s: 1, bytes_per_s: 1}]", "config.yaml"))
      << "a number without its source";
  EXPECT_FALSE(load_user_config("pue: 0.5\n", "config.yaml"));
  EXPECT_FALSE(load_user_config("carbon: {source: x}\n", "config.yaml"));
  EXPECT_EQ(error_text(load_user_config("result_dir: x\n", "config.yaml")),
            "error: unknown key `result_dir`\n  at config.yaml:1:1 result_dir\n"
            "  hint: did you mean `results_dir`?\n");
  EXPECT_EQ(error_text(load_user_config("log: loud\n", "config.yaml")),
            "error: `log` must be one of error, warning, info, debug, got `loud`\n"
            "  at config.yaml:1:6 log\n");
}

TEST(InitialStudy, loads_and_resolves) {
  for (const char* model : {"smollm2-135m", "/models/a b: c.gguf", "org/name"}) {
    const auto study = load(initial_study(model, "llamacpp"), "study.yaml", {});
    ASSERT_TRUE(study) << error_text(study);
    EXPECT_EQ(study->config.model.name, model);
    const auto resolved = resolve(study->config, {.usable_cpus = 2});
    EXPECT_TRUE(resolved) << error_text(resolved);
  }
}

}  // namespace
}  // namespace llem::config
