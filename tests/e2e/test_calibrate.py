"""llem calibrate with fake libraries of driver and CUDA: from the command to a run that uses what it found."""
import json
import os
import shutil

from harness import Case, main, required, scripted, tree

GPU = {"power": {"segments": [[0.37, 90, 91], [0.41, 91, 90]]}, "load_w": 300, "update_period_s": 0.02, "window_s": 0.01,
       "average_window_s": 0.2, "counter": {"period_s": 0.015}}
ID = "gpu:GPU-fa4e0000-0000-4000-8000-000000000000"


class Calibrate(Case):
    def gpu(self, **more):
        return {"LLEM_NVML_LIBRARY": required("LLEM_FAKE_NVML_LIBRARY"), "LLEM_CUDA_LIBRARY": required("LLEM_FAKE_CUDA_LIBRARY"),
                "LLEM_FAKE_NVML": json.dumps({"device": GPU, **more})}

    def sensors(self, env):
        """Signal: what the recording of a run says of its sensor."""
        shutil.rmtree(os.path.join(self.folder, "runs"), ignore_errors=True)
        run = self.measure(scripted(deploy={"devices": ["0"]}), env=env)
        return {channel["signal"]: channel for channel in run.recordings()[0]["channels"] if channel["meter"] == "nvml"}

    def test_a_run_uses_what_was_found_until_the_driver_changes(self):
        done = self.run_llem("calibrate", "--repeats", "1", "--json", env=self.gpu())
        found = json.loads(done.stdout)["calibrations"][0]
        sensors = {sensor["signal"]: sensor for sensor in found["sensors"]}
        self.assertEqual(found["device"], ID)
        self.assertAlmostEqual(sensors["power_instant"]["update_period_s"], 0.02, delta=0.002)
        self.assertAlmostEqual(sensors["power_instant"]["averaging_window_s"], 0.01, delta=0.003)
        self.assertAlmostEqual(sensors["power_average"]["averaging_window_s"], 0.2, delta=0.03)
        self.assertEqual(self.violations([{"name": "calibration", "schema": "calibration", "document": found}]), {})
        self.assertIn("square waves", done.stderr)
        used = self.sensors(self.gpu())
        self.assertEqual(used["power_instant"]["averaging_window_source"], "calibrated")
        self.assertEqual(used["power_instant"]["averaging_window_s"], sensors["power_instant"]["averaging_window_s"])
        self.assertEqual(self.sensors(self.gpu(driver="560.1"))["power_instant"]["averaging_window_source"], "table")

    def test_a_dry_run_loads_and_writes_nothing(self):
        before = tree(self.folder)
        done = self.run_llem("calibrate", "--dry-run", env={**self.gpu(), "LLEM_FAKE_CUDA": "cuInit=999"})
        self.assertEqual(tree(self.folder), before)
        for text in (ID, "power_instant", "now table", "would be kept in"):
            self.assertIn(text, done.stdout)
        plan = json.loads(self.run_llem("calibrate", "--dry-run", "--json", env=self.gpu()).stdout)
        self.assertEqual([device["device"] for device in plan["would_calibrate"]], [ID])

    def test_without_a_gpu_it_says_what_is_needed(self):
        done = self.run_llem("calibrate", code=3, env={"LLEM_NVML_LIBRARY": "libthere-is-none.so"})
        self.assertIn("error: calibration needs an NVIDIA GPU and its driver", done.stderr)
        self.assertIn("hint: install the NVIDIA driver", done.stderr)
        done = self.run_llem("calibrate", code=3, env={**self.gpu(), "LLEM_CUDA_LIBRARY": "libthere-is-none.so"})
        self.assertIn("hint: install the NVIDIA driver with its CUDA library", done.stderr)
        self.assertEqual(self.run_llem("calibrate", "--repeats", "0", code=2, env=self.gpu()).stdout, "")


if __name__ == "__main__":
    main()
