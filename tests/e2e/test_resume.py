"""Studies that are killed, interrupted, divided and changed: every trial exactly once, nothing lost, nothing left running."""
import json
import os
import random
import shutil
import signal
import subprocess
import time

from harness import Case, Run, main, read_json, scripted

SLOWER = float(os.environ.get("LLEM_TEST_SLOWER", "1"))
KILLS = int(os.environ.get("LLEM_TEST_KILLS", "200"))


def quick(cycles, **over):
    """Trials as short as they can be."""
    study = scripted(study={"cycles": cycles, "max_consecutive_failures": 1000}, measure={
        "baseline": {"bare_s": 0, "loaded_s": 0}, "warmup": {"min_s": 0, "max_s": 0},
        "window": {"min_s": 0.02, "pad_s": 0}, "cooldown_s": 0})
    return {**study, **{key: {**study[key], **value} if isinstance(value, dict) else value
                        for key, value in over.items()}}


class Resume(Case):
    def gone(self, limit=5 * SLOWER):
        end = time.monotonic() + limit
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual([self.described(pid) for pid in self.processes()], [], "a process outlived the program")

    @staticmethod
    def described(pid):
        """What a process is and waits for, for the message of a failure."""
        words = [str(pid)]
        for name in ("cmdline", "wchan", "stat", "syscall"):
            try:
                with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
                    words.append(file.read().replace("\0", " ").strip())
            except OSError as error:
                words.append(str(error))
        return " | ".join(words)

    def assert_complete(self, path, trials):
        """Every trial of the plan has exactly one result that counts, and every document can be read."""
        run = Run(path)
        summary = run.read("summary.json")
        self.assertEqual(summary["n_planned"], trials)
        self.assertEqual(summary["n_missing"], 0)
        self.assertEqual(sorted(row["trial"] for row in summary["trials"]), list(range(trials)))
        ended = {}
        for line in self.manifest_lines(run):
            if line["state"] in ("done", "failed"):
                self.assertNotIn(line["trial"], ended, "a trial ended twice")
                ended[line["trial"]] = line
        self.assertEqual(sorted(ended), list(range(trials)))
        for row in summary["trials"]:
            self.assertEqual(row["attempt"], ended[row["trial"]]["attempt"])
        documents = [(name, run.read(name)) for name in ("plan.json", "summary.json", "environment.json")]
        for trial in run.trials:
            for name in ("recording.json", "result.json"):
                if os.path.exists(os.path.join(trial, name)):
                    documents.append((f"{os.path.basename(trial)}/{name}", read_json(trial, name)))
        self.validate(documents)

    def manifest_lines(self, run):
        for name in sorted(os.listdir(os.path.join(run.path, "manifest"))):
            with open(os.path.join(run.path, "manifest", name), encoding="utf-8") as file:
                for line in file.read().split("\n")[:-1]:
                    yield json.loads(line)

    def popen(self, *arguments):
        return subprocess.Popen([self.llem, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, cwd=self.folder, env=self.env)

    def test_survives_sigkill_at_any_instant(self):
        chance = random.Random(20261123)
        trials, killed, finished = 30, 0, 0
        while killed < KILLS:
            shutil.rmtree(os.path.join(self.folder, "runs"), ignore_errors=True)
            self.write("study.json", quick(trials))
            arguments = ["run", "study.json", "-q"]
            while True:
                process = self.popen(*arguments)
                try:
                    code = process.wait(chance.uniform(0, 0.45) * SLOWER if killed < KILLS else 120)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    killed += 1
                    self.gone()
                else:
                    self.assertIn(code, (0, 1, 4))
                    break
                whole = [run for run in self.runs() if os.path.exists(os.path.join(run.path, "plan.json"))]
                arguments = ["run", "--resume", whole[-1].path, "-q"] if whole else arguments
            self.assert_complete(self.runs()[-1].path, trials)
            finished += 1
        self.assertGreaterEqual(finished, 2)

    def interrupted(self, cycles=5):
        """A study of which the first trial is done and the second was cut short."""
        self.write("study.json", quick(cycles, measure={"window": {"min_s": 0.3, "pad_s": 0}}))
        live = self.start("run", "study.json")
        live.until("trial 2/")
        live.send(signal.SIGINT)
        code, _, _ = live.end()
        self.assertEqual(code, 130)
        return live, self.the_run()

    def test_finishes_what_an_interrupt_left(self):
        live, run = self.interrupted()
        self.assertTrue(any("llem run --resume" in line for line in live.lines), live.lines)
        first = read_json(run.trials[0], "result.json")
        self.run_llem("run", "--resume", run.path, code=None)
        self.assertEqual(read_json(run.trials[0], "result.json"), first, "a finished trial was touched")
        self.assert_complete(run.path, 5)

    def test_finds_the_newest_unfinished_run_of_a_study(self):
        _, run = self.interrupted(3)
        self.run_llem("run", "study.json", "--resume", code=None)
        self.assert_complete(run.path, 3)
        self.refused(self.run_llem("run", "study.json", "--resume", code=None), 2, "no unfinished run", "--resume DIR")

    def test_a_finished_study_is_left_alone(self):
        self.write("study.json", quick(2))
        self.run_llem("run", "study.json", code=None)
        run = self.the_run()
        before = len(run.manifest())
        self.run_llem("run", "--resume", run.path, code=None)
        self.assertEqual(len(run.manifest()), before)

    def test_refuses_a_changed_study_with_the_difference(self):
        _, run = self.interrupted(3)
        study = quick(3, measure={"window": {"min_s": 0.3, "pad_s": 0}})
        study["workload"]["output_tokens"] = 9
        self.write("study.json", study)
        done = self.run_llem("run", "study.json", "--resume", run.path, code=None)
        self.refused(done, 2, "the study is not the one of", "output_tokens", "8 -> 9", "--accept-changes")

    def test_accepts_changes_and_keeps_what_is_still_planned(self):
        _, run = self.interrupted(3)
        done = [name for name in os.listdir(os.path.join(run.path, "trials")) if name.startswith("000000")]
        self.write("study.json", quick(4, measure={"window": {"min_s": 0.3, "pad_s": 0}}))
        self.run_llem("run", "study.json", "--resume", run.path, "--accept-changes", code=None)
        summary = run.read("summary.json")
        self.assertEqual((summary["n_planned"], summary["n_missing"]), (4, 0))
        self.assertEqual([name for name in os.listdir(os.path.join(run.path, "trials")) if name.startswith("000000")],
                         done, "the finished trial was run again")

    def test_failed_trials_are_run_again_only_when_asked(self):
        self.write("study.json", quick(2, deploy={"scripted": {"die": {"when": "load", "exit_code": 3}}}))
        self.run_llem("run", "study.json", code=4)
        run = self.the_run()
        self.run_llem("run", "--resume", run.path, code=4)
        self.assertEqual(len(Run(run.path).trials), 2)
        self.run_llem("run", "--resume", run.path, "--retry-failed", code=4)
        self.assertEqual(len(Run(run.path).trials), 4)
        self.assertEqual(run.read("summary.json")["configurations"][0]["n_attempted"], 4)

    def test_shards_do_every_trial_once(self):
        _, run = self.interrupted(8)
        parts = [self.popen("run", "--resume", run.path, "--shard", f"{k}/3", "--no-lock", "-q") for k in (1, 2, 3)]
        for part in parts:
            self.assertIn(part.wait(120), (0, 1, 4))
        self.run_llem("run", "--resume", run.path, "-q", code=None)
        self.assert_complete(run.path, 8)

    def test_a_second_one_is_refused_and_told_whose_it_is(self):
        _, run = self.interrupted(8)
        live = self.start("run", "--resume", run.path)
        live.until("window")
        for arguments in (("--resume", run.path), ("--resume", run.path, "--shard", "1/2")):
            done = self.run_llem("run", *arguments, code=None)
            self.refused(done, 3, "is in use by another llem", f"pid {live.process.pid}")
        live.send(signal.SIGINT)
        live.end()

    def test_shards_of_another_division_are_refused(self):
        _, run = self.interrupted(8)
        live = self.start("run", "--resume", run.path, "--shard", "1/2")
        live.until("window")
        self.refused(self.run_llem("run", "--resume", run.path, "--shard", "2/3", code=None), 3, "in 2 shards, not 3")
        self.refused(self.run_llem("run", "--resume", run.path, "--shard", "1/2", code=None), 3, "is in use")
        live.send(signal.SIGINT)
        live.end()

    def test_a_torn_and_a_doubled_manifest_line_are_borne(self):
        _, run = self.interrupted(3)
        (name,) = os.listdir(os.path.join(run.path, "manifest"))
        path = os.path.join(run.path, "manifest", name)
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, lines[-1], lines[0][:30]]))
        self.run_llem("run", "--resume", run.path, code=None)
        summary = run.read("summary.json")
        self.assertEqual(summary["n_missing"], 0)

    def test_a_manifest_of_a_newer_version_is_refused(self):
        _, run = self.interrupted(3)
        (name,) = os.listdir(os.path.join(run.path, "manifest"))
        with open(os.path.join(run.path, "manifest", name), "a", encoding="utf-8") as file:
            file.write('{"v": 3, "what": "else"}\n')
        self.refused(self.run_llem("run", "--resume", run.path, code=None), 5, "has version 3", "use the version of llem")

    def test_unsynced_bytes_lost_at_a_power_cut_only_cost_their_trial(self):
        _, run = self.interrupted(3)
        # What was never synced: the recording of a trial whose manifest line did not come.
        os.truncate(os.path.join(run.trials[1], "traces.parquet"), 10)
        for name in os.listdir(os.path.join(run.path, "manifest")):
            path = os.path.join(run.path, "manifest", name)
            with open(path, encoding="utf-8") as file:
                kept = [line for line in file.read().split("\n")[:-1] if json.loads(line)["trial"] == 0]
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in kept))
        done = self.run_llem("run", "--resume", run.path, code=None)
        self.assertIn("the trial is run again", done.stderr)
        self.assertEqual(run.read("summary.json")["n_missing"], 0)

    def test_flags_that_need_resume_say_so(self):
        for flags in (["--retry-failed"], ["--accept-changes"], ["--shard", "1/2"]):
            self.refused(self.run_llem("run", "-m", "x", *flags, code=None), 2, "go with --resume")
        self.refused(self.run_llem("run", "--resume", code=None), 2, "nothing says what to resume")
        self.refused(self.run_llem("run", "--resume", "/nowhere", code=None), 5, "/nowhere")
        for shard in ("0/2", "3/2", "2", "a/b"):
            self.refused(self.run_llem("run", "--resume", ".", "--shard", shard, code=None), 2, "--shard")


if __name__ == "__main__":
    main()
