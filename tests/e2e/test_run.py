"""A study from the command line to its files: layout, schemas, identities, streams."""
import glob
import json
import os
import re
import signal
import subprocess

from harness import SOURCE, TRIAL_FILES, Case, codes, main, read_bytes, read_json, read_lines, scripted, tree

GOLDEN = os.path.join(SOURCE, "tests", "golden")
# Shape of a little transformer, so that operations can be counted.
SHAPE = {"name": "pretend", "architecture": "llama", "parameters": 100_000_000, "bytes": 200_000_000, "layers": 4,
         "width": 64, "heads": 8, "kv_heads": 4, "head_width": 8, "ffn_width": 128, "gated_mlp": True,
         "tied_embeddings": False, "vocabulary": 32000}


class Directory(Case):
    def test_layout_documents_and_numbers(self):
        study = scripted(study={"cycles": 3})
        text = json.dumps(study, indent=3) + "\n"
        path = self.write("study.yaml", text)
        done = self.run_llem("run", path, "-o", "there")
        run = glob.glob(os.path.join(self.folder, "there", "*"))
        self.assertEqual(len(run), 1)
        self.assertRegex(os.path.basename(run[0]), r"^e2e-\d{8}T\d{6}Z-[0-9a-f]{8}$")
        os.rename(os.path.join(self.folder, "there"), os.path.join(self.folder, "runs"))
        run = self.the_run()

        self.assertEqual(set(os.listdir(run.path)),
                         {"study.yaml", "plan.json", "manifest", "events.jsonl", "locks", "environment.json", "trials",
                          "results.parquet", "summary.json"})
        with open(os.path.join(run.path, "study.yaml"), encoding="utf-8") as file:
            self.assertEqual(file.read(), text, "the study is kept byte for byte")
        self.assertEqual(len(os.listdir(os.path.join(run.path, "manifest"))), 1, "one file an owner")
        hash16 = run.read("plan.json")["configurations"][0]["hash"]
        self.assertEqual([os.path.basename(trial) for trial in run.trials],
                         [f"{i:06}-{hash16}-c{i + 1}-a1" for i in range(3)])
        for trial in run.trials:
            self.assertEqual(set(os.listdir(trial)), TRIAL_FILES)
            self.assertEqual(os.listdir(os.path.join(trial, "worker")), [f"{hash16}_result.json"])
            for table in glob.glob(os.path.join(trial, "*.parquet")):
                with open(table, "rb") as file:
                    content = file.read()
                self.assertEqual((content[:4], content[-4:]), (b"PAR1", b"PAR1"), table)
        self.assert_whole(run)

        states = [(trial, state) for trial, state, _ in run.manifest()]
        self.assertEqual(states, [(i, s) for i in range(3) for s in ("started", "recorded", "done")])
        lines = [(f"manifest {i}", {**line, "schema": "manifest_line"}) for i, line in enumerate(
            read_lines(glob.glob(os.path.join(run.path, "manifest", "*.jsonl"))[0]))]
        for _, line in lines:
            line.pop("schema")
        self.assertEqual(self.violations([{"name": n, "schema": "manifest_line", "document": d} for n, d in lines]), {})
        self.validate([("summary.json", run.read("summary.json"))])
        self.assertEqual(run.phases(), ["baseline", "load", "loaded_idle", "warmup", "pad_before", "window",
                                        "pad_after", "cooldown"] * 3)
        for result in run.results():
            self.assert_identities(result)
            self.assertEqual(result["throughput"]["output_tokens"], 8 * result["throughput"]["requests"])
            self.assertEqual(result["throughput"]["input_tokens"], 16 * result["throughput"]["requests"])
            self.assertEqual(result["throughput"]["requests"], 4 * result["throughput"]["passes"])
        summary = run.read("summary.json")["configurations"]
        self.assertEqual([(c["config_hash"], c["n_used"]) for c in summary], [(hash16, 3)])
        self.assertIn("interval", summary[0]["output_tokens_per_s"])
        self.assertIn(os.path.basename(run.path), done.stdout)

    def test_every_document_says_what_it_is(self):
        run = self.measure(scripted())
        for path in glob.glob(os.path.join(run.path, "**", "*.json"), recursive=True):
            if os.path.basename(path) == "study.json":
                continue
            document = read_json(path)
            name = os.path.basename(path)[:-len(".json")]
            self.assertEqual(document.get("schema"), "worker_result" if "worker" in path.split(os.sep) else name, path)
            self.assertRegex(document.get("schema_version", ""), r"^\d+\.\d+\.\d+$", path)

    def test_absent_is_no_key(self):
        run = self.measure(scripted())
        for path in glob.glob(os.path.join(run.path, "**", "*.json"), recursive=True):
            if os.path.basename(path) != "study.json":
                self.assert_no_nulls(path)

    def test_counts_operations_of_a_known_shape(self):
        result = self.measure(scripted({"model": SHAPE})).results()[0]
        self.assertIn("compute", result)
        self.assertGreater(result["compute"]["flops"], 0)
        self.assert_identities(result)

    def test_static_batches(self):
        study = scripted(deploy={"batching": "static", "batch_size": 3}, workload={"requests": 5})
        run = self.measure(study)
        result = run.results()[0]
        self.assertEqual(run.recordings()[0]["schedule"]["mode"], "static")
        self.assertEqual(run.recordings()[0]["schedule"]["requests_per_pass"], 6, "whole batches")
        self.assert_identities(result)
        self.assert_close(result["throughput"]["mean_batch"], 3)

    def test_two_runs_of_one_second_do_not_meet(self):
        self.write("study.json", scripted())
        first, second = self.start("run", "study.json"), self.start("run", "study.json")
        self.assertEqual((first.end()[0], second.end()[0]), (0, 0))
        self.assertEqual(len(self.runs()), 2)

    def test_where_results_go(self):
        self.write("study.json", scripted())
        os.makedirs(os.path.join(self.folder, "config", "llem"))
        self.write("config/llem/config.yaml", "results_dir: by-file\n")
        self.run_llem("run", "study.json")
        self.run_llem("run", "study.json", env={"LLEM_RESULTS_DIR": "by-variable"})
        self.run_llem("run", "study.json", "--output", "by-flag", env={"LLEM_RESULTS_DIR": "by-variable"})
        for place in ("by-file", "by-variable", "by-flag"):
            self.assertEqual(len(os.listdir(os.path.join(self.folder, place))), 1, place)

    def test_flags_win_over_the_file(self):
        self.write("study.json", scripted())
        done = self.run_llem("run", "study.json", "--dry-run", "--json", "-n", "6", "--batch-size", "3", "--cycles", "2",
                             "--output-tokens", "5", "--seed", "7", "--set", "workload.input_tokens.exact=9",
                             "--set", "measure.window.min_s=0.5")
        plan = json.loads(done.stdout)["plan"]
        configuration = plan["configurations"][0]
        self.assertEqual(len(plan["trials"]), 2)
        self.assertEqual([configuration["workload"][key] for key in ("requests", "input_tokens", "output_tokens", "seed")],
                         [6, {"exact": 9}, {"exact": 5}, 7])
        self.assertEqual(configuration["deploy"]["batch_size"], 3)
        self.assertEqual(configuration["measure"]["window"]["min_s"], 0.5)


