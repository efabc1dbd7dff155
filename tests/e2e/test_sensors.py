"""Sensors that a fake driver plays in real time, through the whole program, with every return code at every call."""
import concurrent.futures
import json
import os
import re

from harness import SOURCE, codes, main, read_json, scripted
from test_meters import MEASURE, Meters

UUID = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
CODES = (1, 2, 3, 4, 6, 7, 9, 10, 13, 15, 17, 999)


def calls():
    """The functions that the fake offers, less those that change something."""
    names = set()
    for path in ("fake_nvml.cpp", "fake_nvml_fields.cpp"):
        with open(os.path.join(SOURCE, "tests", "fakes", path), encoding="utf-8") as file:
            names |= set(re.findall(r"nvml(?:Device|System|Init)\w*", file.read()))
    return sorted(name for name in names if not re.search(r"Set|Reset|Locked", name))


class ReturnCodes(Meters):
    def outcome(self, call, code, after_s):
        study = scripted({"decode_step_s": 0.002}, **MEASURE)
        folder = self.make(f"{call}-{code}-{after_s}")
        path = os.path.join(folder, "study.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(study, file)
        driver = os.path.join(folder, "driver.json")
        with open(driver, "w", encoding="utf-8") as file:
            json.dump({"devices": [{"uuid": UUID, "power": {"shape": "constant", "w": 60}}],
                       "errors": {call: {"code": code, "after_s": after_s}}}, file)
        env = {**self.gpus(), "LLEM_FAKE_NVML": "@" + driver}
        done = self.run_llem("run", path, "--no-lock", "-o", os.path.join(folder, "runs"), env=env, code=None)
        results = [os.path.join(here, name) for here, _, names in os.walk(os.path.join(folder, "runs"))
                   for name in names if name == "result.json"]
        return done, [read_json(name) for name in results]

    def check(self, call, code, after_s):
        done, results = self.outcome(call, code, after_s)
        place = f"{call} answers {code} after {after_s} s: {done.stderr[-600:]}"
        self.assertIn(done.returncode, (0, 1, 3, 4), place)
        if done.returncode == 3:
            self.assertIn("error: ", done.stderr, place)
            return
        self.assertEqual(len(results), 1, place)
        energy = results[0].get("energy", {}).get("headline_gross_j")
        if energy is None:
            self.assertNotEqual(results[0]["validity"]["state"], "valid", place)
            return
        self.assertGreater(energy["value"], 0, place)
        if energy["source"] == "measured":
            self.assertLess(abs(results[0]["energy"]["headline_gross_j"]["value"] /
                                results[0]["throughput"]["window_s"] - 60), 3, place)
        else:
            self.assertEqual(results[0]["validity"]["state"], "flagged", place)
            self.assertIn("estimated_energy", codes(results[0]), place)

    def test_every_call_fails_from_the_start_or_later(self):
        """Each call with a code of its own turn, and those that carry energy with all of them."""
        carry = ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage")
        cases = [(call, CODES[(turn + part) % len(CODES)], after_s)
                 for turn, call in enumerate(calls()) for part, after_s in enumerate((0, 2.0))]
        cases += [(call, code, 2.0) for call in carry for code in CODES]
        self.assertGreater(len(cases), 100)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pending = {pool.submit(self.check, *case): case for case in dict.fromkeys(cases)}
            for done in concurrent.futures.as_completed(pending):
                with self.subTest(str(pending[done])):
                    done.result()


if __name__ == "__main__":
    main()
