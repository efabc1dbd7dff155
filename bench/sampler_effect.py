#!/usr/bin/env python3
"""What sampling at 100 Hz does to the engine: CPU seconds per token of the worker, 100 Hz against 1 Hz, interleaved.

Both arms read the same fake NVML library and fake powercap tree, so that the sampler has work as on a GPU machine.
"""
import json
import os
import subprocess
import sys
import tempfile

from ratios import geometric_ratio


def run(llem, hz, folder, env):
    command = [llem, "run", "-m", "smollm2-135m", "-d", "bundled", "-n", "4", "--batch-size", "4", "--cycles", "1",
               "--output-tokens", "32", "--set", "workload.input_tokens={max: 64}", "--set", "deploy.batching=static",
               "--set", "deploy.threads=1", "--set", "deploy.llamacpp={n_gpu_layers: 0}", "--set", f"measure.sample_hz={hz}",
               "--set", "measure.baseline={bare_s: 0.1, loaded_s: 0.1}", "--set", "measure.warmup={min_s: 1, max_s: 1}",
               "--set", "measure.window={min_s: 5, pad_s: 0.1}", "--quick", "-q", "--json", "-o", folder]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    newest = max((os.path.join(base, "result.json") for base, _, names in os.walk(folder) if "result.json" in names),
                 key=os.path.getmtime)
    with open(newest) as file:
        result = json.load(file)
    return result["host_load"]["worker_cpu_s"] / result["throughput"]["output_tokens"]


def main():
    llem, nvml, sysfs, out = sys.argv[1:5]
    pairs = int(os.environ.get("LLEM_BENCH_PAIRS", "20"))
    env = {**os.environ, "LLEM_NVML_LIBRARY": nvml}
    if os.path.isdir(sysfs):
        env["LLEM_SYSFS_ROOT"] = sysfs
    fast, slow = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(pairs):
            arms = [lambda: fast.append(run(llem, 100, folder, env)), lambda: slow.append(run(llem, 1, folder, env))]
            for arm in arms if i % 2 == 0 else reversed(arms):
                arm()
    ratio, low, high = geometric_ratio(fast, slow)
    print(f"100 Hz against 1 Hz: {100 * (ratio - 1):+.2f} % [{100 * (low - 1):+.2f}, {100 * (high - 1):+.2f}] CPU per token, "
          f"{pairs} pairs")
    with open(out, "w") as file:
        json.dump({"ratio": ratio, "low": low, "high": high, "pairs": pairs, "cpu_s_per_token_100hz": fast,
                   "cpu_s_per_token_1hz": slow}, file, indent=1)


if __name__ == "__main__":
    main()
