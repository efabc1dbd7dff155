#include <set>

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

domain::Configuration configuration(std::string_view text) {
  const auto study = load_study(text, "study.yaml", {}, {});
  EXPECT_TRUE(study) << error_text(study);
  const auto resolved = resolve(study->config, {.usable_cpus = 2});
  EXPECT_TRUE(resolved) << error_text(resolved);
  domain::Configuration made;
  made.model = resolved->model;
  made.model_sha256 = std::string(64, 'a');
  made.dataset_sha256 = std::string(64, 'b');
  made.workload = resolved->workload;
  made.deploy = resolved->deploy;
  made.measure = resolved->measure;
  return made;
}

std::string hash(std::string_view rest) {
  return content_hash(configuration("model: x\n" + std::string(rest)));
}

TEST(ContentHash, is_the_same_on_every_machine) {
  EXPECT_EQ(hash(""), "1e3cad08bc768da0");
}

TEST(ContentHash, ignores_key_order_comments_and_defaults_written_out) {
  const std::string plain =
      hash("deploy: {batch_size: 8, threads: 2}\nmeasure: {profile: quick}\n");
  EXPECT_EQ(hash("# a comment\nmeasure:\n  profile: quick # short\n"
                 "deploy:\n  threads: 2\n  batch_size: 8\n"),
            plain);
  EXPECT_EQ(hash("deploy: {batch_size: 8, attention: auto, batching: continuous}\n"
                 "workload: {requests: 100, output_tokens: 128, sampling: greedy}\n"
                 "measure: {profile: full, warmup: {min_s: 2, max_s: 10.0},"
                 " window: {min_s: 5, pad_s: 0.5}}\n"),
            plain);
}

TEST(ContentHash, tells_trials_of_several_windows_from_those_of_one) {
  EXPECT_EQ(hash("measure: {windows_per_trial: 1}\n"), hash(""));
  EXPECT_NE(hash("measure: {windows_per_trial: 2}\n"), hash(""));
  EXPECT_NE(hash("measure: {windows_per_trial: 3}\n"), hash("measure: {windows_per_trial: 2}\n"));
}

TEST(ContentHash, ignores_names_paths_devices_meters_and_policies) {
  const std::string plain = hash("");
  EXPECT_EQ(hash("name: other\n"), plain);
  EXPECT_EQ(hash("workload: {dataset: other.jsonl}\n"), plain);
  EXPECT_EQ(hash("deploy: {devices: ['0']}\n"), plain);
  EXPECT_EQ(
      hash("measure: {meters: [host], sample_hz: 100, strict: true, foreign: fail, cooldown_s: 1,"
           " baseline: {bare_s: 1}}\n"),
      plain);
  EXPECT_EQ(hash("study: {cycles: 9, timeout_s: 700}\n"), plain);
  domain::Configuration moved = configuration("model: y\n");
  moved.model_path = "/elsewhere/model.gguf";
  moved.dataset_path = "/elsewhere/data.jsonl";
  moved.label = "batch 8";
  moved.hash = "0000000000000000";
  EXPECT_EQ(content_hash(moved), plain);
}

TEST(ContentHash, changes_with_everything_that_is_measured) {
  std::set<std::string> hashes{hash("")};
  const std::vector<std::string> changes{
      "workload: {requests: 50}\n",
      "workload: {order: shuffled}\n",
      "workload: {seed: 7}\n",
      "workload: {input_tokens: {max: 64}}\n",
      "workload: {input_tokens: {exact: 512}}\n",
      "workload: {output_tokens: 64}\n",
      "workload: {output_tokens: {max: 128}}\n",
      "workload: {chat_template: off}\n",
      "workload: {sampling: standard}\n",
      "workload: {sampling: {repetition_penalty: 1.1}}\n",
      "workload: {dataset: {name: aienergyscore, field: text}}\n",
      "workload: {dataset: {name: aienergyscore, repeat: true}}\n",
      "deploy: {engine: scripted}\n",
      "deploy: {batching: static}\n",
      "deploy: {batch_size: 2}\n",
      "deploy: {max_batched_tokens: 256}\n",
      "deploy: {micro_batch_tokens: 256}\n",
      "deploy: {context_length: 1024}\n",
      "deploy: {attention: flash}\n",
      "deploy: {kv_cache: {dtype: q8_0}}\n",
      "deploy: {threads: 1}\n",
      "deploy: {cpu_affinity: '0'}\n",
      "deploy: {numa: isolate}\n",
      "deploy: {env: {A: b}}\n",
      "deploy: {llamacpp: {n_gpu_layers: 0}}\n",
      "measure: {window: {min_s: 31}}\n",
      "measure: {window: {min_requests: 5}}\n",
      "measure: {window: {pad_s: 1}}\n",
      "measure: {warmup: {min_s: 31}}\n",
      "measure: {warmup: {max_s: 301}}\n"};
  for (const std::string& change : changes) {
    EXPECT_TRUE(hashes.insert(hash(change)).second) << change;
  }
  domain::Configuration other = configuration("model: x\n");
  other.model_sha256[0] = 'c';
  EXPECT_TRUE(hashes.insert(content_hash(other)).second);
  other = configuration("model: x\n");
  other.dataset_sha256[0] = 'c';
  EXPECT_TRUE(hashes.insert(content_hash(other)).second);
}

TEST(ContentHash, ignores_what_has_no_effect_under_greedy_decoding) {
  EXPECT_EQ(hash("workload: {sampling: {temperature: 0, top_p: 0.5, top_k: 9, min_p: 0.1}}\n"),
            hash(""));
}

TEST(ContentHash, takes_the_name_for_synthetic_prompts_and_unknown_models) {
  domain::Configuration a = configuration("model: x\nworkload: {dataset: synthetic}\n");
  domain::Configuration b = configuration("model: x\n");
  a.dataset_sha256.clear();
  EXPECT_NE(content_hash(a), content_hash(b));
  b = a;
  a.model_sha256.clear();
  EXPECT_NE(content_hash(a), content_hash(b));
  b = a;
  b.model.name = "y";
  EXPECT_NE(content_hash(a), content_hash(b));
}

TEST(ContentHash, survives_writing_and_reading_the_plan) {
  const domain::Configuration made = configuration(
      "model: x\nworkload: {sampling: creative}\ndeploy: {llamacpp: {n_gpu_layers: 0, a: [1, "
      "2.5]}}\n");
  const auto again = base::read_json_struct<domain::Configuration>(
      *base::parse_json(base::write_json(base::write_struct(made))), "plan.json");
  ASSERT_TRUE(again) << error_text(again);
  EXPECT_EQ(content_hash(*again), content_hash(made));
}

}  // namespace
}  // namespace llem::config
