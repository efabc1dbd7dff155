"""What a user can get wrong: the message, the exit code and the files that are left."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap

from harness import SOURCE, Case, codes, main, read_lines, scripted, tree

TINY = os.path.join(SOURCE, "tests", "data", "make_tiny_gguf.py")


class Study(Case):
    def refuse(self, text, *expected, name="study.yaml", code=2, arguments=()):
        self.write(name, textwrap.dedent(text))
        before = tree(self.folder)
        for dry in ((), ("--dry-run",)):
            done = self.run_llem("run", name, *arguments, *dry, code=None)
            self.refused(done, code, *expected)
            self.assertEqual(tree(self.folder), before, "nothing may be left")
        return done.stderr

    def test_unknown_key(self):
        message = self.refuse("""\
            model: smollm2-135m
            deploy:
              threads: 2
              batch_szie: 8
            """, "batch_szie", "study.yaml:4:3", "deploy.batch_szie", "hint: did you mean `batch_size`?")
        self.assertEqual(len(message.splitlines()), 3, "what, where, and what to do")
        self.refuse("modle: smollm2-135m\n", "study.yaml:1:1", "model")
        self.refuse("model: m\nxyzzy: 1\n", "study.yaml:2:1", "xyzzy")

    def test_wrong_type(self):
        self.refuse("model: m\ndeploy: {batch_size: eight}\n", "study.yaml:2:22", "deploy.batch_size", "integer", "eight")
        self.refuse("model: m\ndeploy: {batch_size: 2.5}\n", "study.yaml:2:22", "2.5")
        self.refuse("model: m\ndeploy: [1]\n", "study.yaml:2:9", "deploy")
        self.refuse("model: m\nmeasure: {profile: 012}\n", "study.yaml:2:20", "full, quick")
        self.refuse("- model: m\n", "study.yaml:1:1")
        self.refuse("just words\n", "study.yaml:1:1")

    def test_yes_is_no_switch(self):
        for word in ("yes", "on", "'true'", "1"):
            self.refuse(f"model: m\nmeasure:\n  strict: {word}\n", "study.yaml:3:11", "measure.strict",
                        "true or false")

    def test_duplicate_key(self):
        self.refuse("model: m\ndeploy: {threads: 1}\nmodel: n\n", "study.yaml:3:1", "model", "study.yaml:1")

    def test_zero_requests(self):
        self.refuse("model: m\nworkload: {requests: 0}\n", "study.yaml:2:22", "workload.requests", "1")

    def test_out_of_range(self):
        self.refuse("model: m\nmeasure: {sample_hz: 1e9}\n", "study.yaml:2:22", "1000")
        self.refuse("model: m\nstudy: {cycles: -1}\n", "study.yaml:2:17", "study.cycles")
        self.refuse("model: m\nmeasure: {warmup: {min_s: 9, max_s: 3}}\n", "measure.warmup.min_s", "9", "3")
        self.refuse("model: m\nmeasure: {window: {min_s: .nan}}\n", "study.yaml:2")

    def test_precision(self):
        self.refuse("model: m\nstudy: {cycles: 5, precision: 0.01}\n", "study.yaml:2:17", "study.cycles", "keep one of them")
        self.refuse("model: m\nstudy: {precision: 0.01}\n", "study.cycles", "--cycles", arguments=("--cycles", "7"))
        self.refuse("model: m\nstudy: {precision: 1}\n", "study.yaml:2:20", "0.5")
        self.refuse("model: m\nstudy: {order: shuffled, precision: 0.01}\n", "study.yaml:2:16", "the order shuffled", "blocks")
        self.refuse("model: m\nstudy:\n  precision: {relative_half_width: 0.01, min_cycles: 9, max_cycles: 8}\n", "9", "8",
                    "study.yaml:3:", "study.precision.min_cycles")
        self.refuse("model: m\nstudy:\n  precision: {relative_half_width: 0.01, min_cycles: 2}\n", "study.precision.min_cycles", "3")
        self.refuse("model: m\nsweep: {deploy.batch_size: [1, 2]}\nstudy: {precision: {min_cycles: 4}}\n", "relative_half_width")

    def test_yaml_that_is_none(self):
        self.refuse("model: [m\n", "study.yaml:")
        self.refuse("model: !!python/object m\n", "study.yaml:1", "tag")
        self.refuse("a: &a [*a]\n", "study.yaml")
        self.refuse("model: m\n\tdeploy: {}\n", "study.yaml:2")
        self.refuse('{"model": "m",\n "deploy": {"threads": 2}', "study.json:", name="study.json")

    def test_empty_file(self):
        self.refuse("", "model")
        self.refuse("# only words\n", "model")

    def test_native_argument(self):
        self.refuse("model: m\ndeploy:\n  llamacpp: {n_batsch: 5}\n", "study.yaml:3:", "n_batsch", "`n_batch`")
        self.refuse("model: m\ndeploy:\n  max_batched_tokens: 4\n  llamacpp: {n_batch: 5}\n", "n_batch",
                    "study.yaml:3:", "study.yaml:4:", "max_batched_tokens")
        # Fields that have a default contradict only where they were written.
        self.refuse("model: m\ndeploy:\n  threads: 1\n  llamacpp: {n_threads: 2}\n", "study.yaml:3:", "study.yaml:4:")
        self.refuse("model: m\ndeploy:\n  context_length: 64\n  llamacpp: {n_ctx: 32}\n", "study.yaml:4:")
        self.refuse("model: m\ndeploy:\n  llamacpp: {n_batch: lots}\n", "study.yaml:3", "n_batch")

    def test_fault_of_the_command_line(self):
        self.write("study.json", scripted())
        before = tree(self.folder)
        for arguments, expected in (
                (("run", "study.json", "--no-such-flag"), "--no-such-flag"),
                (("run", "study.json", "--set", "deploy.threads"), "PATH=VALUE"),
                (("run", "study.json", "--set", "=3"), "PATH=VALUE"),
                (("run", "study.json", "--set", "deploy.threds=3"), "threads"),
                (("run", "study.json", "--set", "deploy.threads=many"), "--set"),
                (("run", "study.json", "--batch-size", "0"), "--batch-size"),
                (("run", "study.json", "-n", "few"), "--requests"),
                (("run", "study.json", "--batch-size"), "--batch-size"),
                (("run", "nowhere.yaml"), "nowhere.yaml"),
                (("run", "home"), "directory"),
                (("run",), "model"),
                ((), "llem --help"),
                (("analyze", "x"), "analyze"),
                (("config", "schema", "sudy"), "study")):
            with self.subTest(" ".join(arguments)):
                self.refused(self.run_llem(*arguments, code=None), 2, expected)
        self.assertEqual(tree(self.folder), before)

    def test_text_of_a_flag_is_no_yaml(self):
        """A model's name is a text, whatever is in it."""
        for name in ("a: b", "{x}", "[1]", '"', "\\", "- a", "# b", "!t", "*p", "null", "12"):
            done = self.run_llem("run", "-m", name, "-d", "synthetic", "--dry-run", code=None)
            self.assertIn(done.returncode, (2, 3), (name, done.stderr))
            self.assertIn(name, done.stderr)


