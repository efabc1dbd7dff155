"""Studies of many points: what is planned, in which order it runs, when it stops, and what its documents say."""
import collections
import glob
import http.server
import json
import os
import pty
import subprocess
import threading
import time

from harness import SOURCE, Case, Run, codes, main, merged, scripted, tree

FAULT = {"fault": {"sound": {}, "dead": {"deploy.scripted.die": {"when": "load", "exit_code": 3}}}}
DEAD = {"die": {"when": "load", "exit_code": 3}}


def study(script=None, **over):
    """Trials of a third of a second."""
    return scripted(script, **merged({"measure": {"window": {"min_s": 0.1, "pad_s": 0.02}, "cooldown_s": 0.05}}, over))


def grid(cycles=2, script=None, **over):
    """Two by two points."""
    over = merged({"study": {"cycles": cycles}}, over)
    return {**study(script, **over), "sweep": {"deploy.batch_size": [1, 2], "deploy.threads": [1, 2]}}


class Planned(Case):
    def plan(self, content, *arguments):
        self.write("study.json", content)
        return json.loads(self.run_llem("run", "study.json", "--dry-run", "--json", *arguments).stdout)["plan"]

    def order(self, *arguments, cycles=3):
        """(configuration, cycle) of each trial of six points."""
        content = {**study(study={"cycles": cycles}), "sweep": {"deploy.batch_size": [1, 2, 3], "deploy.threads": [1, 2]}}
        return [(trial["configuration"], trial["cycle"]) for trial in self.plan(content, *arguments)["trials"]]

    def test_blocks_hold_every_configuration(self):
        trials = self.order()
        blocks = [trials[i:i + 6] for i in range(0, 18, 6)]
        for cycle, block in enumerate(blocks, 1):
            self.assertEqual(sorted(block), [(i, cycle) for i in range(6)])
        self.assertGreater(len({tuple(i for i, _ in block) for block in blocks}), 1, "each block is drawn anew")

    def test_other_orders(self):
        every = {(i, cycle) for i in range(6) for cycle in (1, 2, 3)}
        self.assertEqual(self.order("--order", "sequential"), [(i, c) for i in range(6) for c in (1, 2, 3)])
        self.assertEqual(self.order("--order", "interleaved"), [(i, c) for c in (1, 2, 3) for i in range(6)])
        self.assertEqual(set(self.order("--order", "shuffled")), every)
        # A Williams square of six rows: every configuration follows every other one once.
        rows = self.order("--order", "latin_square", cycles=6)
        follows = collections.Counter((a[0], b[0]) for a, b in zip(rows, rows[1:]) if a[1] == b[1])
        self.assertEqual(follows, {(a, b): 1 for a in range(6) for b in range(6) if a != b})
        done = self.run_llem("run", "study.json", "--order", "latin_square", "--cycles", "5", "--dry-run", code=None)
        self.refused(done, 2, "takes 6 cycles or a multiple, not 5", "set study.cycles to 6")

    def test_the_seed_makes_the_order(self):
        for order in ("blocks", "shuffled", "latin_square"):
            with self.subTest(order):
                first = self.order("--order", order, "--set", "study.seed=1", cycles=6)
                self.assertEqual(self.order("--order", order, "--set", "study.seed=1", cycles=6), first)
                self.assertNotEqual(self.order("--order", order, "--set", "study.seed=2", cycles=6), first)
        self.assertEqual(self.order(), self.order(), "without a seed it comes from the configurations")

    def test_a_swept_path_and_a_flag(self):
        self.write("study.json", grid())
        for flags in (("--batch-size", "3"), ("--set", "deploy.threads=4")):
            self.refused(self.run_llem("run", "study.json", *flags, code=None), 2, flags[-1].split("=")[0].lstrip("-")[:6])

    def test_points_that_cannot_be(self):
        content = {**study(), "sweep": {"measure.warmup.min_s": [3, 4]}}
        self.write("study.json", content)
        for dry in ((), ("--dry-run",)):
            self.refused(self.run_llem("run", "study.json", *dry, code=None), 2, "none of the 2 points", "warm-up")
        self.assertEqual(self.runs(), [])

    def test_laid_over_another_file(self):
        below = {**study(study={"cycles": 3}), "sweep": {"deploy.batch_size": [1, 2]}}
        os.makedirs(os.path.join(self.folder, "below"))
        self.write("below/base.json", below)
        plan = self.plan({"base": "below/base.json", "name": "over", "deploy": {"threads": 2},
                          "sweep": {"deploy.batch_size": [4, 5, 6]}})
        self.assertEqual(plan["study_name"], "over")
        self.assertEqual([c["deploy"]["batch_size"] for c in plan["configurations"]], [4, 5, 6])
        self.assertEqual({c["deploy"]["threads"] for c in plan["configurations"]}, {2})
        self.assertEqual({c["deploy"]["engine"] for c in plan["configurations"]}, {"scripted"})
        self.assertEqual(len(plan["trials"]), 9)

    def test_many_points_are_asked_about_at_a_terminal_only(self):
        content = {**study(DEAD, study={"stop_on_failure": True}),
                   "sweep": {"deploy.batch_size": {"from": 1, "to": 501, "step": 1}}}
        self.write("study.json", content)
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        self.addCleanup(os.close, end)

        def at_the_terminal(*flags):
            return subprocess.run([self.llem, "run", "study.json", *flags], stdin=end, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60, cwd=self.folder, env=self.env, check=False)

        self.refused(at_the_terminal(), 2, "501 points", "--dry-run", "--yes")
        self.assertEqual(self.runs(), [])
        self.assertEqual(at_the_terminal("--dry-run").returncode, 0)
        self.assertEqual(at_the_terminal("--yes").returncode, 4)
        done = self.run_llem("run", "study.json", code=4)
        self.assertNotIn("--yes", done.stderr)
        self.assertEqual([len(run.trials) for run in self.runs()], [1, 1])

    def test_a_dry_run_writes_and_starts_nothing(self):
        real = os.path.join(self.env["LLEM_WORKER_DIR"], "llem-worker-scripted")
        self.make("workers")
        path = self.write("workers/llem-worker-scripted", f"#!/bin/sh\ntouch '{self.folder}/started'\nexec '{real}'\n")
        os.chmod(path, 0o755)
        self.write("study.json", grid())
        before = tree(self.folder)
        for extra in ((), ("--json",), ("-o", "elsewhere")):
            self.run_llem("run", "study.json", "--dry-run", *extra, env={"LLEM_WORKER_DIR": os.path.dirname(path)})
        self.assertEqual(tree(self.folder), before)


