"""Energy of sensors that a fake driver plays in real time, through the whole program: against the closed-form integral over
the window that the program reports, and with every return code at every call."""
import concurrent.futures
import json
import math
import os
import random
import re
import struct

from harness import SOURCE, codes, main, read_json, scripted
from test_meters import MEASURE, Meters, window_of

UUID = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
_draws = random.Random(1)
NOISE = {"segments": [[0.01, w, w] for w in (_draws.uniform(70, 90) for _ in range(701))]}
# What the GPU draws at all times, and what every step of the engine adds.
LOADS = {"100/150 W": ({"shape": "constant", "w": 100}, 50), "80/400 W": ({"shape": "constant", "w": 80}, 320),
         "noisy": (NOISE, 320)}
# Powers that go on before and after the window as within it.
WAVES = {"square": {"segments": [[0.125, 100, 100], [0.125, 150, 150]]},
         "llm": {"segments": [[0.06, 420, 420], [0.30, 230, 250], [0.02, 90, 90]]},
         "noise": {"segments": [[0.01, w, w] for w in (_draws.uniform(150, 350) for _ in range(701))]}}

VOLTA = {"architecture": 5, "compute_capability": [7, 0], "update_period_s": 0.02, "window_s": 0.01,
         "average_window_s": 0.01, "draw_window_s": 0.01}
ADA = {"architecture": 8, "compute_capability": [8, 9], "update_period_s": 0.1, "window_s": 0.1}
ONLY_AVERAGES = {"errors": {"field:186": 3}, "update_period_s": 0.1, "average_window_s": 1}


def counter(period_s):
    return {"counter": {"period_s": period_s}}


NO_COUNTER = {"counter": {"present": False}}
# Each sensor, and the largest standard uncertainty it may claim of a window of 4 s, relative to the energy.
SENSORS = {
    "counter 20 ms": ({**VOLTA, **counter(0.02)}, 0.01),
    "counter 100 ms": ({**ADA, **counter(0.1013)}, 0.03),
    "counter 1000 ms": ({**ADA, **counter(0.97)}, 0.30),
    "power 20 ms": ({**VOLTA, **NO_COUNTER}, 0.03),
    "power 100 ms": ({**ADA, **NO_COUNTER}, 0.03),
    "power 1000 ms": ({**ADA, **NO_COUNTER, **ONLY_AVERAGES}, 0.30)}
RUNS = [("100/150 W", sensor) for sensor in SENSORS] + [
    (load, sensor) for load in ("80/400 W", "noisy") for sensor in ("counter 100 ms", "power 20 ms", "power 100 ms")]

CODES = (1, 2, 3, 4, 6, 7, 9, 10, 13, 15, 17, 999)


def calls():
    """The functions that the fake offers, less those that change something."""
    names = set()
    for path in ("fake_nvml.cpp", "fake_nvml_fields.cpp"):
        with open(os.path.join(SOURCE, "tests", "fakes", path), encoding="utf-8") as file:
            names |= set(re.findall(r"nvml(?:Device|System|Init)\w*", file.read()))
    return sorted(name for name in names if not re.search(r"Set|Reset|Locked", name))


def integral(wave, t):
    """Joules from time 0 to t, exactly."""
    if wave.get("shape") == "constant":
        return wave["w"] * t
    length = sum(seconds for seconds, _, _ in wave["segments"])
    whole = sum(seconds * (low + high) / 2 for seconds, low, high in wave["segments"])
    periods = math.floor(t / length)
    rest, joules = t - periods * length, periods * whole
    for seconds, low, high in wave["segments"]:
        into = min(max(rest, 0), seconds)
        joules += into * (low + (high - low) * into / seconds / 2)
        rest -= seconds
    return joules


def busy_seconds(path, begin, end):
    """Of the steps that the engine wrote down, between two moments."""
    with open(path, "rb") as file:
        times = [t * 1e-9 for (t,) in struct.iter_unpack("<q", file.read())]
    return sum(max(0, min(b, end) - max(a, begin)) for a, b in zip(times[::2], times[1::2]))


class Truth(Meters):
    def figure(self, sensor, power, load_w, window):
        """(energy, its standard uncertainty, truth) of the window."""
        facts, largest_u = SENSORS[sensor]
        steps = os.path.join(self.folder, "steps")
        env = self.gpus({"uuid": UUID, "power": power, "load_w": load_w, "steps_file": steps, **facts})
        result, recording = self.result(env, code=None, deploy={"scripted": {"decode_step_s": 0.002, "steps_file": steps}},
                                        measure={**MEASURE["measure"], "window": window})
        scope = self.scope(result, f"gpu:{UUID}")
        self.assertEqual(scope["method"].startswith("counter"), sensor.startswith("counter"), scope["method"])
        begin, end = window_of(recording)
        truth = (integral(power, end) - integral(power, begin)) + load_w * busy_seconds(steps, begin, end)
        energy, u = scope["gross"]["value"], scope["gross"]["u_random"]
        print(f"{sensor:16} {scope['method']:22} {end - begin:.2f} s, error {100 * (energy / truth - 1):+.3f} %, "
              f"u {100 * u / truth:.3f} %")
        self.assertLess(u, largest_u * truth * 4 / window["min_s"], "a huge interval is no answer")
        self.assertLess(abs(energy - truth), 5 * u, "the interval must hold the truth")
        return energy, u, truth

    def figures(self, cases, window, beyond):
        """Intervals of k = 2 miss one time in twenty; more than `beyond` of them would by chance one time in 400 or less."""
        missed = []
        for name, sensor, power, load_w in cases:
            with self.subTest(f"{name} by {sensor}"):
                self.setUp()
                energy, u, truth = self.figure(sensor, power, load_w, window)
                if abs(energy - truth) > 2 * u:
                    missed.append((name, sensor))
        self.assertLessEqual(len(missed), beyond, missed)

    def test_twelve_runs_between_idle_pads(self):
        self.assertEqual(len(RUNS), 12)
        self.figures([(load, sensor, *LOADS[load]) for load, sensor in RUNS], {"min_s": 4, "pad_s": 1.2}, 3)

    def test_one_second(self):
        self.figures([("100/150 W", "counter 100 ms", *LOADS["100/150 W"])] * 4, {"min_s": 1, "pad_s": 1}, 2)

    def test_a_power_that_goes_on_in_the_pads(self):
        """Then nothing says where in its ups and downs the window begins: the interval must."""
        self.figures([(wave, sensor, WAVES[wave], 0) for wave, sensor in
                      (("square", "counter 100 ms"), ("llm", "counter 100 ms"), ("noise", "counter 20 ms"),
                       ("llm", "power 100 ms"), ("noise", "power 100 ms"))], {"min_s": 4, "pad_s": 1.2}, 2)


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
