"""Recordings kept in the repository: analysed again they say what they said, and together they fill every block."""
import glob
import math
import os
import re
import shutil
import unittest

import harness

RUNS = os.path.join(harness.SOURCE, "tests", "golden", "runs")
TABLE = os.path.join(harness.SOURCE, "docs", "results.md")
BLOCKS = ("identity", "validity", "energy", "efficiency", "latency", "throughput", "lengths", "windows", "phases",
          "request_energy", "compute", "memory", "thermal", "warmup", "steady", "host_load", "configuration", "overhead", "cost")


def differences(a, b, path=""):
    """Where two documents differ by more than the last digits: compilers may contract or reorder a multiplication."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for key in sorted(set(a) | set(b))
                for d in differences(a.get(key), b.get(key), f"{path}.{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{path}[{i}]")]
    if isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-11, abs_tol=1e-12):
        return []
    return [] if a == b or path.endswith(".identity.tool") or path == ".tool_version" else [f"{path}: {a!r} != {b!r}"]


class GoldenRuns(harness.Case):
    def test_analysed_again_they_say_what_they_said(self):
        with open(os.path.join(RUNS, "..", "user.yaml"), encoding="utf-8") as file:
            self.write(os.path.join(self.make(os.path.join("config", "llem")), "config.yaml"), file.read())
        names = sorted(os.listdir(RUNS))
        self.assertGreaterEqual(len(names), 2)
        for name in names:
            with self.subTest(name):
                kept = os.path.join(RUNS, name)
                copy = os.path.join(self.make(name), "run")
                shutil.copytree(kept, copy)
                for path in glob.glob(os.path.join(copy, "trials", "*", "result.json")):
                    os.remove(path)
                os.remove(os.path.join(copy, "summary.json"))
                self.run_llem("analyse", copy, code=None)
                for path in glob.glob(os.path.join(kept, "trials", "*", "result.json")) + [
                        os.path.join(kept, "summary.json")]:
                    again = os.path.join(copy, os.path.relpath(path, kept))
                    self.assertEqual(differences(harness.read_json(path), harness.read_json(again)), [])

    def test_energy_of_requests_adds_up_to_that_of_the_window(self):
        told = set()
        for path in glob.glob(os.path.join(RUNS, "*", "trials", "*", "result.json")):
            result = harness.read_json(path)
            for by in result.get("request_energy", {}).get("definitions", []):
                gross = result["energy"]["headline_gross_j"]["value"]
                self.assertTrue(math.isclose(by["sum_j"] + by["unattributed_j"], gross, rel_tol=1e-9), (path, by))
                self.assertTrue(math.isclose(by["mean_j"] * by["n"], by["sum_j"], rel_tol=1e-9), (path, by))
                told.add(by["definition"])
        self.assertEqual(told, {"window_average", "token_time_share"})

    def test_every_block_is_filled_by_the_run_the_table_names(self):
        with open(TABLE, encoding="utf-8") as file:
            rows = dict(re.findall(r"^\| `(\w+)` \|.*\| `tests/golden/runs/([\w-]+)` \|$", file.read(), re.M))
        self.assertEqual(sorted(rows), sorted(BLOCKS))
        for block, name in rows.items():
            results = [harness.read_json(path) for path in
                       glob.glob(os.path.join(RUNS, name, "trials", "*", "result.json"))]
            self.assertTrue(any(result.get(block) for result in results), f"{block} in {name}")


if __name__ == "__main__":
    unittest.main()