class NoSensor(Case):
    def test_an_estimate_says_so_everywhere(self):
        self.write("study.json", scripted())
        done = self.run_llem("run", "study.json")
        self.assertRegex(done.stdout, r"energy +~\d")
        self.assertIn("estimated", done.stdout)
        self.assertRegex(done.stderr, r"flagged, ~\d\S* J/output token")
        result = self.the_run().results()[0]
        self.assertEqual(result["validity"]["state"], "flagged")
        self.assertIn("estimated_energy", codes(result))
        self.assertNotIn("measured_total_j", result["energy"])
        for value in [scope["gross"] for scope in result["energy"]["scopes"]] + [
                result["energy"]["headline_gross_j"], result["efficiency"]["gross_j_per_output_token"],
                result["efficiency"]["gross_j_per_request"]]:
            self.assertEqual(value["source"], "estimated")
            self.assertGreater(value["value"], 0)
            # ±50 % with a coverage factor of 2
            self.assert_close(value["u_systematic"], 0.25 * value["value"], 1e-6)
        summary = self.the_run().read("summary.json")["configurations"][0]
        self.assertEqual(summary["gross_j_per_output_token"]["source"], "estimated")
        self.assertEqual(summary["state"], "flagged")

    def test_needs_no_cooldown_for_a_reading_after_the_window(self):
        run = self.measure(scripted(measure={"window": {"min_s": 0.2, "pad_s": 0}, "cooldown_s": 0}))
        self.assertNotIn("no_energy", codes(run.results()[0]))
        self.assertGreater(run.results()[0]["energy"]["headline_gross_j"]["value"], 0)

    def test_no_meter_at_all_is_no_zero(self):
        os.unlink(os.path.join(self.system, "proc"))
        done = self.run_llem("run", self.write("study.json", scripted()), code=None)
        self.assertIn(done.returncode, (3, 4), done.stderr)
        for run in self.runs():
            for result in run.results():
                self.assertEqual(result["validity"]["state"], "invalid")
                self.assertNotIn("gross_j_per_output_token", result.get("efficiency", {}))

    def test_strict_takes_no_flag(self):
        run = self.measure(scripted(measure={"strict": True}), code=4)
        self.assertEqual(run.results()[0]["validity"]["state"], "flagged")
        self.run_llem("analyse", run.path, code=4)