class TwoAtOnce(Case):
    def starts(self, name):
        """When each trial of a study was started, as its manifest says."""
        (run,) = [run for run in self.runs() if os.path.basename(run.path).startswith(name)]
        (manifest,) = glob.glob(os.path.join(glob.escape(run.path), "manifest", "*.jsonl"))
        with open(manifest) as file:
            lines = [json.loads(line) for line in file]
        return [(line["t"], name) for line in lines if line["state"] == "started"]

    def test_studies_of_one_device_take_turns(self):
        for name in ("one", "two"):
            self.write(f"{name}.json", {**study(study={"cycles": 5}), "name": name})
        first = self.start("run", "one.json")
        first.until("window")
        second = self.start("run", "two.json")
        second.end()
        first.end()
        self.assertIn("waiting for cpu", "\n".join(second.lines))
        order = [name for _, name in sorted(self.starts("one") + self.starts("two"))]
        begun = order.index("two")
        together = order[begun:begun + 6]
        self.assertLessEqual(begun, 2, f"whoever waits is next: {order}")
        self.assertEqual(together[0::2] + together[1::2], ["two"] * 3 + ["one"] * 3, f"they alternate: {order}")


class Measured(Case):
    def rows(self, run):
        """results.parquet as another program reads it."""
        python = subprocess.run([os.path.join(SOURCE, "tools/test_venv.sh")], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
        program = ("import json, sys, pyarrow.parquet as pq\n"
                   "print(json.dumps(pq.read_table(sys.argv[1]).to_pylist(), default=str))")
        done = subprocess.run([python, "-c", program, os.path.join(run.path, "results.parquet")], stdout=subprocess.PIPE,
                              text=True, check=True)
        return json.loads(done.stdout)

    def test_every_point_once_a_cycle(self):
        run = self.measure(grid())
        plan, summary = run.read("plan.json"), run.read("summary.json")
        self.assertEqual(plan["factors"], [{"name": "deploy.batch_size", "levels": ["1", "2"]},
                                           {"name": "deploy.threads", "levels": ["1", "2"]}])
        self.assertEqual([c["levels"] for c in plan["configurations"]], [[0, 0], [0, 1], [1, 0], [1, 1]])
        self.assertEqual(sorted((t["configuration"], t["cycle"]) for t in plan["trials"]),
                         [(i, cycle) for i in range(4) for cycle in (1, 2)])
        self.assertEqual((summary["n_planned"], summary["n_missing"]), (8, 0))
        self.assertEqual([c["factors"] for c in summary["configurations"]],
                         [{"deploy.batch_size": b, "deploy.threads": t} for b in "12" for t in "12"])
        for configuration in summary["configurations"]:
            self.assertEqual((configuration["n_attempted"], configuration["n_used"]), (2, 2))
        rows = self.rows(run)
        hashes = [c["hash"] for c in plan["configurations"]]
        self.assertEqual(sorted((row["identity_config_hash"], row["identity_cycle"]) for row in rows),
                         sorted((hash16, cycle) for hash16 in hashes for cycle in (1, 2)))
        self.assertEqual([row["identity_trial"] for row in rows], list(range(8)), "in the order of the plan")
        self.validate([(name, run.read(name)) for name in ("plan.json", "summary.json", "environment.json")])
        self.assert_whole(run)

    def test_equal_points_are_one(self):
        content = {**study(), "variants": {"kind": {"plain": {}, "same": {"deploy.batch_size": 2},
                                                    "other": {"deploy.batch_size": 1}}}}
        run = self.measure(content)
        self.assertEqual([(c["label"], c.get("same_as", [])) for c in run.read("plan.json")["configurations"]],
                         [("plain", ["same"]), ("other", [])])
        self.assertEqual([(c["label"], c.get("same_as", [])) for c in run.read("summary.json")["configurations"]],
                         [("plain", ["same"]), ("other", [])])
        self.assertEqual(len(run.trials), 2)

    def test_the_points_that_can_be_are_measured(self):
        content = {**study(), "sweep": {"measure.warmup.min_s": {"from": 0, "to": 1000, "step": 1}}}
        self.write("study.json", content)
        done = self.run_llem("run", "study.json", "--dry-run")
        self.assertIn("skipped       1000 points", done.stdout)
        self.assertIn("more than half of the points are skipped", done.stdout)
        run = self.measure(content)
        summary = run.read("summary.json")
        self.assertEqual((len(run.trials), len(summary["configurations"]), len(summary["skipped"])), (1, 1, 1000))
        for point in summary["skipped"]:
            self.assertIn("warm-up", point["reason"])

    def test_a_dry_run_knows_the_time(self):
        content = grid(cycles=1, measure={"window": {"min_s": 0.8}})
        self.write("study.json", content)

        def predicted():
            return json.loads(self.run_llem("run", "study.json", "--dry-run", "--json").stdout)["predicted_s"]

        first = predicted()
        run = self.measure(content)
        took = sum(row["duration_s"] for row in run.read("summary.json")["trials"])
        for guess in (first, predicted()):
            self.assertLess(max(guess / took, took / guess), 1.5)

    def rests(self, content, *flags):
        """(number of rests, seconds of the whole program)"""
        for run in self.runs():
            os.rename(run.path, os.path.join(self.make("earlier"), os.path.basename(run.path)))
        begin = time.monotonic()
        run = self.measure(content, *flags)
        took = time.monotonic() - begin
        with open(os.path.join(run.path, "events.jsonl"), encoding="utf-8") as file:
            return sum('"rest_started"' in line for line in file), took

    def test_gaps(self):
        sweep = {"sweep": {"deploy.batch_size": [1, 2]}}
        rests, took = self.rests({**study(study={"cycles": 2, "gap": 0.7}), **sweep})
        self.assertEqual(rests, 3)
        rests, without = self.rests({**study(study={"cycles": 2, "gap": 0.7}), **sweep}, "--no-gaps")
        self.assertEqual(rests, 0)
        self.assertGreater(took - without, 1, "three rests of 0.7 s")
        rests, _ = self.rests({**study(study={"cycles": 2, "cycle_gap": {"seconds": 0.1}, "gap": 0}), **sweep})
        self.assertEqual(rests, 1)

    def test_a_sentinel_shows_drift_and_is_no_result(self):
        run = self.measure(grid(cycles=1, study={"sentinel": {"every": 2}}))
        self.assertEqual([t["role"] for t in run.read("plan.json")["trials"]],
                         ["sentinel", "measured", "measured", "sentinel", "measured", "measured", "sentinel"])
        summary = run.read("summary.json")
        self.assertEqual([row["role"] for row in summary["trials"]].count("sentinel"), 3)
        self.assertEqual([c["n_attempted"] for c in summary["configurations"]], [1, 1, 1, 1])
        drift = {d["metric"]: d for d in summary["drift"]}
        self.assertEqual(set(drift), {"gross_j_per_output_token", "output_tokens_per_s"})
        for entry in drift.values():
            self.assertEqual((entry["n"], entry["config_hash"]), (3, summary["configurations"][0]["config_hash"]))
            self.assertLessEqual(entry["interval"]["low"], entry["relative_slope_per_hour"])
        self.assertEqual(json.loads(self.run_llem("analyse", run.path, "--json").stdout), summary)

    def test_a_changed_file_measures_only_what_is_new(self):
        content = {**study(), "sweep": {"deploy.batch_size": [1, 2]}}
        run = self.measure(content)
        before = {trial: os.stat(os.path.join(trial, "recording.json")).st_mtime_ns for trial in run.trials}
        content["sweep"]["deploy.batch_size"] = [1, 2, 4]
        self.write("study.json", content)
        self.refused(self.run_llem("run", "study.json", "--resume", run.path, code=None), 2, "new: ", "--accept-changes")
        self.run_llem("run", "study.json", "--resume", run.path, "--accept-changes")
        run = Run(run.path)
        self.assertEqual(len(run.trials), 3)
        for trial, written in before.items():
            self.assertEqual(os.stat(os.path.join(trial, "recording.json")).st_mtime_ns, written)
        summary = run.read("summary.json")
        self.assertEqual([c["batch_size"] for c in summary["configurations"]], [1, 2, 4])
        self.assertEqual(summary["n_missing"], 0)


class Failing(Case):
    def ended(self, content, code):
        run = self.measure(content, code=code)
        return run, run.read("summary.json")

    def test_retries(self):
        run, summary = self.ended(study(DEAD, study={"retries": 2}), 4)
        self.assertEqual([os.path.basename(trial)[-2:] for trial in run.trials], ["a1", "a2", "a3"])
        self.assertEqual([row["attempt"] for row in summary["trials"]], [1, 2, 3])
        self.assertEqual([summary["configurations"][0][n] for n in ("n_attempted", "n_used", "n_failed")], [3, 0, 3])
        self.assert_whole(run)

    def test_a_retry_that_succeeds(self):
        real = os.path.join(self.env["LLEM_WORKER_DIR"], "llem-worker-scripted")
        path = self.write("llem-worker-scripted",
                          f"#!/bin/sh\nmkdir '{self.folder}/died' 2>/dev/null && exit 9\nexec '{real}'\n")
        os.chmod(path, 0o755)
        self.write("study.json", study(study={"retries": 3}))
        self.run_llem("run", "study.json", env={"LLEM_WORKER_DIR": self.folder}, code=1)
        run = self.the_run()
        summary = run.read("summary.json")
        self.assertEqual([row["state"] for row in summary["trials"]], ["invalid", "flagged"])
        self.assertEqual([summary["configurations"][0][n] for n in ("n_attempted", "n_used", "n_failed")], [2, 1, 1])
        self.assertEqual(summary["n_missing"], 0)

    def test_failures_in_a_row_stop_it(self):
        run, summary = self.ended(study(DEAD, study={"cycles": 6, "max_consecutive_failures": 3}), 4)
        self.assertIn("3 trials in a row failed", summary["stopped"])
        self.assertIn("engine_died", summary["stopped"])
        self.assertEqual((len(run.trials), summary["n_missing"]), (3, 3))

    def test_what_was_measured_before_it_stopped_counts(self):
        content = {**study(study={"cycles": 3, "order": "sequential", "max_consecutive_failures": 2}), "variants": FAULT}
        run, summary = self.ended(content, 1)
        self.assertIn("2 trials in a row failed", summary["stopped"])
        self.assertEqual([(c["label"], c["n_used"], c["n_failed"]) for c in summary["configurations"]],
                         [("sound", 3, 0), ("dead", 0, 2)])
        self.assertEqual(summary["n_missing"], 1)
        self.assert_whole(run)

    def test_the_first_failure_can_stop_it(self):
        content = {**study(study={"cycles": 2, "order": "sequential", "stop_on_failure": True}), "variants": FAULT}
        run, summary = self.ended(content, 1)
        self.assertIn("trial 3 failed", summary["stopped"])
        self.assertEqual(len(run.trials), 3)

    def late(self, where, limit, reason):
        with self.subTest(limit=limit, where=where):
            self.setUp()
            begin = time.monotonic()
            run = self.measure(study({"hang": where}, measure={"warmup": {"max_s": 0.3}},
                                     study={"timeouts": {limit: 0.5}}), code=4)
            self.assertLess(time.monotonic() - begin, 30)
            self.assertIn(reason, codes(run.results()[0]))
            self.assertEqual(self.processes(), [])

    def test_each_phase_has_its_limit(self):
        self.late("load", "load_s", "timeout_load")
        self.late("warmup", "warmup_s", "timeout_warmup")
        self.late("window", "window_s", "timeout_window")

    def test_silence_has_a_limit(self):
        self.late("load", "silence_s", "worker_silent")
        self.late("tokenize", "silence_s", "worker_silent")


class Told(Case):
    def server(self):
        """The address of a server, and the bodies it was sent."""
        bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}/ended", bodies

    def test_the_summary_is_sent_once(self):
        url, bodies = self.server()
        run = self.measure(study(study={"cycles": 2, "notify": url}))
        self.assertEqual(len(bodies), 1)
        self.assertIn("application/json", bodies[0][0])
        self.assertEqual(json.loads(bodies[0][1]), run.read("summary.json"))

    def test_a_dead_address_only_warns(self):
        self.write("study.json", study(study={"notify": {"url": "http://127.0.0.1:1/"}}))
        done = self.run_llem("run", "study.json")
        self.assertIn("study.notify", done.stderr)
        self.assertEqual(self.the_run().read("summary.json")["n_missing"], 0)


