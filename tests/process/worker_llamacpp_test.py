"""The llama.cpp worker, driven over pipes: worker_llamacpp_test.py WORKER. Little random models are made here; the tests
with a real one run when LLEM_TEST_MODEL names it."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

from worker_client import Worker, schedule

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE = os.path.join(HERE, "..", "data", "make_tiny_gguf.py")
EXTRA_NAMES = {"n_ctx_seq", "devices", "system_info"}
REAL_MODEL = os.environ.get("LLEM_TEST_MODEL", "")
program = ""
models = tempfile.TemporaryDirectory(prefix="llem-models-")


def tiny(**keys):
    name = "-".join(f"{k}_{v}" for k, v in sorted(keys.items())) or "plain"
    path = os.path.join(models.name, name + ".gguf")
    if not os.path.exists(path):
        subprocess.run([sys.executable, MAKE, path, *(f"{k}={v}" for k, v in keys.items())], check=True)
    return path


def deploy(native=None, **fields):
    return {"threads": 1, "llamacpp": native or {}, **fields}


def worker(native=None, model=None, workload=None, max_request_tokens=256, **fields):
    return Worker(program, deploy(native, **fields), model or tiny(), workload, max_request_tokens)


def prompts(count, longest=60):
    return [[1] + [260 + (i * 7 + k * 3) % 90 for k in range(5 + (i * 11) % longest)] for i in range(count)]


class Load(unittest.TestCase):
    def test_tells_the_shape_of_the_model(self):
        with worker() as w:
            hello = w.start()
            self.assertEqual(hello["engine"], "llamacpp")
            self.assertRegex(hello["engine_version"], r"\([0-9a-f]{7,}\)")
            model = w.result()["model"]
            expected = {"name": "tiny-random", "architecture": "llama", "layers": 2, "width": 64, "ffn_width": 128,
                        "heads": 4, "kv_heads": 2, "head_width": 16, "vocabulary": 354, "context_length": 2048,
                        "tied_embeddings": False, "gated_mlp": True, "embedding_bytes": 64 * 354 * 4,
                        "output_bytes": 64 * 354 * 4}
            self.assertEqual({k: model.get(k) for k in expected}, expected)
            layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
            self.assertEqual(model["parameters"], 2 * 354 * 64 + 64 + 2 * layer)
            self.assertEqual(model["bytes"], 4 * model["parameters"])

    def test_tells_experts_tied_embeddings_and_widths_by_layer(self):
        with worker(model=tiny(experts=4, ffn=64)) as w:
            w.start()
            model = w.result()["model"]
            self.assertEqual((model["experts"], model["experts_active"], model["ffn_width"]), (4, 2, 64))
        with worker(model=tiny(tied=1, ffn_per_layer=1)) as w:
            w.start()
            model = w.result()["model"]
            self.assertTrue(model["tied_embeddings"])
            self.assertNotIn("output_bytes", model)
            self.assertEqual(model["ffn_width"], 128)

    def test_accounts_for_memory(self):
        with worker(batch_size=4, context_length=512) as w:
            w.start()
            facts = w.result()["worker"]
            self.assertEqual(facts["kv_cache_bytes"], 4 * 512 * 2 * 2 * 16 * (2 + 2))
            self.assertGreater(facts["compute_buffer_bytes"], 0)
            self.assertGreater(facts["memory_after_load_bytes"], facts["kv_cache_bytes"])
            self.assertGreater(facts["peak_rss_bytes"], facts["memory_after_load_bytes"] // 2)
            self.assertGreater(facts["load_end_ns"], facts["load_begin_ns"])

    def test_maps_canonical_fields_and_shows_what_the_engine_made_of_them(self):
        with worker(batch_size=2, context_length=500, max_batched_tokens=4096, micro_batch_tokens=64,
                    attention="standard", kv_cache={"dtype": "f32"}) as w:
            w.start()
            facts = w.result()["worker"]
            declared, effective = facts["declared"], facts["effective"]
            self.assertEqual(declared, {"n_seq_max": 2, "n_ctx": 1024, "n_batch": 4096, "n_ubatch": 64, "n_threads": 1,
                                        "n_threads_batch": 1, "flash_attn": "disabled", "type_k": "f32",
                                        "type_v": "f32"})
            self.assertEqual(effective["n_batch"], 1024, "llama.cpp never takes more than n_ctx")
            same = {k: v for k, v in declared.items() if k != "n_batch"}
            self.assertEqual({k: effective[k] for k in same}, same)
            self.assertEqual(effective["n_ctx_seq"], 512)

    def test_tells_what_automatic_flash_attention_came_to(self):
        with worker() as w:
            w.start()
            self.assertIn(w.result()["worker"]["effective"]["flash_attn"], ("enabled", "disabled"))

    def test_takes_every_native_argument(self):
        values = {"n_gpu_layers": 0, "split_mode": "none", "main_gpu": 0, "tensor_split": "1", "load_mode": "none",
                  "lazy_mode": "off", "use_extra_bufts": False, "no_host": True, "check_tensors": True, "n_ctx": 768,
                  "n_batch": 96, "n_ubatch": 48, "n_seq_max": 3, "n_threads": 2, "n_threads_batch": 1,
                  "flash_attn": "enabled", "type_k": "bf16", "type_v": "f32", "offload_kqv": False, "op_offload": False,
                  "kv_unified": True, "swa_full": False, "rope_scaling": "linear", "rope_freq_base": 5000,
                  "rope_freq_scale": 0.5, "yarn_ext_factor": 0.5, "yarn_attn_factor": 0.9, "yarn_beta_fast": 16,
                  "yarn_beta_slow": 2, "yarn_orig_ctx": 1024, "cpumask": "0", "strict_cpu": False, "poll": 10,
                  "prio": "normal", "numa": "disabled"}
        with worker(values) as w:
            w.start()
            facts = w.result()["worker"]
        effective = facts["effective"]
        self.assertEqual(set(effective) - EXTRA_NAMES, set(values))
        different = {k: (v, effective[k]) for k, v in values.items() if effective[k] != v}
        self.assertEqual(different, {"tensor_split": ("1", [1])})
        self.assertEqual({k: facts["declared"][k] for k in values}, values)


class BadInput(unittest.TestCase):
    def error(self, kind, *parts, **options):
        with worker(**options) as w:
            w.ask("hello", "hello", protocol="1.0", trial=0)
            error = w.ask("load", "error")
            self.assertEqual(error["kind"], kind, error)
            for part in parts:
                self.assertIn(part, error["message"] + "\n" + error["detail"])
            self.assertEqual(w.process.wait(10), 1)
            return error

    def file(self, name, content):
        path = os.path.join(models.name, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_missing_model(self):
        self.error("model_missing", "/no/such.gguf", "No such file", model="/no/such.gguf")

    def test_folder_instead_of_model(self):
        self.error("bad_model", "is not a file", model=models.name)

    def test_not_a_gguf(self):
        self.error("bad_model", "is not a GGUF file", model=self.file("text.gguf", b"hello, I am text"))

    def test_truncated_model(self):
        with open(tiny(), "rb") as file:
            whole = file.read()
        self.error("bad_model", "cut short", model=self.file("short.gguf", whole[:-1000]))
        self.error("bad_model", "header", model=self.file("head.gguf", whole[:200]))

    def test_no_tokenizer(self):
        self.error("bad_model", "no tokenizer", model=tiny(tokenizer="none"))

    def test_unknown_architecture(self):
        self.error("bad_model", "unknown model architecture: 'nonsense'", model=tiny(architecture="nonsense"))

    def test_batch_that_memory_cannot_hold(self):
        self.error("out_of_memory", "256 sequences", "lower batch_size", batch_size=256, context_length=16_000_000)

    def test_more_context_than_can_be_counted(self):
        self.error("bad_argument", "more than llama.cpp can count", batch_size=256, context_length=2_000_000_000)

    def test_unknown_argument(self):
        error = self.error("bad_argument", "did you mean `n_gpu_layers`", native={"n_gpu_layer": 1})
        listed = set(error["detail"].removeprefix("it has ").split(", "))
        with worker() as w:
            w.start()
            self.assertEqual(listed, set(w.result()["worker"]["effective"]) - EXTRA_NAMES)

    def test_wrong_values(self):
        self.error("bad_argument", "`deploy.llamacpp.n_batch` must be an integer", native={"n_batch": "many"})
        self.error("bad_argument", "one of auto, disabled, enabled", native={"flash_attn": True})
        self.error("bad_argument", "must be true or false", native={"kv_unified": 1})

    def test_canonical_and_native_at_once(self):
        self.error("bad_argument", "`deploy.max_batched_tokens` asks for n_batch = 32, `deploy.llamacpp.n_batch` for 64",
                   native={"n_batch": 64}, max_batched_tokens=32)

    def test_context_the_engine_refuses(self):
        self.error("bad_argument", "flash_attn", native={"flash_attn": "disabled", "type_v": "q8_0"})

    def test_cpu_that_is_not_there(self):
        self.error("bad_argument", "cannot run on CPUs 500", cpu_affinity="500")
        self.error("bad_argument", "is no list of CPUs", cpu_affinity="a-b")

    def test_gpu_that_is_not_there(self):
        with worker() as w:
            w.start()
            if w.result()["worker"]["effective"]["devices"]:
                self.skipTest("there is a GPU")
        self.error("bad_argument", "sees none", devices=["0"])

    def test_step_smaller_than_the_batch(self):
        self.error("bad_argument", "cannot hold one token for each", batch_size=16, max_batched_tokens=8)

    def test_unwritable_output(self):
        with Worker(program, deploy(), tiny(), output_dir="/proc/nowhere") as w:
            w.ask("hello", "hello", protocol="1.0", trial=0)
            self.assertEqual(w.ask("load", "error")["kind"], "output_unwritable")

    def test_no_configuration(self):
        done = subprocess.run([program], input="", capture_output=True, text=True, timeout=20,
                              env={k: v for k, v in os.environ.items() if k != "LLEM_CONFIG_PATH"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("LLEM_CONFIG_PATH is not set", done.stdout)


class Tokenize(unittest.TestCase):
    def test_makes_prompts_of_exact_lengths_from_ordinary_tokens(self):
        with worker() as w:
            w.start()
            first = w.tokenize(synthetic_lengths=[1, 2, 17, 300], synthetic_seed=7)
            lists = [p["tokens"] for p in first["prompts"]]
            self.assertEqual([len(t) for t in lists], [1, 2, 17, 300])
            for tokens in lists:
                self.assertEqual(tokens[0], 1, "the begin token counts")
                self.assertTrue(all(t >= 259 for t in tokens[1:]), "neither control nor byte tokens")
            self.assertEqual(first, w.tokenize(synthetic_lengths=[1, 2, 17, 300], synthetic_seed=7))
            other = w.tokenize(synthetic_lengths=[1, 2, 17, 300], synthetic_seed=8)
            self.assertNotEqual(first["prompts"][3], other["prompts"][3])
            self.assertEqual((first["vocabulary"], first["context_length"]), (354, 2048))

    def test_counts_no_begin_token_where_the_model_has_none(self):
        with worker(model=tiny(bos=0)) as w:
            w.start()
            tokens = w.tokenize(synthetic_lengths=[40])["prompts"][0]["tokens"]
            self.assertEqual(len(tokens), 40)
            self.assertNotIn(1, tokens)

    def test_uses_the_chat_template_as_told(self):
        with worker() as w:
            w.start()
            used = {}
            for choice in ("auto", "on", "off"):
                answer = w.tokenize(texts=["hello", "</s>"], chat_template=choice)
                used[choice] = answer["chat_template_used"]
                lists = [p["tokens"] for p in answer["prompts"]]
                self.assertEqual(lists[0][0], 1)
                if choice == "off":
                    self.assertEqual(len(lists[0]), 1 + len("hello"))
                    self.assertNotIn(2, lists[1], "what a data set says is no control token")
            self.assertEqual(used, {"auto": True, "on": True, "off": False})
        with worker(model=tiny(template=0)) as w:
            w.start()
            self.assertFalse(w.tokenize(texts=["hello"])["chat_template_used"])
            w.send("tokenize", path=w.write("p.json", {"texts": ["hello"], "chat_template": "on"}))
            self.assertIn("no chat template", w.receive("error")["message"])


class Serve(unittest.TestCase):
    def outputs(self, mode, batch_size, native=None, seed=0, **options):
        lists = prompts(9)
        lengths = [3 + (i * 5) % 17 for i in range(9)]
        with worker(native, batch_size=batch_size, **options) as w:
            w.start()
            plan = schedule(lists, lengths, mode, batch_size)
            plan["sampling_seed"] = seed
            serve = w.serve(plan, max_passes=1)
            self.check(serve, lists, lengths)
            self.assertEqual(w.stop(), 0)
            self.warnings = w.warnings
            return serve["outputs"]

    def check(self, serve, lists, lengths):
        requests, steps = serve["requests"], serve["steps"]
        self.assertEqual([r["output_tokens"] for r in requests], lengths)
        self.assertEqual([r["prompt_tokens"] for r in requests], [len(p) for p in lists])
        self.assertTrue(all(r["finish"] == "length" for r in requests))
        begin, end = serve["t_begin_ns"], serve["t_end_ns"]
        for r in requests:
            times = serve["token_ns"][r["token_offset"]:r["token_offset"] + r["output_tokens"]]
            self.assertEqual(times, sorted(times))
            self.assertEqual((r["first_token_ns"], r["end_ns"]), (times[0], times[-1]))
            self.assertTrue(begin <= r["submitted_ns"] <= r["started_ns"] < times[0] <= end)
            self.assertGreater(r["output_bytes"], 0)
        for a, b in zip(steps, steps[1:]):
            self.assertLessEqual(a["end"], b["begin"])
        self.assertEqual(sum(s["prefill"] for s in steps), sum(map(len, lists)))
        self.assertEqual(sum(s["decode"] for s in steps), sum(lengths) - len(lengths))
        attended = sum(len(p) + n - 1 for p, n in zip(lists, lengths))
        self.assertGreaterEqual(sum(s["context"] for s in steps), attended)

    def test_says_the_same_in_static_and_continuous_batches_and_alone(self):
        alone = self.outputs("continuous", 1)
        self.assertEqual(self.outputs("static", 1), alone)
        self.assertEqual(self.outputs("static", 4), alone)
        self.assertEqual(self.outputs("continuous", 4), alone)
        self.assertEqual(self.outputs("continuous", 4, {"n_batch": 16, "n_ubatch": 8}), alone)

    def test_says_the_same_with_a_seed_whoever_is_served_beside(self):
        workload = {"sampling": {"temperature": 0.8, "top_p": 0.9, "top_k": 40, "min_p": 0.01,
                                 "repetition_penalty": 1.1, "presence_penalty": 0.1, "frequency_penalty": 0.1}}
        alone = self.outputs("continuous", 1, workload=workload, seed=5)
        self.assertEqual(self.outputs("continuous", 4, workload=workload, seed=5), alone)
        self.assertEqual(self.outputs("static", 3, workload=workload, seed=5), alone)
        self.assertNotEqual(self.outputs("static", 3, workload=workload, seed=6), alone)
        greedy = self.outputs("continuous", 1)
        self.assertNotEqual(alone, greedy)
        penalised = {"sampling": {"temperature": 0, "repetition_penalty": 1.5}}
        self.assertNotEqual(self.outputs("continuous", 1, workload=penalised), greedy)

    def test_computes_a_request_again_when_the_cache_is_full(self):
        native = {"kv_unified": True, "n_ctx": 256}
        lists, lengths = prompts(4, 1), [120, 120, 120, 120]
        with worker(native, batch_size=3) as w:
            w.start()
            serve = w.serve(schedule(lists, lengths, batch_size=3), max_passes=1)
            self.assertEqual([r["output_tokens"] for r in serve["requests"]], lengths)
            self.assertEqual([m["code"] for m in w.warnings], ["kv_cache_full"])
        with worker({"n_ctx": 256}, batch_size=1) as w:
            w.start()
            alone = w.serve(schedule(lists, lengths, batch_size=1), max_passes=1)
        self.assertEqual(serve["outputs"], alone["outputs"])

    def test_repeats_passes_and_numbers_them(self):
        with worker(batch_size=2) as w:
            w.start()
            serve = w.serve(schedule(prompts(2), [2, 2]), min_requests=5, min_s=0.2)
            self.assertGreaterEqual(serve["passes"], 3)
            self.assertEqual(serve["requests"][-1]["id"], f"p{serve['passes'] - 1}r1")
            self.assertEqual(len(serve["requests"]), 2 * serve["passes"])
            self.assertGreaterEqual(serve["t_end_ns"] - serve["t_begin_ns"], 200_000_000)
            first, last = serve["outputs"][:2], serve["outputs"][-2:]
            self.assertEqual(first, last, "the cache was emptied")

    def test_refuses_what_the_context_cannot_hold(self):
        with worker(context_length=256) as w:
            w.start()
            w.begin_serve(schedule(prompts(1), [300]))
            error = w.receive("error")
            self.assertEqual(error["kind"], "prompt_too_long")
            self.assertIn("the context of a sequence holds 256", error["message"])

    def test_refuses_a_bad_schedule(self):
        for change, words in (({"prompt_tokens": []}, "empty prompt"), ({"prompt_tokens": [-1]}, "no token id"),
                              ({"prompt_tokens": [99999]}, "vocabulary ends at 353"),
                              ({"min_tokens": 9}, "at least 9 and at most 2"), ({"max_tokens": 0}, "max_tokens")):
            with worker() as w:
                w.start()
                plan = schedule([[1, 300]], [2])
                plan["passes"][0]["requests"][0].update(change)
                w.begin_serve(plan)
                error = w.receive("error")
                self.assertIn(words, error["message"] + error["detail"])

    def test_cancels_within_a_second_and_goes_on(self):
        with worker(batch_size=2, context_length=2048) as w:
            w.start()
            w.begin_serve(schedule(prompts(6), [1900] * 6), min_s=3600)
            time.sleep(0.3)
            begin = time.monotonic()
            w.send("cancel")
            serve = w.end_serve()
            self.assertLess(time.monotonic() - begin, 1)
            self.assertTrue(serve["served"]["cancelled"])
            self.assertIn("abort", [r["finish"] for r in serve["requests"]])
            w.send("cancel")
            again = w.serve(schedule(prompts(2), [4, 4]), max_passes=1)
            self.assertFalse(again["served"]["cancelled"])
            self.assertEqual([r["output_tokens"] for r in again["requests"]], [4, 4])

    def test_aborts_a_warm_up_after_its_time(self):
        with worker(batch_size=2, context_length=2048) as w:
            w.start()
            serve = w.serve(schedule(prompts(6), [1900] * 6), label="warmup", max_s=0.3)
            self.assertFalse(serve["served"]["cancelled"])
            self.assertLess(serve["t_end_ns"] - serve["t_begin_ns"], 1_300_000_000)

    def test_ends_when_the_host_is_gone(self):
        with worker(batch_size=2, context_length=2048) as w:
            w.start()
            w.begin_serve(schedule(prompts(6), [1900] * 6), min_s=3600)
            time.sleep(0.2)
            w.process.stdin.close()
            self.assertEqual(w.process.wait(2), 3)


@unittest.skipUnless(REAL_MODEL, "LLEM_TEST_MODEL names no model")
class RealModel(unittest.TestCase):
    def test_says_the_same_in_batches_and_alone(self):
        texts = ["What is the capital of France?", "Write a poem about rain.", "Count from one to ten.",
                 "Why is the sky blue?", "Name three animals."]
        outputs = {}
        for mode, batch in (("continuous", 1), ("continuous", 3), ("static", 3)):
            with worker(model=REAL_MODEL, batch_size=batch, max_request_tokens=256) as w:
                w.start()
                tokens = w.tokenize(texts=texts)
                self.assertTrue(tokens["chat_template_used"])
                lists = [p["tokens"] for p in tokens["prompts"]]
                serve = w.serve(schedule(lists, [24] * 5, mode, batch), max_passes=1)
                self.assertEqual([r["output_tokens"] for r in serve["requests"]], [24] * 5)
                outputs[mode, batch] = serve["outputs"]
        self.assertEqual(outputs["static", 3], outputs["continuous", 1])
        self.assertEqual(outputs["continuous", 3], outputs["continuous", 1])

    def test_cancels_in_the_middle_of_a_long_step(self):
        with worker(model=REAL_MODEL, batch_size=4, context_length=2048, max_batched_tokens=8192) as w:
            w.start()
            lists = [p["tokens"] for p in w.tokenize(synthetic_lengths=[2000] * 4)["prompts"]]
            w.begin_serve(schedule(lists, [10] * 4, "static", 4), min_s=3600)
            time.sleep(0.5)
            begin = time.monotonic()
            w.send("cancel")
            serve = w.end_serve()
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(serve["steps"], [], "the first step was still running")
            again = w.serve(schedule([lists[0][:20]], [3]), max_passes=1)
            self.assertEqual(again["requests"][0]["output_tokens"], 3)

    def test_stops_at_end_of_sequence_but_not_before_it_may(self):
        with worker(model=REAL_MODEL, max_request_tokens=256) as w:
            w.start()
            tokens = w.tokenize(texts=["Say only the word yes."])["prompts"][0]["tokens"]
            free = w.serve(schedule([tokens], [100], stop_at_eos=True), max_passes=1)["requests"][0]
            self.assertEqual(free["finish"], "eos")
            self.assertLess(free["output_tokens"], 100)
            least = free["output_tokens"] + 5
            held = w.serve(schedule([tokens], [100], stop_at_eos=True, min_tokens=least), max_passes=1)["requests"][0]
            self.assertGreater(held["output_tokens"], least)
            exact = w.serve(schedule([tokens], [100]), max_passes=1)["requests"][0]
            self.assertEqual((exact["output_tokens"], exact["finish"]), (100, "length"))

    def test_tells_the_facts_of_smollm2(self):
        if "SmolLM2-135M" not in REAL_MODEL:
            self.skipTest("another model")
        with worker(model=REAL_MODEL) as w:
            w.start()
            model = w.result()["model"]
            expected = {"architecture": "llama", "parameters": 134515008, "layers": 30, "width": 576,
                        "ffn_width": 1536, "heads": 9, "kv_heads": 3, "head_width": 64, "vocabulary": 49152,
                        "context_length": 8192, "tied_embeddings": True, "gated_mlp": True, "file_type": "Q4_1"}
            self.assertEqual({k: model.get(k) for k in expected}, expected)
            self.assertEqual(w.result()["worker"]["kv_cache_bytes"], 256 * 30 * 3 * 64 * (2 + 2))


if __name__ == "__main__":
    program = os.path.abspath(sys.argv.pop(1))
    unittest.main()