class Analyse(Case):
    def test_gives_the_same_bytes(self):
        run = self.measure(scripted({"model": SHAPE}, study={"cycles": 3}))
        names = ["summary.json", "results.parquet"] + [os.path.join("trials", os.path.basename(trial), "result.json")
                                                       for trial in run.trials]

        def contents():
            return {name: read_bytes(run.path, name) for name in names}

        before = contents()
        for name in names:
            os.unlink(os.path.join(run.path, name))
        first = self.run_llem("analyse", run.path)
        self.assertEqual(contents(), before)
        again = self.run_llem("analyse", os.path.relpath(run.path, self.folder), "--json")
        self.assertEqual(contents(), before)
        self.assertEqual(json.loads(again.stdout), run.read("summary.json"))
        self.assertIn("J/output token", first.stdout)

    def test_a_moved_directory(self):
        run = self.measure(scripted())
        moved = os.path.join(self.folder, "elsewhere")
        os.rename(run.path, moved)
        os.unlink(os.path.join(moved, "summary.json"))
        self.run_llem("analyse", moved)
        self.assertTrue(os.path.exists(os.path.join(moved, "summary.json")))

    def test_a_torn_recording_keeps_no_other_back(self):
        run = self.measure(scripted(study={"cycles": 4}))
        kept = read_bytes(run.trials[0], "result.json")
        for trial in run.trials[:2]:
            os.truncate(os.path.join(trial, "traces.parquet"), 100)
        for trial in run.trials[1:]:
            os.unlink(os.path.join(trial, "result.json"))
        os.unlink(os.path.join(run.path, "summary.json"))
        done = self.run_llem("analyse", run.path, code=5)
        for trial, torn in zip(run.trials, (True, True, False, False)):
            self.assertEqual(os.path.basename(trial) in done.stderr, torn, done.stderr)
        self.assertEqual(read_bytes(run.trials[0], "result.json"), kept)
        self.assertEqual([os.path.exists(os.path.join(trial, "result.json")) for trial in run.trials],
                         [True, False, True, True])
        self.assertEqual([row["trial"] for row in run.read("summary.json")["trials"]], [0, 2, 3])
        self.assertIn("J/output token", done.stdout)

    def test_refuses_what_is_no_run(self):
        self.refused(self.run_llem("analyse", "nowhere", code=None), 5, "nowhere")
        self.refused(self.run_llem("analyse", self.folder, code=None), 5, "plan.json")
        run = self.measure(scripted())
        path = os.path.join(run.trials[0], "traces.parquet")
        os.truncate(path, 100)
        os.unlink(os.path.join(run.trials[0], "result.json"))
        self.refused(self.run_llem("analyse", run.path, code=None), 5, "traces.parquet")
        self.write(os.path.join(run.trials[0], "recording.json"), '{"schema": "recording", "schema_version": "99.0.0"}')
        self.refused(self.run_llem("analyse", run.path, code=None), 5, "recording.json")


