"""Study files of the Python predecessor: read, measured and written anew."""
import json
import os
import shutil

from harness import SOURCE, Case, main

DATA = os.path.join(SOURCE, "tests", "data", "predecessor")
# Phases of a moment, in place of what the files and the defaults say.
SHORT = [part for path, value in (
    ("measure.profile", "quick"), ("measure.baseline.bare_s", 0.05), ("measure.baseline.loaded_s", 0.05),
    ("measure.warmup.min_s", 0), ("measure.warmup.max_s", 0.05), ("measure.window.min_s", 0.2),
    ("measure.window.pad_s", 0.05), ("measure.cooldown_s", 0.5), ("deploy.threads", 1))
    for part in ("--set", f"{path}={value}")]


class Predecessor(Case):
    def setUp(self):
        super().setUp()
        for name in os.listdir(DATA):
            shutil.copy(os.path.join(DATA, name), self.folder)

    def assert_notes(self, stderr, *texts):
        notes = [line for line in stderr.splitlines() if line.startswith("note: ")]
        for text in texts:
            self.assertEqual(sum(text in note for note in notes), 1, f"`{text}` in\n" + "\n".join(notes))

    def plan_of(self, *arguments):
        return json.loads(self.run_llem("run", *arguments, "--dry-run", "--json").stdout)["plan"]

    def test_the_flat_form_is_measured(self):
        done = self.run_llem("run", "flat_study.yaml", "--engine", "scripted", *SHORT)
        self.assert_notes(done.stderr, "flat_study.yaml:6:1 n: now `workload.requests`",
                          "pytorch.load_in_4bit: left out; an argument of `transformers`, which `scripted` does not have",
                          "precision: left out; the GGUF file decides", "runners: left out")
        run = self.the_run()
        self.assertEqual(len(run.results()), 4)
        plan = run.read("plan.json")
        self.assertEqual(plan["study_name"], "flat")
        self.assertEqual([c["deploy"]["batch_size"] for c in plan["configurations"]], [1, 2])
        self.assertEqual((plan["study"]["cycles"], plan["study"]["order"], plan["study"]["seed"]), (2, "interleaved", 11))
        for configuration in plan["configurations"]:
            work = configuration["workload"]
            self.assertEqual((work["requests"], work["seed"], work["input_tokens"], work["output_tokens"]),
                             (4, 7, {"exact": 16}, {"max": 8}))
            self.assertEqual(work["sampling"]["temperature"], 0)
            self.assertEqual(configuration["deploy"]["batching"], "static")

    def test_the_nested_form_is_measured(self):
        done = self.run_llem("run", "nested_study.yaml", "--set", "deploy.engine=scripted", *SHORT)
        self.assert_notes(done.stderr, "nested_study.yaml:5:32 task.dataset.n_prompts: now `workload.requests`",
                          "vllm.engine_params.enforce_eager: left out; an argument of `vllm`",
                          "measurement.latency_profiling: left out", "experiment_order: now `study.order`")
        run = self.the_run()
        self.assertEqual(len(run.results()), 5)
        plan = run.read("plan.json")
        self.assertEqual((plan["study_name"], plan["study"]["order"], plan["study"]["seed"]), ("nested", "blocks", 5))
        self.assertEqual([(c["deploy"]["batch_size"], c["workload"]["output_tokens"]["max"], c["workload"]["requests"])
                          for c in plan["configurations"]],
                         [(1, 8, 4), (1, 4, 4), (2, 8, 4), (2, 4, 4), (1, 8, 6)])
        for configuration in plan["configurations"]:
            self.assertEqual(configuration["deploy"]["max_batched_tokens"], 64)
            self.assertEqual(configuration["workload"]["sampling"]["top_p"], 0.95)
            self.assertEqual(configuration["workload"]["sampling"]["presence_penalty"], 0.1)

    def test_a_converted_file_is_the_same_study(self):
        for name in ("flat_study.yaml", "nested_study.yaml"):
            with self.subTest(name):
                done = self.run_llem("config", "convert", name, "--engine", "scripted")
                self.assertEqual(done.stderr, "")
                self.assertTrue(done.stdout.startswith(f"# {name} is a study file of the Python predecessor"))
                self.write("converted.yaml", done.stdout)
                again = self.run_llem("run", "converted.yaml", "--dry-run")
                self.assertEqual(again.stderr, "")
                self.assertEqual(self.plan_of("converted.yaml"), self.plan_of(name, "--engine", "scripted"))
                as_json = json.loads(self.run_llem("config", "convert", name, "--engine", "scripted", "--json").stdout)
                self.assertEqual(as_json["yaml"], done.stdout)
                self.assertEqual([f"# {note}" for note in as_json["notes"]],
                                 [line for line in done.stdout.splitlines() if line.startswith("#")])

    def test_a_base_lies_beneath(self):
        self.write("above.yaml", "base: flat_study.yaml\npytorch: {attn_implementation: eager}\nsweep: {random_seed: [2, 3]}\n")
        plan = self.plan_of("above.yaml", "--engine", "scripted")
        self.assertEqual([c["workload"]["seed"] for c in plan["configurations"]], [2, 3])
        self.assertEqual({c["deploy"]["attention"] for c in plan["configurations"]}, {"standard"})
        self.assertEqual(plan["study_name"], "above")

    def test_a_missing_engine_is_one_clear_error(self):
        for arguments in ((), ("--dry-run",)):
            done = self.run_llem("run", "flat_study.yaml", *arguments, code=2)
            self.refused(done, 2, "this version of llem has no engine `transformers`", "at flat_study.yaml:5:1 backend",
                         "--engine llamacpp --model")
        self.run_llem("config", "convert", "flat_study.yaml")

    def test_points_of_a_missing_engine_are_skipped(self):
        self.write("mixed.yaml", "model: pretend\nbackend: [scripted, vllm]\ndataset: {n: 4, input_len: 8}\n"
                                 "max_output_tokens: 4\nsweep: {vllm.engine.max_num_seqs: [1, 2]}\n")
        plan = self.plan_of("mixed.yaml")
        self.assertEqual([c["label"] for c in plan["configurations"]], ["scripted"])
        self.assertEqual(plan["skipped"],
                         [{"label": f"vllm, batch_size {size}", "reason": "this version of llem has no engine `vllm`"}
                          for size in (1, 2)])

    def test_what_cannot_be_converted(self):
        self.write("ours.yaml", "model: pretend\ndeploy: {threads: 1}\n")
        self.refused(self.run_llem("config", "convert", "ours.yaml", code=2), 2,
                     "`ours.yaml` is no study file of the Python predecessor", "read as llem's own")
        self.write("broken.yaml", "model: [pretend\nbackend: vllm\n")
        self.refused(self.run_llem("config", "convert", "broken.yaml", code=2), 2, "broken.yaml:")
        self.write("slip.yaml", "model: pretend\nbackend: vllm\nvllm: {engine: {max_num_seq: 4}}\n")
        self.refused(self.run_llem("config", "convert", "slip.yaml", code=2), 2, "slip.yaml:3:17", "max_num_seqs")
        self.refused(self.run_llem("config", "convert", "nowhere.yaml", code=2), 2, "nowhere.yaml")
        self.run_llem("config", "convert", code=2)


if __name__ == "__main__":
    main()
