"""Sensors from a fake driver and a fake sysfs, through the whole program: energy against its closed form, and sensors
that are missing, denied, frozen, reset or lost."""
import ctypes
import json
import math
import os
import subprocess
import sys
import time

from harness import SOURCE, Case, codes, main, required, scripted

MAKE_SYSFS = os.path.join(SOURCE, "tests", "fakes", "make_sysfs.py")
A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000000", "GPU-bbbbbbbb-0000-0000-0000-000000000000"
MEASURE = {"measure": {"sample_hz": 100, "baseline": {"bare_s": 0.3, "loaded_s": 0.5}, "window": {"min_s": 1.2, "pad_s": 0.5}}}
RAMP = {"segments": [[40, 100, 500]]}
STEADY = {"shape": "constant", "w": 60}
_KEEP = {}  # the C library must outlive the fork


def without_override():
    """In the child: a root that file modes hold for, like any other user."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        _KEEP["libc"].prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def power_at(wave, t):
    if wave.get("shape") == "constant":
        return wave["w"]
    rest = math.fmod(t, sum(s for s, _, _ in wave["segments"]))
    for seconds, low, high in wave["segments"]:
        if rest < seconds:
            return low + (high - low) * rest / seconds
        rest -= seconds
    return wave["segments"][-1][2]


def joules(wave, begin, end, steps=20000):
    """The integral, by the midpoint rule, exact on straight pieces but for the few steps with a corner."""
    width = (end - begin) / steps
    return width * sum(power_at(wave, begin + (i + 0.5) * width) for i in range(steps))


def window_of(recording):
    for phase in recording["phases"]:
        if phase["name"] == "window":
            return phase["t_begin_ns"] * 1e-9, phase["t_end_ns"] * 1e-9
    raise AssertionError("there was no window")


class Meters(Case):
    def gpus(self, *devices, **more):
        """The environment of a driver with these devices."""
        scenario = {"devices": list(devices), **more}
        return {"LLEM_NVML_LIBRARY": required("LLEM_FAKE_NVML_LIBRARY"),
                "LLEM_FAKE_NVML": "@" + self.write("driver.json", scenario)}

    def rapl(self, *options, live=True):
        root = self.make("machine")
        command = [sys.executable, "-B", MAKE_SYSFS, root, "--dies", "1", *options]
        if not live:
            subprocess.run(command, check=True)
            return {"LLEM_SYSFS_ROOT": root}
        self.maker = subprocess.Popen([*command, "--live"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_maker)
        self.assertEqual(self.maker.stdout.readline(), "ready\n")
        return {"LLEM_SYSFS_ROOT": root}

    def end_maker(self):
        self.maker.kill()
        self.maker.wait()
        self.maker.stdout.close()

    def result(self, env, code=0, **over):
        study = scripted({"decode_step_s": 0.002}, **MEASURE)
        for key, value in over.items():
            study[key] = {**study[key], **value}
        run = self.measure(study, env=env, code=code)
        self.run = run
        self.assert_whole(run)
        return run.results()[0], run.recordings()[0]

    def scope(self, result, name):
        found = [scope for scope in result["energy"]["scopes"] if scope["scope"] == name]
        self.assertEqual(len(found), 1, [scope["scope"] for scope in result["energy"]["scopes"]])
        return found[0]

    def assert_energy(self, value, expected, relative=0.03):
        """Within the tolerance, and within what the program says of its own randomness."""
        self.assertLess(abs(value["value"] - expected), relative * expected + 3 * value.get("u_random", 0),
                        f"{value} is not {expected}")
        self.assertEqual(value["source"], "measured")

    def no_number(self, result):
        """What was not measured is nowhere."""
        self.assertEqual(result["validity"]["state"], "invalid")
        self.assertNotIn("headline_gross_j", result.get("energy", {}))
        self.assertNotIn("gross_j_per_output_token", result.get("efficiency", {}))


class Gpu(Meters):
    def test_each_device_by_its_counter(self):
        env = self.gpus({"uuid": A, "power": RAMP}, {"uuid": B, "power": STEADY, "pci": "0000:5e:00.0"})
        result, recording = self.result(env)
        begin, end = window_of(recording)
        for uuid, wave in ((A, RAMP), (B, STEADY)):
            scope = self.scope(result, f"gpu:{uuid}")
            self.assertTrue(scope["method"].startswith("counter"), scope["method"])
            self.assert_energy(scope["gross"], joules(wave, begin, end))
        energy = result["energy"]
        self.assertEqual(energy["headline_scope"], "gpu")
        self.assert_close(energy["headline_gross_j"]["value"], sum(s["gross"]["value"] for s in energy["scopes"]))
        self.assertNotIn("estimated_total_j", energy)
        self.assertNotIn("estimated_energy", codes(result))
        self.assert_identities(result)
        self.assertEqual([d["power_limit_w"] for d in result["thermal"]["devices"]], [700, 700])

    def test_only_the_devices_it_was_given(self):
        devices = ({"uuid": A, "power": RAMP}, {"uuid": B, "power": STEADY, "pci": "0000:5e:00.0"})
        self.write("study.json", scripted(**MEASURE))
        for named in (B, "1", "0000:5e:00.0"):
            with self.subTest(named):
                self.setUp()
                result, _ = self.result(self.gpus(*devices), deploy={"devices": [named]})
                self.assert_close(result["energy"]["headline_gross_j"]["value"],
                                  self.scope(result, f"gpu:{B}")["gross"]["value"])
                self.assertEqual([s["scope"] for s in result["energy"]["scopes"]], [f"gpu:{B}"])
        self.write("study.json", scripted(deploy={"devices": ["GPU-none"]}))
        done = self.run_llem("run", "study.json", env=self.gpus(*devices), code=None)
        self.assertIn(done.returncode, (2, 3))
        self.refused(done, done.returncode, "GPU-none")

    def test_no_counter_then_the_integral_of_power(self):
        result, recording = self.result(self.gpus({"uuid": A, "power": RAMP, "counter": {"present": False}}))
        scope = self.scope(result, f"gpu:{A}")
        self.assertEqual(scope["method"], "power_integral")
        self.assert_energy(scope["gross"], joules(RAMP, *window_of(recording)), 0.05)
        self.assert_identities(result)

    def test_a_counter_that_stands_still_is_not_believed(self):
        env = self.gpus({"uuid": A, "power": STEADY, "counter": {"frozen_after_s": 0.5}})
        result, recording = self.result(env)
        self.assertIn("counter_frozen", codes(result))
        self.assertNotEqual(result["validity"]["state"], "valid")
        scope = self.scope(result, f"gpu:{A}")
        self.assertFalse(scope["method"].startswith("counter"), scope["method"])
        self.assert_energy(scope["gross"], joules(STEADY, *window_of(recording)), 0.05)

    def test_a_counter_that_ran_backwards(self):
        """The first second and a half are baseline, load and pad: the reset falls into the window."""
        env = self.gpus({"uuid": A, "power": STEADY, "counter": {"reset_after_s": 2.2}})
        result, _ = self.result(env, code=4, measure={**scripted(**MEASURE)["measure"], "window": {"min_s": 2.5, "pad_s": 0.5}})
        self.assertIn("counter_reset", codes(result))
        self.assertEqual(result["validity"]["state"], "invalid")

    def test_a_gpu_that_falls_off_the_bus(self):
        env = self.gpus({"uuid": A, "power": STEADY, "errors": {"*": {"code": 15, "after_s": 2.2}}})
        result, _ = self.result(env, code=4, measure={**scripted(**MEASURE)["measure"], "window": {"min_s": 2.5, "pad_s": 0.5}})
        self.assertIn("sensor_lost", codes(result))
        self.no_number(result)
        self.assertEqual(self.run.manifest()[-1][1], "failed")

    def test_one_of_two_is_lost(self):
        """The sum over the rest would be a wrong number for the deployment."""
        env = self.gpus({"uuid": A, "power": STEADY},
                        {"uuid": B, "power": STEADY, "pci": "0000:5e:00.0", "errors": {"*": {"code": 15, "after_s": 2.2}}})
        result, _ = self.result(env, code=4, measure={**scripted(**MEASURE)["measure"], "window": {"min_s": 2.5, "pad_s": 0.5}})
        self.assertIn("sensor_lost", codes(result))
        self.no_number(result)

    def test_no_power_sensor_at_all(self):
        env = self.gpus({"uuid": A, "power": STEADY, "utilisation_percent": 50, "counter": {"present": False},
                         "errors": {"field:185": 3, "field:186": 3, "field:191": 3, "nvmlDeviceGetPowerUsage": 3,
                                    "nvmlDeviceGetTotalEnergyConsumption": 3}})
        result, _ = self.result(env, code=None)
        if "no_energy" in codes(result):
            self.no_number(result)
            return
        self.assertIn("estimated_energy", codes(result))
        self.assertEqual(result["validity"]["state"], "flagged")
        self.assertEqual(result["energy"]["headline_gross_j"]["source"], "estimated")
        self.assertGreater(result["energy"]["headline_gross_j"]["value"], 0)

    def test_throttled_by_heat(self):
        env = self.gpus({"uuid": A, "power": STEADY, "throttle_ns_per_s": {"270": 5e8}})
        result, _ = self.result(env, code=4)
        self.assertIn("throttled_thermal", codes(result))
        self.assertLess(abs(result["thermal"]["devices"][0]["throttle"]["hw_thermal_ratio"] - 0.5), 0.1)

    def test_throttled_by_the_power_cap(self):
        result, _ = self.result(self.gpus({"uuid": A, "power": STEADY, "throttle_ns_per_s": {"74": 2e8}}))
        self.assertIn("throttled_power", codes(result))
        self.assertEqual(result["validity"]["state"], "flagged")

    def test_memory_that_somebody_else_holds(self):
        result, _ = self.result(self.gpus({"uuid": A, "power": STEADY, "memory_used_bytes": 20 << 30}))
        self.assertIn("residual_memory", codes(result))
        self.assertEqual(result["validity"]["state"], "flagged")

    def changing(self, **more):
        """A GPU whose memory in use and processes stand in files; what writes them; a study for it."""
        files = {name: os.path.join(self.folder, name) for name in ("memory_file", "processes_file")}

        def put(name, text):
            with open(files[name] + ".new", "w", encoding="utf-8") as file:
                file.write(text)
            os.rename(files[name] + ".new", files[name])
        measure = {**scripted(**MEASURE)["measure"], "window": {"min_s": 3, "pad_s": 0.5}, **more}
        self.write("study.json", {**scripted({"decode_step_s": 0.002}), "measure": measure})
        return self.gpus({"uuid": A, "power": STEADY, **files}), put

    def test_memory_that_somebody_else_holds_can_refuse_the_trial(self):
        env, put = self.changing(foreign="fail")
        put("memory_file", str(20 << 30))
        self.run_llem("run", "study.json", env=env, code=4)
        run = self.the_run()
        recording = run.recordings()[0]
        self.assertEqual(recording["outcome"]["code"], "device_busy")
        self.assertIn(f"20.0 GiB of gpu:{A}", recording["outcome"]["message"])
        self.assertIn("nvidia-smi", recording["outcome"]["message"])
        self.assertEqual(recording["phases"], [])
        self.assertNotIn("worker.log", os.listdir(run.trials[0]))
        self.assertEqual(run.results()[0]["validity"]["state"], "invalid")
        self.assert_whole(run)

    def test_memory_that_cannot_be_read_is_not_taken_for_free(self):
        unread = {"errors": {"nvmlDeviceGetMemoryInfo": 4, "nvmlDeviceGetMemoryInfo_v2": 4}}
        for policy, code, text in (("fail", 4, "cannot be told"), ("wait", 0, "cannot be read"), ("warn", 0, "")):
            with self.subTest(policy):
                self.write("study.json", scripted({"decode_step_s": 0.002}, measure={**MEASURE["measure"], "foreign": policy}))
                done = self.run_llem("run", "study.json", env=self.gpus({"uuid": A, "power": STEADY}, **unread), code=code)
                self.assertIn(text, done.stdout + done.stderr)

    def test_memory_that_somebody_else_holds_can_be_waited_for(self):
        env, put = self.changing(foreign="wait")
        put("memory_file", str(20 << 30))
        live = self.start("run", "study.json", env=env)
        live.until(f"until others free 20.0 GiB of gpu:{A}")
        time.sleep(0.5)
        self.assertEqual(self.engines(), [])
        put("memory_file", str(256 << 20))
        self.assertEqual(live.end()[0], 0, live.lines)
        self.assertNotIn("residual_memory", codes(self.the_run().results()[0]))

    def test_memory_that_is_free_is_not_waited_for(self):
        for policy in ("wait", "fail"):
            env, _ = self.changing(foreign=policy, window={"min_s": 0.5, "pad_s": 0.2})
            done = self.run_llem("run", "study.json", env=env)
            self.assertNotIn("until others", done.stderr)

    def test_somebody_else_comes_while_the_window_runs(self):
        env, put = self.changing()
        live = self.start("run", "study.json", env=env)
        live.until("window")
        put("memory_file", str(1 << 30))
        self.assertEqual(live.end()[0], 0, live.lines)
        result = self.the_run().results()[0]
        self.assertIn("foreign_process", codes(result))
        self.assertNotIn("residual_memory", codes(result))

    def test_somebody_elses_process_beside_the_engine(self):
        for others, flagged in (("", False), ("4000000 500000000\n", True)):
            env, put = self.changing()
            live = self.start("run", "study.json", env=env)
            live.until("loaded_idle")
            (engine,) = self.engines()
            put("processes_file", f"{engine} 1000000000\n{others}")
            self.assertEqual(live.end()[0], 0, live.lines)
            run = self.runs()[-1]
            processes = run.recordings()[0]["device_processes"]
            self.assertEqual(sorted({(p["pid"], p["own"]) for p in processes}),
                             [(engine, True)] + ([(4000000, False)] if flagged else []))
            self.assertEqual("foreign_process" in codes(run.results()[0]), flagged)
            os.remove(os.path.join(self.folder, "processes_file"))

    def test_idle_that_is_not_what_it_was(self):
        """The power steps by 30 W within the window, which begins about two seconds after the start, and stays there."""
        step = time.monotonic() + 3.5
        wave = {"segments": [[step, 60, 60], [1e6, 90, 90]]}
        env = self.gpus({"uuid": A, "power": wave, "counter": {"period_s": 0.02}})
        result, recording = self.result(env, measure={**scripted(**MEASURE)["measure"], "window": {"min_s": 6, "pad_s": 0.5},
                                                      "cooldown_s": 1})
        begin, end = window_of(recording)
        self.assertTrue(begin < step < end)
        self.assertIn("idle_drift", codes(result))
        gpu = self.scope(result, "gpu:" + A)
        self.assert_energy(gpu["gross"], joules(wave, begin, end), 0.01)
        self.assertEqual([i["kind"] for i in gpu["idles"]], ["bare_idle", "loaded_idle", "pad", "loaded_idle_after"])
        self.assertAlmostEqual(gpu["idle_drift_w"]["value"], 30, delta=1)
        self.assertAlmostEqual(gpu["idle"]["power_w"], 75, delta=1)
        self.assertAlmostEqual(gpu["idle"]["u_w"], 30 / math.sqrt(12), delta=0.5)
        self.assert_identities(result)
        self.assertGreater(recording["engine_stopped_ns"] * 1e-9, end + 0.9)

    def test_a_slice_of_a_gpu(self):
        result, _ = self.result(self.gpus({"uuid": A, "power": STEADY, "mig": True, "mig_instances": ["MIG-1"]}))
        self.assertIn("mig_parent_energy", codes(result))

    def test_doctor_names_the_cause(self):
        text = self.run_llem("doctor").stdout
        self.assertRegex(text, r"missing +meter nvml +.*no-driver\.so")
        self.assertIn("install the NVIDIA driver", text)
        for code, word in ((9, "driver"), (18, "mismatch"), (4, "permission")):
            done = self.run_llem("doctor", env=self.gpus({"uuid": A}, errors={"nvmlInit_v2": code}))
            self.assertRegex(done.stdout, r"missing +meter nvml")
            self.assertIn(word, done.stdout.lower())
        done = self.run_llem("doctor", env=self.gpus({"uuid": A}))
        self.assertRegex(done.stdout, rf"ok +meter nvml +.*{A}")


class Rapl(Meters):
    def test_packages_and_memory(self):
        result, recording = self.result(self.rapl("--packages", "2", "--power-w", "80", "--dram-w", "8"))
        begin, end = window_of(recording)
        for name, watts in (("package-0", 80), ("package-1", 80), ("dram-0", 8), ("dram-1", 8)):
            self.assert_energy(self.scope(result, name)["gross"], watts * (end - begin), 0.02)
        energy = result["energy"]
        self.assertEqual(energy["headline_scope"], "cpu_package+dram")
        self.assert_energy(energy["headline_gross_j"], 176 * (end - begin), 0.02)
        self.assertNotIn("estimated_energy", codes(result))
        self.assertNotIn("estimated_total_j", energy)
        self.assert_identities(result)
        # A constant power leaves nothing above idle.
        self.assertLess(abs(energy["headline_net_j"]["value"]), 0.05 * energy["headline_gross_j"]["value"])

    def test_a_counter_that_passes_its_maximum(self):
        """40 J of range at 40 W: it wraps every second."""
        result, recording = self.result(self.rapl("--no-dram", "--power-w", "40", "--range-uj", "40000000",
                                                  "--start-uj", "1000"))
        begin, end = window_of(recording)
        self.assert_energy(self.scope(result, "package-0")["gross"], 40 * (end - begin), 0.02)
        self.assertNotIn("counter_reset", codes(result))

    def test_zones_that_overlap_are_added_once(self):
        """Cores lie within the package, psys around it, and MMIO shows the package again."""
        env = self.rapl("--cores", "--psys", "--mmio", "--power-w", "80", "--dram-w", "8")
        result, recording = self.result(env)
        begin, end = window_of(recording)
        self.assert_energy(result["energy"]["headline_gross_j"], 88 * (end - begin), 0.02)
        total = result["energy"]["measured_total_j"]["value"]
        self.assertTrue(any(abs(total - watts * (end - begin)) < 0.03 * total for watts in (88, 120)), total / (end - begin))

    def test_beside_a_gpu_the_headline_is_the_gpu(self):
        env = {**self.rapl("--power-w", "80", "--dram-w", "8"), **self.gpus({"uuid": A, "power": RAMP})}
        result, recording = self.result(env)
        begin, end = window_of(recording)
        energy = result["energy"]
        self.assertEqual(energy["headline_scope"], "gpu")
        self.assert_energy(energy["headline_gross_j"], joules(RAMP, begin, end))
        self.assert_energy(self.scope(result, "package-0")["gross"], 80 * (end - begin), 0.02)
        self.assert_close(energy["measured_total_j"]["value"], sum(s["gross"]["value"] for s in energy["scopes"]))
        self.assert_close(result["efficiency"]["mean_power_w"] * result["throughput"]["window_s"],
                          energy["headline_gross_j"]["value"])

    def test_only_the_meters_it_was_told(self):
        env = {**self.rapl("--power-w", "80"), **self.gpus({"uuid": A, "power": RAMP})}
        result, _ = self.result(env, measure={**scripted(**MEASURE)["measure"], "meters": ["nvml"]})
        self.assertEqual([s["scope"] for s in result["energy"]["scopes"]], [f"gpu:{A}"])

    def test_a_meter_that_was_asked_for_must_work(self):
        for meter in ("nvml", "rapl"):
            self.write("study.json", scripted(measure={"meters": [meter]}))
            done = self.run_llem("run", "study.json", code=None)
            self.refused(done, 3, f"`{meter}`", "hint:")
        self.assertEqual(self.runs(), [])

    def stopped_in_the_window(self):
        """A run whose counter counts until the middle of the window."""
        self.write("study.json", {**scripted(**MEASURE), "measure": {**scripted(**MEASURE)["measure"],
                                                                     "window": {"min_s": 3, "pad_s": 0.5}}})
        live = self.start("run", "study.json", env=self.rapl("--no-dram", "--power-w", "80"))
        live.until(": window")
        time.sleep(0.3)
        self.end_maker()
        return live

    def test_a_counter_that_stops(self):
        live = self.stopped_in_the_window()
        live.end()
        result = self.the_run().results()[0]
        self.assertIn("counter_frozen", codes(result))
        self.assertNotEqual(result["validity"]["state"], "valid")

    def test_a_counter_that_disappears(self):
        live = self.stopped_in_the_window()
        os.truncate(os.path.join(self.folder, "machine/sys/class/powercap/intel-rapl:0/energy_uj"), 0)
        self.assertEqual(live.end()[0], 4, live.lines)
        result = self.the_run().results()[0]
        self.assertIn("sensor_lost", codes(result))
        self.assertEqual(result["validity"]["state"], "invalid")
        self.assertNotIn("measured_total_j", result["energy"])
        self.assertEqual(result["energy"]["headline_gross_j"]["source"], "estimated", "never what was read so far")

    def test_doctor_tells_how_to_be_allowed(self):
        _KEEP["libc"] = ctypes.CDLL(None)
        env = {**self.env, **self.rapl("--deny", live=False)}
        done = subprocess.run([self.llem, "doctor", "--json"], env=env, stdout=subprocess.PIPE, text=True, check=False,
                              cwd=self.folder, preexec_fn=without_override if os.geteuid() == 0 else None)
        self.assertEqual(done.returncode, 0)
        check = next(c for c in json.loads(done.stdout)["checks"] if c["subject"] == "meter rapl")
        self.assertEqual(check["state"], "missing")
        self.assertIn("energy_uj", check["detail"])
        self.assertIn("setcap cap_perfmon", check["fix"])
        self.assertIn("udev", check["fix"])
        self.assertIn("±50 %", check["accuracy"])

    def test_doctor_of_a_machine_that_can(self):
        text = self.run_llem("doctor", env=self.rapl()).stdout
        self.assertRegex(text, r"ok +meter rapl +package-0.*dram-0")
        self.assertNotIn("estimate", text.split("meter rapl")[1].split("\n")[0])

    def test_counters_of_a_virtual_machine_that_never_move(self):
        env = self.rapl("--start-uj", "0", live=False)
        self.assertRegex(self.run_llem("doctor", env=env).stdout, r"missing +meter rapl +.*zero")
        result, _ = self.result(env)
        self.assertIn("estimated_energy", codes(result))


if __name__ == "__main__":
    main(shards=5)