class Prompts(Case):
    def lines(self, *prompts):
        self.write("prompts.jsonl", "".join(json.dumps({"prompt": p}) + "\n" for p in prompts))

    def fail_by(self, study, code, *texts, planned=False):
        """Refused before a trial, or a trial that failed with that reason."""
        self.write("study.json", study)
        done = self.run_llem("run", "study.json", code=None)
        for text in texts:
            self.assertIn(text, done.stderr)
        if done.returncode == 2:
            self.assertEqual(self.runs(), [])
            return
        self.assertFalse(planned, "this is known before anything starts")
        self.assertEqual(done.returncode, 4, done.stderr)
        run = self.the_run()
        self.assertIn(code, codes(run.results()[0]))
        self.assertEqual(run.results()[0]["validity"]["state"], "invalid")
        self.assertEqual(run.manifest()[-1][1:], ("failed", code))
        self.assert_whole(run)

    def test_fewer_prompts_than_a_pass(self):
        self.lines("one", "two", "three")
        self.fail_by(scripted(workload={"dataset": "prompts.jsonl", "requests": 4, "input_tokens": {"max": 16}}),
                     "too_few_prompts", "3", "4", "repeat")

    def test_fewer_prompts_may_repeat(self):
        self.lines("one", "two", "three")
        study = scripted(workload={"dataset": {"name": "prompts.jsonl", "repeat": True}, "input_tokens": {"max": 16}})
        self.assertTrue(self.measure(study).recordings()[0]["schedule"]["prompts_repeat"])

    def test_empty_prompt(self):
        for prompts, line in ((("", "", "", ""), 1), (("one", "", "two"), 2)):
            self.lines(*prompts)
            self.write("study.json", scripted(workload={"dataset": "prompts.jsonl", "requests": 2, "input_tokens": {"max": 16}}))
            self.refused(self.run_llem("run", "study.json", code=None), 2, "prompts.jsonl", "empty prompt", f"line {line}")
        self.assertEqual(self.runs(), [])

    def test_longer_than_the_context(self):
        self.fail_by(scripted({"context_length": 20}, workload={"input_tokens": 16, "output_tokens": 8}),
                     "prompt_too_long", "20", "input_tokens")

    def test_longer_than_the_declared_context(self):
        self.fail_by(scripted(deploy={"context_length": 20}), "prompt_too_long", "20")

    def test_wrong_files(self):
        for name, content, texts in (("none.jsonl", None, ["none.jsonl"]), ("bad.jsonl", '{"prompt": 1\n', ["bad.jsonl"]),
                                     ("key.jsonl", '{"text_of_it": "x"}\n', ["key.jsonl"]), ("empty.txt", "", ["empty.txt"]),
                                     ("odd.parquet", "PAR1", ["odd.parquet"]), ("latin.txt", None, ["latin.txt"])):
            with self.subTest(name):
                if content is not None:
                    self.write(name, content)
                if name == "latin.txt":
                    with open(os.path.join(self.folder, name), "wb") as file:
                        file.write(b"caf\xe9\n")
                self.write("study.json", scripted(workload={"dataset": name, "requests": 1, "input_tokens": {"max": 9}}))
                before = tree(self.folder)
                done = self.run_llem("run", "study.json", code=None)
                self.assertIn(done.returncode, (2, 3, 5), done.stderr)
                self.refused(done, done.returncode, *texts)
                self.assertEqual(tree(self.folder), before)