class Streams(Case):
    def test_json_on_every_verb(self):
        self.write("study.json", scripted())
        plan = self.run_llem("run", "study.json", "--dry-run", "--json")
        summary = self.run_llem("run", "study.json", "--json")
        path = self.the_run().path
        documents = {
            "dry run": plan, "run": summary, "analyse": self.run_llem("analyse", path, "--json"),
            "config": self.run_llem("config", "--json"), "config show": self.run_llem("config", "show", "--json"),
            "config init": self.run_llem("config", "init", "--json"),
            "config path": self.run_llem("config", "path", "--json"),
            "config schema": self.run_llem("config", "schema", "--json"),
            "config schema study": self.run_llem("config", "schema", "study", "--json"),
            "doctor": self.run_llem("doctor", "--json", code=None)}
        for name, done in documents.items():
            with self.subTest(name):
                self.assertIsInstance(json.loads(done.stdout), dict)
                self.assertTrue(done.stdout.endswith("}\n"), "one document and a newline")
        self.validate([("run --json", json.loads(summary.stdout))])
        self.assertEqual(json.loads(self.run_llem("--json", "config", "path").stdout),
                         json.loads(documents["config path"].stdout))

    def test_json_of_an_error(self):
        for arguments, code in ((("run", "--json", "none.yaml"), 2), (("analyse", "none", "--json"), 5),
                                (("run", "--json", "--no-such-flag"), 2), (("config", "schema", "none", "--json"), 2)):
            done = self.run_llem(*arguments, code=code)
            error = json.loads(done.stdout)["error"]
            self.assertTrue(error["message"])
            self.assertTrue(done.stderr.startswith("error: " + error["message"]), done.stderr)

    def test_results_and_progress_are_apart(self):
        self.write("study.json", scripted())
        done = self.run_llem("run", "study.json")
        for phase in ("baseline", "load", "loaded_idle", "pad_before", "window", "cooldown"):
            self.assertIn(f"trial 1/1 (cycle 1): {phase}", done.stderr)
        self.assertNotIn("trial 1/1", done.stdout)
        self.assertNotIn("\x1b", done.stdout + done.stderr, "no terminal, no colours")

    def test_quiet_and_verbose(self):
        self.write("study.json", scripted({"flood_stderr_bytes": 1000}))
        quiet = self.run_llem("run", "study.json", "-q")
        self.assertEqual(quiet.stderr, "")
        self.assertIn("J/output token", quiet.stdout)
        plain = self.run_llem("run", "study.json")
        for flags in (("-v",), ("-vv",), ("-v", "-v")):
            done = self.run_llem("run", "study.json", *flags)
            self.assertGreaterEqual(len(done.stderr.splitlines()), len(plain.stderr.splitlines()))
            self.assertEqual(re.sub(r"[\d.:~-]+\S*", "#", done.stdout).splitlines()[0],
                             re.sub(r"[\d.:~-]+\S*", "#", plain.stdout).splitlines()[0])

    def test_a_reader_that_went_away(self):
        self.write("study.json", scripted())
        for closed in ("stdout", "stderr"):
            with self.subTest(closed):
                reading, writing = os.pipe()
                os.close(reading)
                streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, closed: writing}
                done = subprocess.run([self.llem, "run", "study.json"], stdin=subprocess.DEVNULL, cwd=self.folder,
                                      env=self.env, timeout=60, check=False, **streams)
                os.close(writing)
                self.assertEqual(done.returncode, 0)
        for shell in ("\"$0\" run study.json | head -n 1", "\"$0\" run study.json 2>&1 | head -n 1"):
            done = subprocess.run(["/bin/bash", "-c", f"set -o pipefail; {shell}", self.llem], cwd=self.folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.env, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, shell)
            self.assertEqual(done.stdout.count(b"\n"), 1)
        for run in self.runs():
            self.assertEqual([state for _, state, _ in run.manifest()], ["started", "recorded", "done"])

    def test_a_reader_that_is_slow_on_a_stream_that_does_not_wait(self):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b" " * 4096)
        except BlockingIOError:
            pass
        process = subprocess.Popen([self.llem, "config", "schema", "result"], stdin=subprocess.DEVNULL, stdout=writing,
                                   stderr=subprocess.PIPE, env=self.env, cwd=self.folder)
        os.close(writing)
        with self.assertRaises(subprocess.TimeoutExpired, msg="nobody has read yet"):
            process.wait(0.5)
        with open(reading, "rb") as file:
            json.loads(file.read())
        self.assertEqual((process.wait(30), process.stderr.read()), (0, b""))
        process.stderr.close()

    def test_closed_descriptors(self):
        self.write("study.json", scripted())
        done = subprocess.run(["/bin/sh", "-c", "exec \"$0\" run study.json <&- >&- 2>&-", self.llem], cwd=self.folder,
                              env=self.env, timeout=60, check=False)
        self.assertIn(done.returncode, (0, 5))
        self.assert_whole(self.the_run())

    def test_help_and_version(self):
        self.assertRegex(self.run_llem("--version").stdout, r"^llem \d+\.\d+\.\d+\n$")
        for verb in ((), ("run",), ("config",), ("doctor",), ("analyse",)):
            text = self.run_llem(*verb, "--help").stdout
            self.assertIn("Example: llem", text)
            self.assertLess(len(text.splitlines()), 50, "help fits a screen")


