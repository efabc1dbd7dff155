"""Studies that end by what they measured: when, across kills and resumes, and what they say of it."""
import json
import signal

from harness import Case, Run, main, scripted

FAULT = {"fault": {"sound": {}, "dead": {"deploy.scripted.die": {"when": "load", "exit_code": 3}}}}
DEAD = {"die": {"when": "load", "exit_code": 3}}


class Precise(Case):
    """Cycles follow until every configuration is known well enough. The rate of the test engine hardly varies."""

    WIDE = {"metric": "output_tokens_per_s", "relative_half_width": 0.5, "min_cycles": 3, "max_cycles": 6}

    def content(self, script=None, study_over=None, **precision):
        content = scripted(script, measure={"window": {"min_s": 0.1, "pad_s": 0.02}, "cooldown_s": 0.05},
                           study={"precision": {**self.WIDE, **precision}, **(study_over or {})})
        del content["study"]["cycles"]
        return {**content, "sweep": {"deploy.batch_size": [1, 2]}}

    def test_it_ends_when_every_configuration_is_known(self):
        run = self.measure(self.content())
        summary, plan = run.read("summary.json"), run.read("plan.json")
        self.assertEqual((plan["study"]["cycles"], len(plan["trials"])), (6, 12), "planned for the most")
        precision = summary["precision"]
        self.assertEqual(precision["verdict"], "reached")
        blocks = precision["blocks"]
        self.assertIn(blocks, range(3, 7))
        self.assertEqual(run.decisions(), [(n, "reached" if n == blocks else "go_on") for n in range(1, blocks + 1)])
        self.assertEqual((summary["n_planned"], summary["n_missing"], summary["n_unneeded"]), (12, 0, 12 - 2 * blocks))
        self.assertEqual(len(run.trials), 2 * blocks)
        for known, configuration in zip(precision["configurations"], summary["configurations"]):
            rate = configuration["output_tokens_per_s"]
            width = max(rate["interval"]["high"] - rate["value"], rate["value"] - rate["interval"]["low"]) / rate["value"]
            self.assert_close(known["half_width_ratio"], width)
            self.assertEqual((known["config_hash"], known["n"], known["reached"]), (configuration["config_hash"], blocks, True))
            self.assertNotIn("precision_not_reached", configuration["codes"])
        done = self.run_llem("analyse", run.path)
        self.assertIn(f"reached after {blocks} cycles", done.stdout)
        self.assertEqual(run.read("summary.json"), summary)
        lines = [line for line in run.manifest_lines() if "block" in line]
        self.validate([(name, run.read(name)) for name in ("plan.json", "summary.json")])
        self.assertEqual(self.violations([{"name": str(i), "schema": "manifest_block", "document": line}
                                          for i, line in enumerate(lines)]), {})
        self.assert_whole(run)
        # There is nothing left to do.
        self.refused(self.run_llem("run", "study.json", "--resume", code=None), 2, "no unfinished run")
        self.run_llem("run", "--resume", run.path)
        self.assertEqual(len(Run(run.path).trials), 2 * blocks)
        self.assertEqual(len(run.decisions()), blocks)

    def test_it_goes_on_after_kills_as_if_there_were_none(self):
        self.write("study.json", self.content(min_cycles=4))
        for until, number in (("cycle 1: goes on", signal.SIGINT), ("cycle 2: goes on", signal.SIGKILL), ("trial 6/", signal.SIGKILL)):
            runs = self.runs()
            live = self.start("run", *(["--resume", runs[0].path] if runs else ["study.json"]))
            live.until(until)
            live.send(number)
            self.assertEqual(live.end()[0], 130 if number == signal.SIGINT else -number)
        self.run_llem("run", "study.json", "--resume")
        run = self.the_run()
        summary = run.read("summary.json")
        blocks = summary["precision"]["blocks"]
        self.assertEqual(sorted(run.decisions()), sorted((n, "reached" if n == blocks else "go_on") for n in range(1, blocks + 1)))
        self.assertEqual((summary["n_missing"], summary["n_unneeded"]), (0, 12 - 2 * blocks))
        self.assertEqual([c["n_used"] for c in summary["configurations"]], [blocks] * 2)

    def test_a_kill_after_the_last_decision_changes_nothing(self):
        self.write("study.json", self.content())
        live = self.start("run", "study.json")
        live.until("precision reached")
        live.send(signal.SIGKILL)
        live.end()
        before = self.the_run()
        self.run_llem("run", "--resume", before.path)
        run = self.the_run()
        self.assertEqual((run.trials, run.decisions()), (before.trials, before.decisions()))
        summary = run.read("summary.json")
        self.assertEqual((summary["precision"]["verdict"], summary["n_missing"]), ("reached", 0))

    def test_an_interrupted_study_has_not_decided(self):
        self.write("study.json", self.content())
        live = self.start("run", "study.json")
        live.until("cycle 1: goes on, at least to cycle 3")
        live.send(signal.SIGINT)
        code, out, _ = live.end()
        self.assertEqual(code, 130)
        self.assertIn("not decided after 1 cycle;", out)
        summary = self.the_run().read("summary.json")
        self.assertEqual((summary["precision"]["verdict"], summary["n_missing"]), ("go_on", 12 - len(self.the_run().results())))
        for configuration in summary["configurations"]:
            self.assertNotIn("precision_not_reached", configuration["codes"])

    def test_the_most_cycles_are_the_most(self):
        run = self.measure(self.content(relative_half_width=1e-12, max_cycles=3))
        summary = run.read("summary.json")
        self.assertEqual((summary["precision"]["verdict"], summary["n_missing"], len(run.trials)), ("maximum_used", 0, 6))
        for configuration in summary["configurations"]:
            self.assertIn("precision_not_reached", configuration["codes"])
            self.assertEqual(configuration["state"], "flagged")

    def test_a_budget_ends_it_after_a_cycle(self):
        run = self.measure(self.content(budget_s=0.001))
        summary = run.read("summary.json")
        self.assertEqual((summary["precision"]["verdict"], summary["precision"]["blocks"]), ("budget_used", 1))
        self.assertEqual((summary["n_missing"], summary["n_unneeded"], len(run.trials)), (0, 10, 2))
        self.assertGreater(summary["precision"]["spent_s"], 0.1)
        self.assertIn("NOT reached", self.run_llem("analyse", run.path).stdout)

    def test_a_configuration_that_never_runs_holds_up_nothing(self):
        content = self.content()
        del content["sweep"]
        run = self.measure({**content, "variants": FAULT}, code=1)
        summary = run.read("summary.json")
        known = {c["label"]: k for c, k in zip(summary["configurations"], summary["precision"]["configurations"])}
        self.assertEqual(summary["precision"]["verdict"], "reached")
        self.assertEqual((known["sound"]["reached"], known["dead"]["reached"], known["dead"]["n"]), (True, False, 0))
        self.assertEqual(summary["n_missing"], 0)

    def test_a_dry_run_tells_the_range(self):
        self.write("study.json", self.content(budget_s=1000))
        done = self.run_llem("run", "study.json", "--dry-run")
        self.assertIn("3 to 6 cycles, 6 to 12 trials", done.stdout)
        self.assertIn("output_tokens_per_s is known to ±50 % of each configuration", done.stdout)
        plan = json.loads(self.run_llem("run", "study.json", "--dry-run", "--json").stdout)
        self.assertNotIn("predicted_s", plan, "nobody knows")
        self.write("fixed.json", {**self.content(), "study": {"cycles": 3}})
        least = json.loads(self.run_llem("run", "fixed.json", "--dry-run", "--json").stdout)["predicted_shortest_s"]
        self.assert_close(plan["predicted_shortest_s"], least)
        self.assertGreater(plan["predicted_longest_s"], least)
        self.write("study.json", self.content(budget_s=0.5))
        plan = json.loads(self.run_llem("run", "study.json", "--dry-run", "--json").stdout)
        self.assert_close(plan["predicted_shortest_s"], least / 3)

    def test_it_cannot_be_divided_or_changed(self):
        content = self.content(study_over={"stop_on_failure": True}, script=DEAD)
        run = self.measure(content, code=4)
        self.refused(self.run_llem("run", "--resume", run.path, "--shard", "1/2", code=None), 2, "study.precision",
                     "cannot be divided", "leave out --shard")
        content["study"]["precision"]["relative_half_width"] = 0.1
        self.write("study.json", content)
        for flags in ((), ("--accept-changes",)):
            done = self.run_llem("run", "study.json", "--resume", run.path, *flags, code=None)
            self.refused(done, 2, "study.precision.relative_half_width 0.5 -> 0.1", "start a new study")


if __name__ == "__main__":
    main()