class Obstructed(Case):
    """The place of the results fails in the middle of a study, and comes back."""
    AFTER_ONE = "while ! ls runs/*/trials/000000*/result.json >/dev/null 2>&1; do sleep 0.02; done; "

    def survived(self, script):
        self.write("study.json", study(study={"cycles": 4}, measure={"window": {"min_s": 0.4}}))
        self.make("runs")
        self.make("kept")
        done = self.in_namespace(script)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("error: ", done.stderr)
        self.assertEqual(done.stdout.split()[-2:], ["first:5", "second:0"], done.stderr)
        self.assertEqual(self.processes(), [])
        (name,) = os.listdir(os.path.join(self.folder, "kept"))
        halfway = Run(os.path.join(self.folder, "kept", name))
        self.assertEqual(len(halfway.read("plan.json")["trials"]), 4)
        self.assertIn((0, "done", None), halfway.manifest())
        self.run_llem("analyse", halfway.path, code=None)
        self.assertGreaterEqual(halfway.read("summary.json")["n_missing"], 1)
        return name

    def complete(self, run):
        summary = run.read("summary.json")
        self.assertEqual((summary["n_planned"], summary["n_missing"]), (4, 0))
        self.assertEqual(summary["configurations"][0]["n_used"], 4)

    def test_a_disk_that_fills_up(self):
        self.make("whole")
        self.survived(
            "mount -t tmpfs -o size=80m none runs; \"$0\" run study.json >&2 & pid=$!; " + self.AFTER_ONE +
            "head -c 200m /dev/zero > runs/other 2>/dev/null; wait $pid; first=$?; rm runs/other; cp -a runs/* kept; "
            "\"$0\" run --resume runs/* >&2; second=$?; cp -a runs/* whole; echo first:$first second:$second")
        (name,) = os.listdir(os.path.join(self.folder, "whole"))
        self.complete(Run(os.path.join(self.folder, "whole", name)))

    def test_a_directory_that_becomes_read_only(self):
        self.survived(
            "\"$0\" run study.json >&2 & pid=$!; " + self.AFTER_ONE + "run=$(echo runs/*); "
            "mount --bind $run $run; "
            # Refused while a file in it is open for writing.
            "for _ in $(seq 200); do mount -o remount,bind,ro $run 2>/dev/null && break; sleep 0.01; done; wait $pid; first=$?; cp -a $run kept; umount $run; "
            "\"$0\" run --resume $run >&2; second=$?; echo first:$first second:$second")
        self.complete(self.the_run())


if __name__ == "__main__":
    main()
