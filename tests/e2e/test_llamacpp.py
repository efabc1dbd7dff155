"""The real engine: a small real model through the command line, and every field of `deploy` and `workload` seen to
change something that the engine did or was given."""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import time

from harness import SOURCE, Case, Run, codes, main, merged, read_json, required, scripted, small_model

TINY = os.path.join(SOURCE, "tests", "data", "make_tiny_gguf.py")
PROMPTS = ["The capital of France is", "Once upon a time there was a fox who", "Write a haiku about the sea.",
           "2 + 2 =", "List three prime numbers:", "My favourite colour is", "Why is the sky blue?",
           "The quick brown fox jumps over", "In 1969 men landed on", "How do I boil an egg?", "Roses are red,",
           "The opposite of hot is", "Translate cheese into French:", "A short poem about rain:", "Name a fruit.",
           "The sun is a", "Count to five:", "Who wrote Hamlet?", "An apple a day", "To be or not to be,"]


def integers(path):
    with open(path, "rb") as file:
        data = file.read()
    return struct.unpack(f"<{len(data) // 8}q", data)


class Small(Case):
    """SmolLM2-135M, on the CPU."""

    def study(self, **over):
        return merged(scripted(model=small_model(), deploy={"engine": "llamacpp", "batch_size": 3, "threads": 1},
                               workload={"requests": 6, "input_tokens": {"max": 12}, "output_tokens": 6,
                                         "dataset": "prompts.jsonl"},
                               measure={"warmup": {"max_s": 3}, "window": {"min_s": 0.5}}), over)

    def setUp(self):
        super().setUp()
        self.write("prompts.jsonl", "".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))

    def check(self, run):
        result = run.results()[0]
        self.assertEqual(result["validity"]["state"], "flagged", result["validity"])
        self.assertEqual(run.recordings()[0]["outcome"]["state"], "completed")
        self.assert_identities(result)
        for block in ("energy", "efficiency", "latency", "throughput", "lengths", "phases", "compute", "memory", "warmup",
                      "host_load"):
            self.assertIn(block, result)
        for name in ("service_ttft_s", "ttft_s", "itl_s", "tpot_s", "e2e_s"):
            distribution = result["latency"][name]
            self.assertGreater(distribution["min"], 0, name)
            self.assertTrue(distribution["min"] <= distribution["median"] <= distribution["p95"] <= distribution["max"])
        self.assertEqual(result["latency"]["token_time"], "measured")
        self.assertGreater(result["compute"]["flops"], 2 * 1e8 * result["throughput"]["output_tokens"])
        # Weights and cache lie in the worker's memory.
        memory = result["memory"]
        self.assertGreater(memory["host_rss_hwm_bytes"]["bytes"], 0.5 * os.path.getsize(small_model()))
        self.assertGreater(memory["kv_cache_bytes"]["bytes"], 0)
        phases = result["phases"]
        self.assert_close(sum(phases[key] for key in ("prefill_s", "decode_s", "mixed_s", "between_steps_s")),
                          result["throughput"]["window_s"], 1e-6)
        self.assert_whole(run)
        return result

    def test_static(self):
        run = self.measure(self.study(deploy={"batching": "static"}, workload={"requests": 5}))
        result = self.check(run)
        self.assertEqual(run.recordings()[0]["schedule"]["requests_per_pass"], 6, "whole batches")
        self.assert_close(result["throughput"]["mean_batch"], 3)

    def test_continuous(self):
        self.check(self.measure(self.study()))

    def test_exact_output_lengths(self):
        lengths = self.measure(self.study(workload={"output_tokens": 5})).results()[0]["lengths"]["output_tokens"]
        self.assertEqual((lengths["min"], lengths["max"], lengths["sd"]), (5, 5, 0))

    def test_exact_prompt_lengths(self):
        study = self.study(workload={"dataset": "synthetic", "input_tokens": 37, "output_tokens": {"uniform": [2, 9]}})
        lengths = self.measure(study).results()[0]["lengths"]
        self.assertEqual((lengths["input_tokens"]["min"], lengths["input_tokens"]["max"]), (37, 37))
        self.assertTrue(2 <= lengths["output_tokens"]["min"] < lengths["output_tokens"]["max"] <= 9)

    def test_end_of_an_answer(self):
        study = self.study(workload={"requests": 4, "output_tokens": {"max": 24}, "input_tokens": {"max": 40},
                                     "chat_template": "on"}, measure={"window": {"min_s": 0.1}})
        lengths = self.measure(study).results()[0]["lengths"]["output_tokens"]
        self.assertLessEqual(lengths["max"], 24)

    def test_what_the_engine_clamps_shows(self):
        """64 tokens of context hold no batch of 4096."""
        study = self.study(deploy={"max_batched_tokens": 4096, "context_length": 64, "batch_size": 1},
                           measure={"window": {"min_s": 0.2}})
        result = self.measure(study).results()[0]
        account = result["configuration"]
        self.assertEqual(account["declared"]["n_batch"], 4096)
        self.assertLess(account["effective"]["n_batch"], 4096)
        self.assertIn("n_batch", [difference["name"] for difference in account["differences"]])
        self.assertIn("effective_config_differs", codes(result))

    def test_interrupt_of_a_real_engine(self):
        self.write("study.json", self.study(workload={"output_tokens": 128, "requests": 20}, measure={"window": {"min_s": 60}}))
        live = self.start("run", "study.json")
        live.until(": window")
        time.sleep(0.3)
        live.send(2)
        code, _, after = live.end()
        self.assertEqual(code, 130)
        self.assertLess(after, 3 * float(os.environ.get("LLEM_TEST_SLOWER", "1")))
        self.assertEqual(self.processes(), [])
        self.assert_whole(self.the_run())


