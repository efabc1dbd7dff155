#!/usr/bin/env python3
"""What the program itself costs: start-up, overhead per trial, resident memory."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def measure(command, env=None, cwd=None):
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=cwd)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {"wall_s": time.monotonic() - begin, "cpu_s": usage.ru_utime + usage.ru_stime,
            "rss_mib": usage.ru_maxrss / 1024, "code": process.returncode}


# Phases as short as they go.
MEASURE = """measure:
  profile: quick
  sample_hz: 100
  baseline: {bare_s: 0.2, loaded_s: 0.2}
  warmup: {min_s: 0.5, max_s: 0.5}
  window: {min_s: WINDOW, pad_s: 0.2}
  cooldown_s: 0.2
"""

STUDY = """
name: overhead
model: scripted
workload: {dataset: synthetic, requests: 4, input_tokens: {exact: 16}, output_tokens: 8}
deploy: {engine: scripted, batching: static, batch_size: 2}
""" + MEASURE + """study: {cycles: CYCLES, timeout_s: 3600}
"""


# At the rate of a server: 32 sequences, 100 steps a second, 500 tokens an answer.
LONG_STUDY = """
name: long
model: scripted
workload: {dataset: synthetic, requests: 128, input_tokens: {exact: 128}, output_tokens: 500}
deploy: {engine: scripted, batching: continuous, batch_size: 32, scripted: {decode_step_s: 0.01}}
""" + MEASURE + """study: {cycles: 1, timeout_s: 3600}
"""


def declared_and_passed(folder):
    """Per trial: time from its first line in the manifest to its last, less what the recording spent in phases that last
    as long as they were told to (the load of the scripted engine is declared as 0 s)."""
    (run,) = [os.path.join(folder, "runs", name) for name in os.listdir(os.path.join(folder, "runs"))]
    declared = []
    for name in sorted(os.listdir(os.path.join(run, "trials"))):
        with open(os.path.join(run, "trials", name, "recording.json")) as file:
            recording = json.load(file)
        declared.append(sum(p["t_end_ns"] - p["t_begin_ns"] for p in recording["phases"] if p["name"] != "load") / 1e9)
    return declared


def main():
    llem, nvml, out = sys.argv[1:4]
    result = {}
    for name, command in (("version", [llem, "--version"]), ("config", [llem, "config"])):
        runs = [measure(command) for _ in range(20)]
        result[name] = {"cpu_ms": 1e3 * statistics.median(r["cpu_s"] for r in runs),
                        "rss_mib": max(r["rss_mib"] for r in runs), "code": runs[0]["code"]}
        print(f"{name}: {result[name]['cpu_ms']:.1f} ms CPU, {result[name]['rss_mib']:.1f} MiB")
    cycles = int(os.environ.get("LLEM_BENCH_TRIALS", "10"))
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "study.yaml"), "w") as file:
            file.write(STUDY.replace("WINDOW", "0.5").replace("CYCLES", str(cycles)))
        run = measure([llem, "run", "study.yaml", "-q"], cwd=folder)
        declared = declared_and_passed(folder)
        overhead = (run["wall_s"] - sum(declared)) / len(declared)
        result["overhead"] = {"per_trial_ms": 1e3 * overhead, "trials": len(declared), "cpu_s": run["cpu_s"],
                              "code": run["code"]}
        print(f"overhead: {1e3 * overhead:.0f} ms per trial beyond its phases ({len(declared)} trials)")
    window = os.environ.get("LLEM_BENCH_LONG_S", "600")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "study.yaml"), "w") as file:
            file.write(LONG_STUDY.replace("WINDOW", window))
        env = {**os.environ, "LLEM_NVML_LIBRARY": nvml}
        run = measure([llem, "run", "study.yaml", "-q"], cwd=folder, env=env)
        (path,) = [base for base, _, names in os.walk(folder) for name in names if name == "traces.parquet"]
        with open(os.path.join(path, "recording.json")) as file:
            recording = json.load(file)
        with open(os.path.join(path, "result.json")) as file:
            work = json.load(file)["throughput"]
        sizes = {name: os.path.getsize(os.path.join(path, name)) / 2 ** 20 for name in sorted(os.listdir(path))
                 if name.endswith(".parquet")}
        result["long_trial"] = {"window_s": float(window), "rss_mib": run["rss_mib"], "code": run["code"],
                                "channels": len(recording["channels"]), "requests": work["requests"],
                                "output_tokens": work["output_tokens"], "files_mib": sizes}
        print(f"resident memory of a {window} s trial: {run['rss_mib']:.1f} MiB, {len(recording['channels'])} channels at "
              f"100 Hz, {work['requests']} requests, {work['output_tokens']} output tokens")
    with open(out, "w") as file:
        json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