class DryRun(Case):
    def test_writes_and_starts_nothing(self):
        study = self.write("study.json", scripted(study={"cycles": 3}))
        workers = self.make("workers")
        spy = os.path.join(workers, "llem-worker-scripted")
        self.write(spy, "#!/bin/sh\ntouch \"$(dirname \"$0\")/started\"\n")
        os.chmod(spy, 0o755)
        before = tree(self.folder)
        done = self.run_llem("run", study, "--dry-run", env={"LLEM_WORKER_DIR": workers})
        self.assertEqual(tree(self.folder), before)
        self.assertEqual(done.stderr, "")
        for text in ("3 cycles", "3 trials", "batch 2", "4 requests a pass", "would write", "runs/e2e-"):
            self.assertIn(text, done.stdout)
        self.assertEqual(self.processes(), [])

    def test_fetches_nothing(self):
        before = tree(self.folder)
        done = self.run_llem("run", "--model", "smollm2-135m", "--dry-run", env={"HF_HUB_OFFLINE": ""})
        self.assertIn("will be fetched", done.stdout)
        self.assertEqual(tree(self.folder), before)

    def test_the_plan_is_that_of_the_run(self):
        self.write("study.json", scripted())
        planned = json.loads(self.run_llem("run", "study.json", "--dry-run", "--json").stdout)["plan"]
        self.run_llem("run", "study.json")
        self.assertEqual(self.the_run().read("plan.json"), planned)

    def test_the_hash_is_of_what_is_measured(self):
        def hash_of(**over):
            self.write("study.json", scripted(**over))
            done = self.run_llem("run", "study.json", "--dry-run", "--json")
            return json.loads(done.stdout)["plan"]["configurations"][0]["hash"]

        plain = hash_of()
        self.assertEqual(plain, hash_of(name="another", study={"cycles": 7}))
        self.assertNotEqual(plain, hash_of(deploy={"batch_size": 4}))
        self.assertNotEqual(plain, hash_of(workload={"seed": 1}))


