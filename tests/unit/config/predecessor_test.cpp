#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "config/config.hpp"
#include "unit/config/errors.hpp"
#include "unit/config/spaces.hpp"

namespace llem::config {
namespace {

Expected<ConvertedStudy> convert(std::string_view text,
                                 const std::vector<Override>& overrides = {}) {
  return convert_study(text, "study.yaml", overrides, {});
}

std::string refusal(std::string_view text, const std::vector<Override>& overrides = {}) {
  return error_text(convert(text, overrides));
}

/// What our file says at a path, whose names are parted by slashes: keys of `sweep` hold dots.
std::string at(const Expected<ConvertedStudy>& converted, std::string_view path) {
  if (!converted) {
    return error_text(converted);
  }
  const auto tree = parse_yaml(converted->yaml, "converted.yaml");
  if (!tree) {
    return error_text(tree);
  }
  const base::Tree* found = &*tree;
  for (const std::string_view name : base::split(path, '/')) {
    found = found->find(name);
    if (found == nullptr) {
      return "nothing";
    }
  }
  return base::write_json(base::json_from_tree(*found));
}

bool has_note(const Expected<ConvertedStudy>& converted, std::string_view text) {
  return converted && std::any_of(converted->notes.begin(), converted->notes.end(),
                                  [&](const std::string& note) { return note.starts_with(text); });
}

struct Case {
  std::string_view theirs;
  std::string_view path;
  std::string_view ours;  // JSON
};

class Meaning : public testing::TestWithParam<Case> {};

TEST_P(Meaning, is_kept) {
  const auto converted = convert(GetParam().theirs);
  EXPECT_EQ(at(converted, GetParam().path), GetParam().ours) << GetParam().theirs;
}

constexpr Case kFlat[] = {
    {"model: m\nn: 5\n", "model", R"({"name":"m"})"},
    {"model: m\nn: 5\n", "workload/requests", "5"},
    {"model: m\nbackend: pytorch\n", "deploy", R"({"engine":"transformers","batching":"static"})"},
    {"model: m\nbackend: tensorrt\n", "deploy/engine", R"("tensorrt_llm")"},
    {"model: m\nbackend: llamacpp\n", "deploy", R"({"engine":"llamacpp"})"},
    {"model: m\ndataset: prompts.jsonl\n", "workload/dataset", R"({"name":"prompts.jsonl"})"},
    {"model: m\ndataset: {n: 7, input_len: 9, seed: 3}\n", "workload/dataset",
     R"({"name":"synthetic"})"},
    {"model: m\ndataset: {n: 7, input_len: 9, seed: 3}\n", "workload/input_tokens",
     R"({"exact":9})"},
    {"model: m\ndataset: {n: 7, seed: 3}\n", "workload/input_tokens", R"({"exact":512})"},
    {"model: m\ndataset_order: interleaved\n", "workload/order", R"("file")"},
    {"model: m\nmax_input_tokens: 64\n", "workload/input_tokens", R"({"max":64})"},
    {"model: m\nmax_output_tokens: 32\n", "workload/output_tokens", R"({"max":32})"},
    {"model: m\nbackend: vllm\nmax_output_tokens: 32\nvllm: {sampling: {ignore_eos: true}}\n",
     "workload/output_tokens", R"({"exact":32})"},
    {"model: m\nbackend: vllm\nmax_output_tokens: 32\nvllm: {sampling: {max_tokens: 16}}\n",
     "workload/output_tokens", R"({"max":16})"},
    {"model: m\nn: 5\n", "workload/output_tokens", R"({"max":128})"},
    {"model: m\nn: 5\n", "workload/sampling", R"({"temperature":1,"top_k":50})"},
    {"model: m\ndecoder: {preset: deterministic}\n", "workload/sampling", R"({"preset":"greedy"})"},
    {"model: m\ndecoder: {do_sample: false}\n", "workload/sampling", R"({"temperature":0})"},
    {"model: m\ndecoder: {temperature: 0.7, top_k: 0}\n", "workload/sampling",
     R"({"temperature":0.7,"top_k":0})"},
    {"model: m\npytorch: {batch_size: 4, attn_implementation: flash_attention_2}\n", "deploy",
     R"({"engine":"transformers","batch_size":4,"attention":"flash","batching":"static"})"},
    {"model: m\nbackend: vllm\nvllm: {engine: {max_num_seqs: 8, max_num_batched_tokens: 64, "
     "max_model_len: 99, kv_cache_dtype: bfloat16}}\n",
     "deploy",
     R"({"engine":"vllm","batch_size":8,"max_batched_tokens":64,"context_length":99,)"
     R"("kv_cache":{"dtype":"bf16"}})"},
    {"model: m\nbackend: pytorch\nvllm: {engine: {max_num_seqs: 8}}\n", "deploy",
     R"({"engine":"transformers","batching":"static"})"},
    {"model: m\nwarmup: {enabled: false, n_warmup: 9}\n", "measure/warmup",
     R"({"min_s":0,"max_s":0})"},
    {"model: m\nwarmup: {thermal_floor_seconds: 45}\n", "measure/warmup", R"({"min_s":45})"},
    {"model: m\nbaseline: {duration_seconds: 20}\n", "measure/baseline",
     R"({"bare_s":20,"loaded_s":20})"},
    {"model: m\nenergy: {backend: zeus}\n", "measure/meters", R"(["nvml"])"},
    {"model: m\nenergy: {backend: null}\n", "measure/meters", R"(["host"])"},
    {"model: m\nenergy: {backend: auto}\n", "measure", "nothing"},
    {"model: m\nexecution: {n_cycles: 3, cycle_order: shuffled, shuffle_seed: 7,\n"
     "  experiment_gap_seconds: 60, cycle_gap_seconds: 300}\n",
     "study",
     R"({"cycles":3,"order":"blocks","seed":7,"gap":{"seconds":60},"cycle_gap":{"seconds":300}})"},
};

constexpr Case kNested[] = {
    {"task: {model: m}\nserving_mode: offline\n", "model", R"({"name":"m"})"},
    {"task: {model: m}\nserving_mode: offline\n", "workload",
     R"({"input_tokens":{"max":256},"output_tokens":{"max":256}})"},
    {"task: {model: m, dataset: {source: a.jsonl, n_prompts: 9, order: shuffled},\n"
     "  max_input_tokens: 8, max_output_tokens: 4, random_seed: 1}\n",
     "workload",
     R"({"dataset":{"name":"a.jsonl"},"requests":9,"order":"shuffled","input_tokens":{"max":8},)"
     R"("output_tokens":{"max":4},"seed":1})"},
    {"task: {model: m}\nengine: vllm\n", "workload/sampling", R"({"temperature":1})"},
    {"task: {model: m}\nengine: vllm\nvllm: {sampling_params: {temperature: 0.5, top_p: 0.9}}\n",
     "workload/sampling", R"({"temperature":0.5,"top_p":0.9})"},
    {"task: {model: m}\nsampling_preset: factual\n", "workload/sampling",
     R"({"preset":"factual"})"},
    {"task: {model: m}\ntransformers: {llem_execution: {batch_size: 4}}\n", "deploy/batch_size",
     "4"},
    {"task: {model: m}\nengine: tensorrt\ntensorrt: {engine_params: {max_batch_size: 4, "
     "max_seq_len: 64}}\n",
     "deploy", R"({"engine":"tensorrt_llm","batch_size":4,"context_length":64})"},
    {"task: {model: m}\noffline: {warmup: {enabled: false}}\n", "measure/warmup",
     R"({"min_s":0,"max_s":0})"},
    {"task: {model: m}\nmeasurement: {baseline: {duration_seconds: 5}, energy_sampler: nvml}\n",
     "measure", R"({"baseline":{"bare_s":5,"loaded_s":5},"meters":["nvml"]})"},
    {"task: {model: m}\nstudy_execution: {n_cycles: 2, experiment_order: latin_square,\n"
     "  experiment_timeout_seconds: 900, stdout_silence_timeout_seconds: 60,\n"
     "  max_consecutive_failures: 0}\n",
     "study",
     R"({"cycles":2,"order":"latin_square","timeout_s":900,"timeouts":{"silence_s":60},)"
     R"("max_consecutive_failures":1000000})"},
    {"task: {model: m}\nstudy_name: s\n", "name", R"("s")"},
    {"task: {model: m}\nstudy_execution: {gpu_indices: [0, 2]}\n", "deploy/devices", "[0,2]"},
};

constexpr Case kSweeps[] = {
    {"model: m\nsweep: {n: [1, 2]}\n", "sweep", R"({"workload.requests":[1,2]})"},
    {"model: m\nsweep: {n: 3}\n", "sweep", R"({"workload.requests":[3]})"},
    {"model: m\nsweep: {pytorch.batch_size: [1, 8]}\n", "sweep", R"({"deploy.batch_size":[1,8]})"},
    {"model: m\nsweep: {vllm.engine.max_num_seqs: [1, 8]}\n", "deploy", R"({"engine":"vllm"})"},
    {"model: m\nsweep: {decoder.temperature: [0, 1]}\n", "sweep",
     R"({"workload.sampling.temperature":[0,1]})"},
    {"model: m\nsweep: {max_output_tokens: [8, 16]}\n", "sweep",
     R"({"workload.output_tokens":[{"max":8},{"max":16}]})"},
    {"model: m\nsweep: {decoder.preset: [deterministic, creative]}\n", "variants/decoder_preset",
     R"({"temperature 0, top_p 1, repetition_penalty 1":{"workload.sampling.temperature":0,)"
     R"("workload.sampling.top_p":1,"workload.sampling.repetition_penalty":1},)"
     R"("temperature 0.8, top_p 0.9, repetition_penalty 1.1":)"
     R"({"workload.sampling.temperature":0.8,"workload.sampling.top_p":0.9,)"
     R"("workload.sampling.repetition_penalty":1.1}})"},
    {"model: m\nsweep: {precision: [fp16, bf16], n: [1]}\n", "sweep",
     R"({"workload.requests":[1]})"},
    {"task: {model: m}\nsweep: {task.dataset.n_prompts: {min: 1, max: 9, num: 3}}\n", "sweep",
     R"({"workload.requests":[1,5,9]})"},
    {"task: {model: m}\nsweep: {task.dataset.n_prompts: {log: {min: 1, max: 100, num: 3}}}\n",
     "sweep", R"({"workload.requests":[1,10,100]})"},
    {"task: {model: m}\nsweep: {transformers.batch_size: {pow2: {min: 3, max: 20}}}\n", "sweep",
     R"({"deploy.batch_size":[4,8,16]})"},
    {"task: {model: m}\nsweep: {decoder.temperature: {min: 0, max: 1, num: 3}}\n", "sweep",
     R"({"workload.sampling.temperature":[0,0.5,1]})"},
    {"task: {model: m}\nsweep:\n  speed:\n    - {}\n    - {transformers.batch_size: [2, 4], "
     "transformers.attn_implementation: eager}\n",
     "variants/speed",
     R"({"baseline":{},"batch_size 2, attention standard":{"deploy.batch_size":2,)"
     R"("deploy.attention":"standard"},"batch_size 4, attention standard":)"
     R"({"deploy.batch_size":4,"deploy.attention":"standard"}})"},
    {"model: m\nsweep: {backend: [pytorch, vllm], n: [1, 2]}\n", "sweep/workload.requests",
     "[1,2]"},
    {"model: m\nbackend: [scripted, vllm]\nsweep: {vllm.engine.max_num_seqs: [4, 8]}\n",
     "variants/engine",
     R"({"scripted":{"deploy.engine":"scripted"},"vllm, batch_size 4":{"deploy.engine":"vllm",)"
     R"("deploy.batch_size":4},"vllm, batch_size 8":{"deploy.engine":"vllm",)"
     R"("deploy.batch_size":8}})"},
    {"model: m\nexperiments:\n  - {n: 1}\n  - {n: 2, decoder: {temperature: 0}}\n", "experiments",
     R"([{"workload":{"requests":1}},{"workload":{"requests":2,"sampling":{"temperature":0}}}])"},
    {"model: m\nsweep: {n: [1, 2]}\nexperiments:\n  - {n: 9}\n", "include",
     R"([{"workload.requests":9}])"},
    {"model: m\nexperiments:\n  - {backend: scripted, n: 1}\n  - {backend: vllm, n: 1}\n",
     "experiments",
     R"([{"deploy":{"engine":"scripted"},"workload":{"requests":1}},)"
     R"({"deploy":{"engine":"vllm"},"workload":{"requests":1}}])"},
};

INSTANTIATE_TEST_SUITE_P(Flat, Meaning, testing::ValuesIn(kFlat));
INSTANTIATE_TEST_SUITE_P(Nested, Meaning, testing::ValuesIn(kNested));
INSTANTIATE_TEST_SUITE_P(Sweeps, Meaning, testing::ValuesIn(kSweeps));

// --- what is refused ---

struct Refusal {
  std::string_view theirs;
  std::string_view message;
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, with_place_and_advice) {
  EXPECT_EQ(refusal(GetParam().theirs), GetParam().message);
}

constexpr Refusal kRefusals[] = {
    {"model: m\nbackend: pytorch\nprecisoin: fp16\n",
     "error: unknown key `precisoin`\n  at study.yaml:3:1 precisoin\n"
     "  hint: did you mean `precision`?\n"},
    {"model: m\npytorch: {batch_szie: 4}\n",
     "error: unknown key `batch_szie`\n  at study.yaml:2:11 pytorch.batch_szie\n"
     "  hint: did you mean `batch_size`?\n"},
    {"task: {model: m, max_output_token: 4}\n",
     "error: unknown key `max_output_token`\n  at study.yaml:1:18 task.max_output_token\n"
     "  hint: did you mean `max_output_tokens`?\n"},
    {"model: m\nsweep: {decodr.temperature: [0, 1], n: [1]}\n",
     "error: unknown key `decodr`\n  at study.yaml:2:9 sweep.decodr.temperature\n"
     "  hint: did you mean `decoder`?\n"},
    {"model: m\nn: many\n",
     "error: `requests` must be an integer, 1 to 1000000, got `many`\n"
     "  at study.yaml:2:4 workload.requests\n"},
    {"model: m\nsweep: {n: [1, two]}\n",
     "error: `requests` must be an integer, 1 to 1000000, got `two`\n"
     "  at study.yaml:2:16 sweep.workload.requests[1]\n"},
    {"model: m\ndecoder: 5\n",
     "error: `decoder` must be a map, got 5\n  at study.yaml:2:1 decoder\n"},
    {"model: m\nwarmup: {enabled: yes}\n",
     "error: `warmup.enabled` must be true or false, got yes\n"
     "  at study.yaml:2:10 warmup.enabled\n"},
    {"model: m\nbackend: vlm\n",
     "error: `backend` must be an engine, got `vlm`\n  at study.yaml:2:1 backend\n"
     "  hint: did you mean `vllm`?\n"},
    {"model: m\nn: 4\ndataset: {source: a.jsonl, n_prompts: 5}\n",
     "error: two keys say what `workload.requests` is\n"
     "  at study.yaml:3:28 dataset.n_prompts\n  at study.yaml:2:1 n\n"
     "  hint: take one of them out\n"},
    {"model: m\ndecoder: {do_sample: false, temperature: 0.7}\n",
     "error: two keys say what `workload.sampling.temperature` is\n"
     "  at study.yaml:2:29 decoder.temperature\n  at study.yaml:2:11 decoder.do_sample\n"
     "  hint: take one of them out\n"},
    {"task: {model: m}\nserving_mode: server\n",
     "error: `serving_mode` cannot be expressed: this version serves offline, all requests at "
     "once, and has no arrival of requests\n  at study.yaml:2:1 serving_mode\n"
     "  hint: take it out to measure without it\n"},
    {"model: m\nlora: {adapter_id: a}\n",
     "error: `lora` cannot be expressed: this version has no adapters: merge it into the model\n"
     "  at study.yaml:2:1 lora\n  hint: take it out to measure without it\n"},
    {"model: m\ndataset_order: grouped\n",
     "error: `dataset_order` cannot be expressed: there is no counterpart of `grouped`\n"
     "  at study.yaml:2:1 dataset_order\n  hint: what can be: interleaved, shuffled\n"},
    {"model: m\nbackend: vllm\nvllm: {engine: {kv_cache_dtype: fp8}}\n",
     "error: `vllm.engine.kv_cache_dtype` cannot be expressed: there is no counterpart of `fp8`\n"
     "  at study.yaml:3:17 vllm.engine.kv_cache_dtype\n"
     "  hint: what can be: auto, float16, bfloat16\n"},
    {"task: {model: m, max_input_tokens: null}\n",
     "error: `task.max_input_tokens` without a limit cannot be expressed\n"
     "  at study.yaml:1:18 task.max_input_tokens\n  hint: write how many tokens at most\n"},
    {"model: m\nbackend: vllm\nsweep: {pytorch.batch_size: [1, 2]}\n",
     "error: `pytorch.batch_size` has no effect: no point of the sweep runs `transformers`\n"
     "  at study.yaml:3:9 sweep.pytorch.batch_size\n"
     "  hint: name its engine in backend, or take the axis out\n"},
    {"model: m\nsweep: {n: {min: 9, max: 1, num: 3}}\n",
     "error: a range needs numbers `min` and `max`, and a count `num`\n"
     "  at study.yaml:2:12 sweep.n\n  hint: min is at most max, and num between 1 and 10000\n"},
    {"model: m\nsweep: {n: {log: {min: 0, max: 1, num: 3}}}\n",
     "error: a range by factors begins above 0\n  at study.yaml:2:12 sweep.n\n"
     "  hint: raise `min`\n"},
    {"model: m\nn: 4\nsweep: {n: []}\n",
     "error: an axis needs a level\n  at study.yaml:3:9 sweep.n\n"},
    {"model: m\nbackend: []\nn: 4\n",
     "error: the list of engines is empty\n  at study.yaml:2:1 backend\n  hint: name one\n"},
    {"model: m\nn: 4\nexperiments: [1]\n",
     "error: an experiment is a map of what it sets\n  at study.yaml:3:15 experiments[0]\n"},
    {"model: m\nn: 4\nsweep: {which: [{backend: vllm}, {n: 3}]}\n",
     "error: a group cannot say which engine runs\n  at study.yaml:3:18 sweep.backend\n"
     "  hint: vary `backend`, or write the points under experiments\n"},
    {"n: 4\n",
     "error: `model` is missing\n  at study.yaml:1:1\n  hint: model: text, not empty, or map\n"},
    {"model: m\nsweep: {deploy.batch_size: [1]}\n",
     "error: `study.yaml` is no study file of the Python predecessor\n"
     "  hint: it is read as llem's own: llem run study.yaml --dry-run\n"},
    {"model: m\n",
     "error: `study.yaml` is no study file of the Python predecessor\n"
     "  hint: it is read as llem's own: llem run study.yaml --dry-run\n"},
};

INSTANTIATE_TEST_SUITE_P(Predecessor, Refused, testing::ValuesIn(kRefusals));

TEST(PredecessorGroups, are_counted_before_equal_levels_become_one) {
  std::string group = "task: {model: m}\nsweep:\n  g:\n    - {";
  for (int i = 0; i < 30; ++i) {
    group += fmt::format("transformers.own_{}: [1, 2], ", i);
  }
  EXPECT_EQ(refusal(group + "task.random_seed: 1}\n"),
            "error: the group has more than 10000 levels\n  at study.yaml:3:3 sweep.g\n");
}

// --- what is said ---

TEST(PredecessorNotes, name_what_is_left_out_and_why) {
  const auto converted = convert(
      "model: m\nprecision: fp16\npytorch: {load_in_4bit: true, num_processes: 2}\n"
      "output_dir: out\nrunners: {pytorch: docker}\n");
  ASSERT_TRUE(converted) << error_text(converted);
  for (const std::string_view note :
       {"study.yaml:2:1 precision: left out; the GGUF file decides",
        "study.yaml:3:11 pytorch.load_in_4bit: left out; an argument of `transformers`, which "
        "this version does not have",
        "study.yaml:3:31 pytorch.num_processes: left out; it never had an effect",
        "study.yaml:4:1 output_dir: left out; say it with --output",
        "study.yaml:5:1 runners: left out;"}) {
    EXPECT_TRUE(has_note(converted, note)) << note;
  }
}

TEST(PredecessorNotes, name_what_is_called_otherwise_and_what_differs) {
  const auto converted = convert("model: m\nn: 4\nmax_output_tokens: 8\n");
  ASSERT_TRUE(converted) << error_text(converted);
  for (const std::string_view note :
       {"study.yaml is a study file of the Python predecessor",
        "study.yaml:2:1 n: now `workload.requests`",
        "study.yaml:3:1 max_output_tokens: now `workload.output_tokens`; at most",
        "nothing says how many cycles: `study.cycles` is 5 by default",
        "the predecessor's defaults are written out where others hold here: "
        "workload.sampling.temperature 1, workload.sampling.top_k 50"}) {
    EXPECT_TRUE(has_note(converted, note)) << note;
  }
}

TEST(PredecessorNotes, name_arguments_that_nobody_here_knows) {
  const auto converted = convert("model: m\nbackend: vllm\nvllm: {engine: {zzz_top: 4}}\n");
  EXPECT_TRUE(has_note(converted, "study.yaml:3:17 vllm.engine.zzz_top: left out; an argument of"))
      << error_text(converted);
}

TEST(PredecessorNotes, say_that_levels_became_one) {
  const auto converted = convert(
      "task: {model: m}\nsweep:\n  quant:\n    - {}\n    - {transformers.load_in_4bit: true}\n"
      "    - {transformers.batch_size: 2}\n");
  EXPECT_EQ(at(converted, "variants/quant"),
            R"({"baseline":{},"batch_size 2":{"deploy.batch_size":2}})");
  EXPECT_TRUE(has_note(converted, "study.yaml:3:3 sweep.quant: levels that say the same"));
}

TEST(PredecessorNotes, say_that_the_constants_are_no_point) {
  const auto converted = convert("model: m\nn: 4\nexperiments:\n  - {n: 1}\n");
  EXPECT_TRUE(has_note(converted, "study.yaml:4:3 experiments: the constants alone are no"));
}

TEST(PredecessorNotes, are_silent_on_the_batch_size_of_an_engine_that_varies_it) {
  const std::string_view note = "how many requests `vllm` serves together";
  EXPECT_TRUE(has_note(convert("model: m\nbackend: vllm\n"), note));
  EXPECT_FALSE(has_note(convert("model: m\nsweep: {vllm.engine.max_num_seqs: [1, 8]}\n"), note));
}

TEST(PredecessorNotes, say_that_a_factor_is_gone) {
  const auto converted = convert("model: m\nsweep: {precision: [fp16, bf16]}\n");
  EXPECT_TRUE(has_note(converted, "study.yaml:2:9 sweep.precision: this factor is gone"));
}

// --- engines that this version lacks ---

const Override kLlamaCpp{"deploy.engine", "llamacpp", "--engine"};

TEST(PredecessorEngines, one_alone_is_refused_with_a_way_out) {
  const auto study = load_study("model: m\nbackend: vllm\n", "study.yaml", {}, {});
  EXPECT_EQ(error_text(study),
            "error: this version of llem has no engine `vllm`\n  at study.yaml:2:1 backend\n"
            "  hint: measure a GGUF file with llama.cpp in its place: llem run study.yaml --engine "
            "llamacpp --model FILE.gguf\n");
}

TEST(PredecessorEngines, one_that_no_key_names_is_refused_too) {
  EXPECT_EQ(error_text(load_study("model: m\nn: 4\n", "study.yaml", {}, {})),
            "error: this version of llem has no engine `transformers`\n"
            "  at study.yaml, which names no engine: the predecessor took pytorch\n"
            "  hint: measure a GGUF file with llama.cpp in its place: llem run study.yaml --engine "
            "llamacpp --model FILE.gguf\n");
}

TEST(PredecessorEngines, another_can_take_its_place) {
  const auto study =
      load_study("model: m\nbackend: vllm\nvllm: {engine: {max_num_seqs: 4, swap_space: 2}}\n",
                 "study.yaml", {kLlamaCpp}, {});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(study->config.deploy.engine, domain::EngineKind::llamacpp);
  EXPECT_EQ(study->config.deploy.batch_size, 4);
  EXPECT_EQ(std::count(study->notes.begin(), study->notes.end(),
                       "study.yaml:3:34 vllm.engine.swap_space: left out; an argument of `vllm`, "
                       "which `llamacpp` does not have"),
            1);
}

TEST(PredecessorEngines, their_points_are_skipped_and_the_others_run) {
  const auto space =
      space_of("model: m\nbackend: [scripted, vllm]\nsweep: {vllm.engine.max_num_seqs: [4, 8]}\n");
  ASSERT_TRUE(space) << error_text(space);
  EXPECT_EQ(labels_of(space), (Labels{"scripted"}));
  ASSERT_EQ(space->skipped.size(), 2U);
  EXPECT_EQ(space->skipped[1].label, "vllm, batch_size 8");
  EXPECT_EQ(space->skipped[1].reason, "this version of llem has no engine `vllm`");
}

TEST(PredecessorEngines, a_study_of_them_alone_has_no_point) {
  EXPECT_EQ(error_text(space_of("model: m\nbackend: [pytorch, vllm]\nsweep: {n: [1]}\n")),
            "error: none of the 2 points can be measured\n"
            "  at transformers: this version of llem has no engine `transformers`\n"
            "  at vllm: this version of llem has no engine `vllm`\n"
            "  hint: measure a GGUF file with llama.cpp in its place: llem run study.yaml --engine "
            "llamacpp --model FILE.gguf\n");
}

TEST(PredecessorEngines, one_that_varies_takes_no_other_in_its_place) {
  const std::string said =
      refusal("model: m\nbackend: [pytorch, vllm]\nsweep: {n: [1]}\n", {kLlamaCpp});
  EXPECT_TRUE(said.starts_with(
      "error: --engine cannot set `deploy.engine`: the study varies `deploy.engine`\n"))
      << said;
  EXPECT_NE(said.find("at study.yaml:2:"), std::string::npos) << said;
}

TEST(PredecessorSpace, crosses_what_all_engines_obey_with_each_of_them) {
  const auto space = space_of(
      "model: m\nbackend: [scripted, llamacpp]\npytorch: {batch_size: 3}\n"
      "sweep: {n: [1, 2]}\nexperiments:\n  - {backend: scripted, n: 9}\n");
  EXPECT_EQ(labels_of(space), (Labels{"engine scripted, requests 1", "engine scripted, requests 2",
                                      "engine llamacpp, requests 1", "engine llamacpp, requests 2",
                                      "engine scripted, requests 9"}));
}

// --- files beneath ---

Expected<BaseFile> beneath(const std::string& name, const std::string&) {
  return BaseFile{"model: m\nsweep: {n: [1, 2]}\npytorch: {batch_size: 4, revision: r}\n", name};
}

TEST(PredecessorBase, lies_beneath_key_by_key) {
  const auto converted = convert_study("base: below.yaml\nn: 3\npytorch: {batch_size: 8}\n",
                                       "study.yaml", {}, beneath);
  ASSERT_TRUE(converted) << error_text(converted);
  EXPECT_EQ(at(converted, "model"), R"({"name":"m","revision":"r"})");
  EXPECT_EQ(at(converted, "deploy/batch_size"), "8");
  EXPECT_EQ(at(converted, "sweep"), "nothing");
  EXPECT_TRUE(has_note(converted, "study.yaml:1:1 base: laid beneath this file, key by key"));
  EXPECT_TRUE(has_note(converted, "below.yaml:2:1 sweep: left out; only the constants"));
}

TEST(PredecessorBase, is_refused_beneath_a_file_of_ours) {
  const auto study =
      load_study("base: below.yaml\ndeploy: {threads: 1}\n", "study.yaml", {}, beneath);
  EXPECT_EQ(error_text(study),
            "error: `below.yaml` is a file of the Python predecessor, and this one is not\n"
            "  at study.yaml:1:7 base\n  hint: write it anew: llem config convert below.yaml\n");
}

TEST(Conversion, is_a_file_that_loads) {
  const auto converted =
      convert("model: m\nbackend: llamacpp\nn: 3\nsweep: {max_output_tokens: [4, 8]}\n");
  ASSERT_TRUE(converted) << error_text(converted);
  EXPECT_TRUE(converted->runs_here);
  const auto space = space_of(converted->yaml);
  ASSERT_TRUE(space) << error_text(space);
  EXPECT_EQ(space->points.size(), 2U);
}

}  // namespace
}  // namespace llem::config
