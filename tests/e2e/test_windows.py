"""Trials of several windows: one engine process, phases in order, sums over the windows, spread by level."""
import json
import os
import unittest

from harness import Case, codes, main, scripted


def windows(count, **over):
    return scripted(measure={"windows_per_trial": count, "window": {"min_s": 0.2, "pad_s": 0.05}}, **over)


class Windows(Case):
    def test_follow_each_other_with_one_engine(self):
        run = self.measure(windows(3))
        self.assertEqual(run.phases(), ["baseline", "load", "loaded_idle", "warmup", "pad_before", "window", "pad_after",
                                        "window", "pad_after", "window", "pad_after", "cooldown"])
        (recording,) = run.recordings()
        names = [phase["name"] for phase in recording["phases"]]
        self.assertEqual(names.count("window"), 3)
        self.assertEqual(names.count("load"), 1)
        times = [(phase["t_begin_ns"], phase["t_end_ns"]) for phase in recording["phases"]]
        for (_, end), (begin, _) in zip(times, times[1:]):
            self.assertLessEqual(end, begin)
        (result,) = run.results()
        self.assert_identities(result)
        self.assertNotIn("timeline_incomplete", codes(result))
        each = result["windows"]
        self.assertEqual([window["window"] for window in each], [1, 2, 3])
        for key in ("output_tokens", "input_tokens", "requests"):
            self.assertEqual(sum(window[key] for window in each), result["throughput"][key])
        self.assert_close(sum(window["window_s"] for window in each), result["throughput"]["window_s"])
        self.assert_close(sum(window["gross_j"]["value"] for window in each), result["energy"]["headline_gross_j"]["value"])
        self.assertFalse(recording["schedule"]["prompts_repeat"])
        self.assert_whole(run)

    def test_launches_and_runs_are_told_apart(self):
        run = self.measure(windows(2, study={"cycles": 3}))
        (configuration,) = run.read("summary.json")["configurations"]
        by_metric = {entry["metric"]: entry for entry in configuration["variance"]}
        self.assertEqual(sorted(by_metric), ["gross_j_per_output_token", "output_tokens_per_s"])
        for entry in by_metric.values():
            self.assertEqual((entry["method"], entry["n_launches"], entry["n_runs"]), ("anova", 3, 6))
            self.assertIn("launch_interval", entry)
            self.assertIn("run_variance", entry)
            self.assertNotIn("launch_and_run_variance", entry)
        self.assertEqual(configuration["output_tokens_per_s"]["interval"]["n"], 3)
        again = self.run_llem("analyse", run.path, code=None)
        self.assertIn("3 launches with 6 windows", " ".join(again.stdout.split()))

    def test_one_window_claims_one_level(self):
        run = self.measure(windows(1, study={"cycles": 2}))
        (configuration,) = run.read("summary.json")["configurations"]
        for entry in configuration["variance"]:
            self.assertEqual(entry["method"], "launches_only")
            self.assertIn("launch_and_run_variance", entry)
            self.assertNotIn("run_variance", entry)

    def test_the_plan_counts_them(self):
        self.write("one.json", windows(1))
        self.write("four.json", windows(4))
        one, four = (self.run_llem("run", name, "--dry-run", "--json").stdout for name in ("one.json", "four.json"))
        shortest = [json.loads(text)["predicted_shortest_s"] for text in (one, four)]
        self.assert_close(shortest[1] - shortest[0], 3 * (0.2 + 0.05))
        self.assertIn("windows       4 a trial", self.run_llem("run", "four.json", "--dry-run").stdout)
        self.assertNotIn("a trial, one after another", self.run_llem("run", "one.json", "--dry-run").stdout)

    def test_prompts_repeat_where_there_are_too_few(self):
        prompts = os.path.join(self.folder, "prompts.txt")
        with open(prompts, "w", encoding="utf-8") as file:
            file.write("".join(f"prompt number {i} with a few more words\n" for i in range(6)))
        run = self.measure(windows(3, workload={"dataset": prompts, "input_tokens": None}))
        (recording,) = run.recordings()
        self.assertTrue(recording["schedule"]["prompts_repeat"])


if __name__ == "__main__":
    main()