class Knobs(Case):
    """Each field of `deploy` and `workload` against what must change when it changes: `knob` runs a tiny model twice."""

    BASE = {
        "name": "knob", "workload": {"dataset": "synthetic", "requests": 4, "input_tokens": 16, "output_tokens": 12},
        "deploy": {"engine": "llamacpp", "batch_size": 2, "threads": 1},
        "measure": {"profile": "quick", "baseline": {"bare_s": 0, "loaded_s": 0}, "warmup": {"min_s": 0, "max_s": 0},
                    "window": {"min_s": 0, "pad_s": 0}, "cooldown_s": 0},
        "study": {"cycles": 1}}
    HOT = {"workload": {"sampling": {"temperature": 2}}}
    TEXTS = {"workload": {"dataset": "prompts.jsonl", "input_tokens": {"max": 64}}}

    # field: (what is the same in both, what differs, where it shows)
    TABLE = {
        "deploy.engine": ({}, {"deploy": {"engine": "scripted"}}, "engine"),
        "deploy.batching": ({}, {"deploy": {"batching": "static"}}, "schedule.mode"),
        "deploy.batch_size": ({}, {"deploy": {"batch_size": 4}}, "effective.n_seq_max"),
        "deploy.max_batched_tokens": ({}, {"deploy": {"max_batched_tokens": 32}}, "effective.n_batch"),
        "deploy.micro_batch_tokens": ({}, {"deploy": {"micro_batch_tokens": 32}}, "effective.n_ubatch"),
        "deploy.context_length": ({}, {"deploy": {"context_length": 512}}, "effective.n_ctx_seq"),
        "deploy.attention": ({}, {"deploy": {"attention": "standard"}}, "effective.flash_attn"),
        "deploy.kv_cache.dtype": ({}, {"deploy": {"kv_cache": {"dtype": "f32"}}}, "effective.type_k"),
        "deploy.threads": ({}, {"deploy": {"threads": 2}}, "effective.n_threads"),
        "deploy.cpu_affinity": ({}, {"deploy": {"cpu_affinity": "0"}}, "allowed_cpus"),
        "deploy.numa": ({}, {"deploy": {"numa": "isolate"}}, "numa"),
        "deploy.devices": ({}, {"deploy": {"devices": ["GPU-b"]}}, "devices"),
        "deploy.env": ({}, {"deploy": {"env": {"E2E_KNOB": "turned"}}}, "environment"),
        "deploy.llamacpp": ({}, {"deploy": {"llamacpp": {"poll": 10}}}, "effective.poll"),
        "deploy.scripted": ({"deploy": {"engine": "scripted"}},
                            {"deploy": {"scripted": {"effective": {"batch_size": 7}}}}, "effective.batch_size"),
        "workload.dataset.name": ({"workload": {"input_tokens": {"max": 64}}}, {"workload": {"dataset": "prompts.jsonl"}},
                                  "schedule.dataset"),
        "workload.dataset.field": (TEXTS, {"workload": {"dataset": {"name": "prompts.jsonl", "field": "other"}}}, "prompts"),
        "workload.dataset.repeat": (merged(TEXTS, {"workload": {"requests": 30}}),
                                    {"workload": {"dataset": {"name": "prompts.jsonl", "repeat": True}}}, "outcome.state"),
        "workload.requests": ({}, {"workload": {"requests": 6}}, "schedule.requests_per_pass"),
        "workload.order": (TEXTS, {"workload": {"order": "shuffled"}}, "prompts"),
        "workload.seed": ({}, {"workload": {"seed": 7}}, "prompts"),
        "workload.input_tokens.exact": ({}, {"workload": {"input_tokens": {"exact": 17}}}, "prompt_lengths"),
        "workload.input_tokens.max": (TEXTS, {"workload": {"input_tokens": {"max": 3}}}, "prompt_lengths"),
        "workload.input_tokens.uniform": ({}, {"workload": {"input_tokens": {"uniform": [5, 30]}}}, "prompt_lengths"),
        "workload.input_tokens.lognormal.mean": (
            {"workload": {"input_tokens": {"lognormal": {"mean": 20, "cv": 0.5}}}},
            {"workload": {"input_tokens": {"lognormal": {"mean": 40, "cv": 0.5}}}}, "prompt_lengths"),
        "workload.input_tokens.lognormal.cv": (
            {"workload": {"input_tokens": {"lognormal": {"mean": 20, "cv": 0.5}}}},
            {"workload": {"input_tokens": {"lognormal": {"mean": 20, "cv": 0}}}}, "prompt_lengths"),
        "workload.input_tokens.lognormal.max": (
            {"workload": {"input_tokens": {"lognormal": {"mean": 20, "cv": 2}}}},
            {"workload": {"input_tokens": {"lognormal": {"mean": 20, "cv": 2, "max": 8}}}}, "prompt_lengths"),
        "workload.output_tokens.exact": ({}, {"workload": {"output_tokens": {"exact": 13}}}, "output_limits"),
        "workload.output_tokens.max": ({}, {"workload": {"output_tokens": {"max": 12}}}, "schedule.stop_at_eos"),
        "workload.output_tokens.uniform": ({}, {"workload": {"output_tokens": {"uniform": [2, 30]}}}, "output_limits"),
        "workload.output_tokens.lognormal.mean": (
            {"workload": {"output_tokens": {"lognormal": {"mean": 10, "cv": 0.5}}}},
            {"workload": {"output_tokens": {"lognormal": {"mean": 30, "cv": 0.5}}}}, "output_limits"),
        "workload.output_tokens.lognormal.cv": (
            {"workload": {"output_tokens": {"lognormal": {"mean": 10, "cv": 0.5}}}},
            {"workload": {"output_tokens": {"lognormal": {"mean": 10, "cv": 0}}}}, "output_limits"),
        "workload.output_tokens.lognormal.max": (
            {"workload": {"output_tokens": {"lognormal": {"mean": 20, "cv": 2}}}},
            {"workload": {"output_tokens": {"lognormal": {"mean": 20, "cv": 2, "max": 8}}}}, "output_limits"),
        "workload.chat_template": (merged(TEXTS, {"workload": {"chat_template": "off"}}),
                                   {"workload": {"chat_template": "on"}}, "prompts"),
        "workload.sampling.preset": ({}, {"workload": {"sampling": "standard"}}, "outputs"),
        "workload.sampling.temperature": ({}, HOT, "outputs"),
        "workload.sampling.top_p": (HOT, {"workload": {"sampling": {"top_p": 0.02}}}, "outputs"),
        "workload.sampling.top_k": (HOT, {"workload": {"sampling": {"top_k": 2}}}, "outputs"),
        "workload.sampling.min_p": (HOT, {"workload": {"sampling": {"min_p": 0.9}}}, "outputs"),
        "workload.sampling.repetition_penalty": ({}, {"workload": {"sampling": {"repetition_penalty": 3}}}, "outputs"),
        "workload.sampling.presence_penalty": ({}, {"workload": {"sampling": {"presence_penalty": 5}}}, "outputs"),
        "workload.sampling.frequency_penalty": ({}, {"workload": {"sampling": {"frequency_penalty": 5}}}, "outputs"),
    }

    def setUp(self):
        super().setUp()
        subprocess.run([sys.executable, TINY, os.path.join(self.folder, "tiny.gguf")], check=True, stdout=subprocess.DEVNULL)
        letters = ["abc", "bcdefgh", "q", "the quick brown fox", "zzz zz", "hello"]
        self.write("prompts.jsonl", "".join(json.dumps({"prompt": a + b, "other": b + "!" + a}) + "\n"
                                            for a in letters for b in letters[:4]))
        self.keep = self.make("kept")
        self.workers = self.make("workers")
        for name in ("llem-worker-llamacpp", "llem-worker-scripted"):
            real = os.path.join(required("LLEM_WORKER_DIR"), name)
            # The program's own files of a trial go when it has been recorded; this keeps them and says what it was given.
            path = self.write(os.path.join("workers", name), f"""#!/bin/sh
env > '{self.keep}/environment'
grep Cpus_allowed_list /proc/self/status > '{self.keep}/cpus'
'{real}'
code=$?
cp "$(dirname "$LLEM_CONFIG_PATH")"/* '{self.keep}/'
exit $code
""")
            os.chmod(path, 0o755)

    def look(self, study):
        """Everything that may change, of one run."""
        for path in glob.glob(os.path.join(self.keep, "*")):
            os.unlink(path)
        shutil.rmtree(os.path.join(self.folder, "runs"), ignore_errors=True)
        self.write("study.json", study)
        scenario = {"devices": [{"uuid": "GPU-a"}, {"uuid": "GPU-b", "pci": "0000:5e:00.0"}]}
        done = self.run_llem("run", "study.json", code=None, env={
            "LLEM_WORKER_DIR": self.workers, "LLEM_NVML_LIBRARY": required("LLEM_FAKE_NVML_LIBRARY"),
            "LLEM_FAKE_NVML": json.dumps(scenario)})
        self.assertIn(done.returncode, (0, 1, 4), done.stderr)
        run = Run(glob.glob(os.path.join(self.folder, "runs", "*"))[0])
        recording = run.recordings()[0]
        seen = {"engine": recording["worker"]["engine"], "outcome": recording["outcome"], "schedule": recording["schedule"],
                "effective": recording["worker"].get("effective") or {},
                # On a machine with one node the engine refuses: declared, and shown to differ.
                "numa": [(recording["worker"].get(account) or {}).get("numa") for account in ("declared", "effective")],
                "devices": [d["id"] for d in recording["devices"] if d["used"]]}
        with open(os.path.join(self.keep, "environment"), encoding="utf-8") as file:
            seen["environment"] = [line for line in file.read().splitlines() if line.startswith("E2E_KNOB")]
        with open(os.path.join(self.keep, "cpus"), encoding="utf-8") as file:
            seen["allowed_cpus"] = file.read()
        schedule = os.path.join(self.keep, "schedule_window.json")
        if os.path.exists(schedule):
            requests = read_json(schedule)["passes"][0]["requests"]
            seen["prompts"] = [request["prompt_tokens"] for request in requests]
            seen["prompt_lengths"] = [len(request["prompt_tokens"]) for request in requests]
            seen["output_limits"] = [request["max_tokens"] for request in requests]
            outputs = glob.glob(os.path.join(self.keep, "*_window_outputs.bin"))
            if outputs:
                seen["outputs"] = integers(outputs[0])[:sum(seen["output_limits"])]
        return seen

    def knob(self, field):
        same, different, where = self.TABLE[field]
        both = {**self.BASE, "model": os.path.join(self.folder, "tiny.gguf")}
        both = self.lay(both, same)
        first, second = self.look(both), self.look(self.lay(both, different))

        def at(seen):
            for part in where.split("."):
                self.assertIn(part, seen, f"{field}: {where} was not seen")
                seen = seen[part]
            return seen

        self.assertNotEqual(at(first), at(second), f"{field} changes nothing in {where}")
        if where == "outputs":
            self.assertEqual(first["prompts"], second["prompts"], "only the choice of tokens differs")

    @staticmethod
    def lay(study, over):
        out = merged(study, over)
        for key in ("input_tokens", "output_tokens", "dataset"):
            if key in over.get("workload", {}):
                out["workload"][key] = over["workload"][key]
        return out

    def test_no_field_without_an_entry(self):
        schema = json.loads(self.run_llem("config", "schema", "study").stdout)

        def leaves(node, path):
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
            choices = [c for c in node.get("anyOf", [node])]
            found = []
            for choice in choices:
                choice = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]] if "$ref" in choice else choice
                for option in choice.get("anyOf", [choice]):
                    for name, child in option.get("properties", {}).items():
                        found += leaves(child, f"{path}.{name}" if path else name)
            return found or [path]

        fields = {leaf for block in ("deploy", "workload") for leaf in leaves(schema["properties"][block], block)}
        self.assertGreater(len(fields), 30)
        # These need a GPU: test_limits.py sets them on a fake one and reads them back.
        limits = {"deploy.power_limit_w", "deploy.clocks.sm_mhz", "deploy.clocks.memory_mhz"}
        self.assertLessEqual(limits, fields)
        self.assertEqual(fields - limits - set(self.TABLE), set(), "say in TABLE what these fields change")
        self.assertEqual(set(self.TABLE) - fields - {"deploy.scripted"}, set(), "these fields do not exist")

    def test_the_same_study_shows_the_same(self):
        """Without this, any difference would look like an effect."""
        study = {**self.lay(self.BASE, self.HOT), "model": os.path.join(self.folder, "tiny.gguf")}
        first, second = self.look(study), self.look(study)
        self.assertEqual(first, second)
        self.assertEqual(len(first["outputs"]), 4 * 12)


for _field in Knobs.TABLE:
    setattr(Knobs, "test_" + _field.replace(".", "_"), lambda self, field=_field: self.knob(field))

if __name__ == "__main__":
    main()