class Golden(Case):
    def documents(self):
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*", "*.json"))):
            yield os.path.basename(os.path.dirname(path)), os.path.basename(path), read_json(path)

    def test_written_by_hand_and_judged_right(self):
        jobs = [{"name": f"{schema}/{name}", "schema": schema, "document": document}
                for schema, name, document in self.documents()]
        faults = self.violations(jobs)
        for job in jobs:
            kind = os.path.basename(job["name"]).split("-")[0]
            self.assertIn(kind, ("valid", "invalid"))
            self.assertEqual(job["name"] in faults, kind == "invalid", f"{job['name']}: {faults.get(job['name'])}")
        names = set(self.run_llem("config", "schema").stdout.split())
        for kind in ("valid", "invalid"):
            have = {schema for schema, name, _ in self.documents() if name.startswith(kind + "-")}
            self.assertEqual(names - have, set(), f"schemas without a {kind} golden document")

    def test_the_program_agrees_about_studies(self):
        for schema, name, document in self.documents():
            if schema == "study":
                with self.subTest(name):
                    self.write("study.json", document)
                    done = self.run_llem("run", "study.json", "--dry-run", code=None)
                    self.assertEqual(done.returncode, 0 if name.startswith("valid") else 2, done.stderr)
            elif schema == "user_config":
                with self.subTest(name):
                    path = self.write("user.json", document)
                    done = self.run_llem("config", env={"LLEM_CONFIG": path}, code=None)
                    self.assertEqual(done.returncode, 0 if name.startswith("valid") else 2, done.stderr)

    def test_schemas_in_the_tree_are_fresh(self):
        folder = os.path.join(SOURCE, "docs", "schema")
        names = self.run_llem("config", "schema").stdout.split()
        self.assertEqual(sorted(os.listdir(folder)), sorted(f"{name}.schema.json" for name in names))
        for name in names:
            with open(os.path.join(folder, f"{name}.schema.json"), encoding="utf-8") as file:
                self.assertEqual(file.read(), self.run_llem("config", "schema", name).stdout, name)


class Doctor(Case):
    def test_says_what_is_missing_and_what_it_costs(self):
        checks = json.loads(self.run_llem("doctor", "--json").stdout)["checks"]
        by_subject = {check["subject"]: check for check in checks}
        for subject, cost in (("meter nvml", "never estimated"), ("meter rapl", "±50 %")):
            self.assertEqual(by_subject[subject]["state"], "missing")
            self.assertIn(cost, by_subject[subject]["accuracy"])
            self.assertTrue(by_subject[subject]["fix"])
        self.assertIn("no sensor measures the CPU", by_subject["meter estimate"]["detail"])
        self.assertNotIn("meter gpu energy", by_subject)
        self.assertEqual(by_subject["meter host"]["state"], "ok")
        for check in checks:
            self.assertIn(check["state"], ("ok", "degraded", "missing"))
            self.assertEqual(check["state"] == "ok", check["fix"] == "", check["subject"])

    def test_without_a_worker_no_run_could_work(self):
        done = self.run_llem("doctor", env={"LLEM_WORKER_DIR": self.make("empty")}, code=3)
        self.assertRegex(done.stdout, r"missing +engine llamacpp")
        self.write("study.json", scripted())
        done = self.run_llem("run", "study.json", env={"LLEM_WORKER_DIR": self.make("empty")}, code=None)
        self.refused(done, 3, "llem-worker-scripted", "LLEM_WORKER_DIR")
        self.assertEqual(self.runs(), [])


