"""Power limits and clocks that a study sets, on fake GPUs whose state lies in a file that every process shares."""
import os
import signal
import time

from harness import Case, codes, main, required, scripted

A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000000", "GPU-bbbbbbbb-0000-0000-0000-000000000000"
MEASURE = {"measure": {"sample_hz": 100, "baseline": {"bare_s": 0.3, "loaded_s": 0.3},
                       "window": {"min_s": 2.5, "pad_s": 0.2}}}
ORIGINAL = [(0, 0, 0), (0, 0, 0)]  # nothing was set yet


class Limits(Case):
    def machine(self, **more):
        self.state_file = os.path.join(self.folder, "gpu-state")
        scenario = {"devices": [{"uuid": A}, {"uuid": B, "pci": "0000:5e:00.0", "power_limit_w": 650}],
                    "state_file": self.state_file, **more}
        return {"LLEM_NVML_LIBRARY": required("LLEM_FAKE_NVML_LIBRARY"), "LLEM_LOCK_DIR": self.make("locks"),
                "LLEM_FAKE_NVML": "@" + self.write("driver.json", scenario)}

    def state(self):
        """[(power limit in mW, SM clock, memory clock)] as set; 0: never, or unlocked."""
        if not os.path.exists(self.state_file):
            return ORIGINAL
        with open(self.state_file, "rb") as file:
            data = file.read().ljust(24, b"\0")
        numbers = [int.from_bytes(data[i:i + 4], "little") for i in range(0, 24, 4)]
        return [tuple(numbers[:3]), tuple(numbers[3:])]

    def set_limit(self, milliwatts):
        """As another program would, of the first GPU."""
        with open(self.state_file, "r+b") as file:
            file.write(milliwatts.to_bytes(4, "little"))

    def study(self, **deploy):
        return scripted({"decode_step_s": 0.002}, **MEASURE, deploy=deploy)

    def test_are_in_force_while_it_measures_and_recorded(self):
        self.write("study.json", self.study(power_limit_w=300, clocks={"sm_mhz": 1200, "memory_mhz": 1593}))
        live = self.start("run", "study.json", env=self.machine())
        live.until("window")
        self.assertEqual(self.state(), [(300000, 1200, 1593), (300000, 1200, 1593)])
        self.assertEqual(live.end()[0], 0)
        self.assertEqual(self.state(), [(700000, 0, 0), (650000, 0, 0)])
        run = self.the_run()
        self.assert_whole(run)
        result, recording = run.results()[0], run.recordings()[0]
        self.assertEqual([d["power_limit_w"] for d in result["thermal"]["devices"]], [300, 300])
        for device in recording["devices"]:
            if device["kind"] == "gpu":
                facts = device["facts"]
                self.assertEqual((facts["power_limit_enforced_w"], facts["clock_sm_locked_hz"],
                                  facts["clock_memory_locked_hz"]), (300, 1200e6, 1593e6))
        for code in ("limit_changed", "effective_config_differs", "limits_not_restored", "guard_lost"):
            self.assertNotIn(code, codes(result))

    def test_come_back_when_it_is_killed(self):
        for number, whole_group in ((signal.SIGKILL, False), (signal.SIGKILL, True), (signal.SIGTERM, False)):
            with self.subTest(number=number, whole_group=whole_group):
                self.write("study.json", self.study(power_limit_w=300))
                live = self.start("run", "study.json", env=self.machine())
                live.until("window")
                self.assertEqual(self.state()[0][0], 300000)
                if whole_group:
                    for pid in self.processes():
                        os.kill(pid, number)
                else:
                    live.send(number)
                until = time.monotonic() + 6
                while self.state() != [(700000, 0, 0), (650000, 0, 0)] and time.monotonic() < until:
                    time.sleep(0.02)
                self.assertEqual(self.state(), [(700000, 0, 0), (650000, 0, 0)])
                live.end()
                for pid in self.processes():
                    os.kill(pid, signal.SIGKILL)

    def test_are_refused_before_anything_is_measured(self):
        self.write("study.json", self.study(power_limit_w=900))
        self.refused(self.run_llem("run", "study.json", env=self.machine(), code=3), 3, "200 to 700 W")
        self.write("study.json", self.study(power_limit_w=300))
        denied = self.machine(errors={"nvmlDeviceSetPowerManagementLimit": 4})
        self.refused(self.run_llem("run", "study.json", env=denied, code=3), 3, "NO_PERMISSION", "-pl 300", "root")
        self.refused(self.run_llem("run", "study.json", code=2), 2, "deploy.power_limit_w", "no GPU")
        self.assertEqual(self.state(), ORIGINAL)
        self.assertEqual(self.runs(), [])

    def test_changed_by_somebody_else_in_the_window_flag_it(self):
        environment = self.machine()
        self.write("study.json", self.study(power_limit_w=300))
        live = self.start("run", "study.json", env=environment)
        live.until("window")
        time.sleep(1.2)
        self.set_limit(250000)
        live.end()
        result = self.the_run().results()[0]
        self.assertIn("limit_changed", codes(result))
        self.assertIn("effective_config_differs", codes(result))
        self.assertEqual(self.state(), [(700000, 0, 0), (650000, 0, 0)])

    def test_clocks_unlocked_by_somebody_else_in_the_window_flag_it(self):
        environment = self.machine()
        self.write("study.json", self.study(clocks={"sm_mhz": 1200}))
        live = self.start("run", "study.json", env=environment)
        live.until("window")
        time.sleep(1.2)
        with open(self.state_file, "r+b") as file:
            file.seek(4)
            file.write(bytes(4))
        live.end()
        self.assertIn("limit_changed", codes(self.the_run().results()[0]))


if __name__ == "__main__":
    main()