class ModelFile(Case):
    def make_model(self, name="tiny.gguf", *options):
        path = os.path.join(self.folder, name)
        subprocess.run([sys.executable, TINY, path, *options], check=True, stdout=subprocess.DEVNULL)
        return path

    def study(self, model, **over):
        return scripted(model=model, deploy={"engine": "llamacpp", "scripted": {}}, **over)

    def refuse(self, model, codes_allowed, *texts, dry=True):
        self.write("study.json", self.study(model))
        before = tree(self.folder)
        for flags in ((), ("--dry-run",)) if dry else ((),):
            done = self.run_llem("run", "study.json", *flags, code=None)
            self.assertIn(done.returncode, codes_allowed, done.stderr)
            self.refused(done, done.returncode, *texts)
            left = {name: facts for name, facts in tree(self.folder).items()
                    if name not in before and not name.startswith("cache")}
            self.assertEqual(left, {})

    def test_missing(self):
        self.refuse("nowhere.gguf", (2, 3), "nowhere.gguf")
        self.refuse("./nowhere.gguf", (2, 3), "nowhere.gguf")
        self.refuse("smollm2-135n", (2, 3), "smollm2-135n", "smollm2-135m")

    def test_directory(self):
        self.refuse("./home", (2, 3), "home")

    def test_not_a_gguf(self):
        self.write("notes.gguf", "These are notes, and no model at all.\n" * 10)
        self.refuse("notes.gguf", (2, 3), "notes.gguf", "GGUF")

    def test_truncated(self):
        path = self.make_model()
        size = os.path.getsize(path)
        for left in (0, 3, 20, size // 2, size - 33):
            with self.subTest(left):
                self.make_model("cut.gguf")
                os.truncate(os.path.join(self.folder, "cut.gguf"), left)
                self.refuse("cut.gguf", (2, 3), "cut.gguf")

    def test_wrong_hash(self):
        path = self.make_model()
        with open(path, "rb") as file:
            right = hashlib.sha256(file.read()).hexdigest()
        wrong = "0" * 64
        self.refuse({"name": path, "sha256": wrong}, (2, 3), "tiny.gguf", wrong[:8], right[:8])

    def test_offline_and_not_here(self):
        self.refuse("smollm2-135m", (2, 3, 5), "smollm2-135m", dry=False)

    def test_batch_that_memory_cannot_hold(self):
        path = self.make_model("wide.gguf", "context=1000000")
        study = self.study(path, workload={"input_tokens": 16, "output_tokens": 900000, "requests": 256})
        study["deploy"].update({"batch_size": 256, "context_length": 1000000, "kv_cache": {"dtype": "f32"}})
        self.write("study.json", study)
        planned = self.run_llem("run", "study.json", "--dry-run")
        self.assertIn("does not fit", planned.stdout)
        done = self.run_llem("run", "study.json", code=4)
        self.assertIn("out_of_memory", done.stdout)
        run = self.the_run()
        self.assertEqual(run.results()[0]["validity"]["state"], "invalid")
        self.assertIn("out_of_memory", codes(run.results()[0]))
        self.assertEqual(run.manifest()[-1][1:], ("failed", "out_of_memory"))
        self.assertNotIn("worker.log", os.listdir(run.trials[0]), "it was not even started")
        self.assert_whole(run)


class Output(Case):
    def test_unwritable(self):
        self.write("study.json", scripted())
        self.write("file", "")
        for place in ("/proc/nowhere", "file", "file/below"):
            with self.subTest(place):
                done = self.run_llem("run", "study.json", "-o", place, code=None)
                self.refused(done, 5, place)

    def measure_there(self, script):
        self.write("study.json", scripted())
        return self.in_namespace(script)

    def test_read_only(self):
        self.make("runs")
        done = self.measure_there("mount -t tmpfs none runs && mount -o remount,ro runs && exec \"$0\" run study.json")
        self.refused(done, 5, "runs")

    def test_disk_that_is_nearly_full(self):
        self.make("runs")
        done = self.measure_there("mount -t tmpfs -o size=1m none runs && \"$0\" run study.json; code=$?;"
                                  "ls runs; exit $code")
        self.refused(done, 3, "free", "--output")

    def test_disk_that_fills_up_while_it_measures(self):
        """64 MiB are asked for and are there; something else takes them after the start."""
        self.make("runs")
        script = ("mount -t tmpfs -o size=80m none runs && { (sleep 0.6; head -c 200m /dev/zero > runs/other 2>/dev/null) & "
                  "\"$0\" run study.json; code=$?; wait; rm runs/other; ls -R runs >&2; exit $code; }")
        done = self.measure_there(script)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("error: ", done.stderr)
        self.assertIn("space", done.stderr)
        self.assertEqual(self.processes(), [])


class Locked(Case):
    def test_two_on_one_directory(self):
        self.write("study.json", scripted(measure={"baseline": {"bare_s": 30}}))
        live = self.start("run", "study.json")
        live.until("baseline")
        run = self.the_run()
        done = self.run_llem("analyse", run.path, code=None)
        self.refused(done, 3, "in use by another llem", f"pid {live.process.pid}", "hint:")
        self.assertEqual(read_lines(run.path, "events.jsonl")[-1]["phase"], "baseline")
        live.process.kill()
        live.process.wait()
        done = self.run_llem("analyse", run.path, code=None)
        self.assertNotIn("in use", done.stderr, "a lock ends with its owner")

    def test_a_copy_can_be_analysed_meanwhile(self):
        run = self.measure(scripted())
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(run.path, copy)
        self.run_llem("analyse", copy)


if __name__ == "__main__":
    main()