class SelfTest(Case):
    def study(self):
        return self.write("study.json", scripted({"decode_step_s": 0.002}, name="mine"))

    def test_compares_a_deployment_with_itself(self):
        done = self.run_llem("doctor", "--self-test", self.study(), "--pairs", "4")
        for line in ("self-test: one deployment against itself, 8 trials", "A against A", "false positives"):
            self.assertIn(line, done.stdout)
        (run,) = self.runs()
        again = json.loads(self.run_llem("doctor", "--self-test", "--from", run.path, "--json").stdout)
        self.validate([("self_test", again)])
        self.assertEqual((again["trials"], again["unusable"]), (8, 0))
        rates = {metric["metric"]: metric for metric in again["metrics"]}["output_tokens_per_s"]
        self.assertEqual(rates["pairs"], 4)
        self.assertLess(rates["interval"]["low"], rates["a_to_b_ratio"])
        self.assertIn(rates["false_positive_ratio"] * 16, range(17))
        self.assertIn(f"{rates['a_to_b_ratio']:.4f}", done.stdout)

    def test_says_what_it_cannot_compare(self):
        study = self.study()
        self.refused(self.run_llem("doctor", "--self-test", study, "--pairs", "2", code=None), 2, "2 pairs", "fewest are 3")
        swept = self.write("swept.json", scripted(sweep={"deploy.batch_size": [1, 2]}))
        self.refused(self.run_llem("doctor", "--self-test", swept, code=None), 2, "2 configurations")
        for flag, value in (("--pairs", "4"), ("--set", "study.cycles=4"), ("-o", "elsewhere")):
            self.refused(self.run_llem("doctor", flag, value, code=None), 2, "--self-test")
        self.refused(self.run_llem("doctor", "--self-test", "--from", "nowhere", code=None), 5, "nowhere")
        self.assertEqual(self.runs(), [])
        done = self.run_llem("run", study)
        (run,) = self.runs()
        done = self.run_llem("doctor", "--self-test", "--from", run.path, code=4)
        self.assertIn("nothing can be said", done.stdout)

    def test_keeps_what_it_measured_when_interrupted(self):
        test = self.start("doctor", "--self-test", self.study(), "--pairs", "50")
        test.until("trial 8/100")
        test.send(signal.SIGINT)
        code, out, _ = test.end()
        self.assertEqual(code, 130)
        self.assertIn("--resume", "\n".join(test.lines))
        self.assertIn("A against A", out)


class Configuration(Case):
    def test_shows_where_each_value_came_from(self):
        os.makedirs(os.path.join(self.folder, "config", "llem"))
        path = self.write("config/llem/config.yaml", "results_dir: mine\nlog: info\n")
        shown = json.loads(self.run_llem("config", "--json", env={"LLEM_LOG": "debug"}).stdout)["values"]
        values = {value["key"]: (value["value"], value["origin"]) for value in shown}
        self.assertEqual(values["results_dir"][0], "mine")
        self.assertIn(path, values["results_dir"][1])
        self.assertEqual(values["log"], ("debug", "LLEM_LOG"))
        self.assertEqual(self.run_llem("config", "path").stdout, path + "\n")

    def test_a_study_to_start_from_is_a_study(self):
        text = self.run_llem("config", "init", "-m", "smollm2-135m").stdout
        self.assertIn("smollm2-135m", text)
        self.write("first.yaml", text)
        self.run_llem("run", "first.yaml", "--dry-run")

    def test_the_user_s_factors_give_emissions_and_a_price(self):
        self.env["LLEM_CONFIG"] = self.write(
            "mine.yaml", "carbon: {g_per_kwh: 100, source: somebody}\nprice_per_kwh: 0.5\ncurrency: EUR\n")
        run = self.measure(scripted(study={"cycles": 3}))
        cost, energy = run.results()[0]["cost"], run.results()[0]["energy"]["headline_gross_j"]["value"]
        self.assertAlmostEqual(cost["emissions_g"]["value"], energy / 3.6e6 * 100)
        self.assertEqual(cost["g_per_kwh_source"], "somebody")
        self.assertEqual(cost["price"]["source"], "estimated")  # like the energy, without a sensor
        self.write(
            "mine.yaml",
            "carbon: {g_per_kwh: 200}\npue: 1.5\npeaks: [{device: cpu, flops_per_s: 1e12, bytes_per_s: 1e10, source: me}]\n",
        )
        text = self.run_llem("analyse", run.path).stdout
        again = run.results()[0]["cost"]
        self.assertAlmostEqual(again["emissions_g"]["value"], 3 * cost["emissions_g"]["value"])
        self.assertNotIn("price", again)
        self.assertRegex(text, r"cost +~[0-9.e-]+ .*g CO2e +per million output tokens, gross, by your factors")

    def test_a_wrong_file_is_named(self):
        os.makedirs(os.path.join(self.folder, "config", "llem"))
        self.write("config/llem/config.yaml", "results_dri: x\n")
        self.refused(self.run_llem("config", code=None), 2, "config.yaml:1:1", "results_dir")
        self.refused(self.run_llem("config", env={"LLEM_CONFIG": "nowhere.yaml"}, code=None), 2, "nowhere.yaml")


if __name__ == "__main__":
    main()
