#!/usr/bin/env python3
"""Records tests/golden/runs/scripted-gpu-and-rapl or scripted-two-windows anew, as OUT is named:
record_scripted.py LLEM WORKERS FAKE-NVML OUT

The test engine plays the steps of a model of 8 billion parameters, the stand-ins for NVML and powercap give constant
power. What names the machine it ran on is taken out.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE_SYSFS = os.path.join(HERE, "..", "fakes", "make_sysfs.py")
STUDY = """\
name: kept
model: pretend
workload: {dataset: synthetic, requests: 8, input_tokens: {exact: 512}, output_tokens: 64}
deploy:
  engine: scripted
  batching: static
  batch_size: 2
  threads: 1
  scripted:
    decode_step_s: 0.008
    prefill_token_s: 0.0005
    model: {name: pretend, architecture: llama, parameters: 8030261248, bytes: 16060522496, layers: 32, width: 4096,
            heads: 32, kv_heads: 8, head_width: 128, ffn_width: 14336, gated_mlp: true, tied_embeddings: false,
            vocabulary: 128256}
measure:
  profile: quick
  sample_hz: 20
  baseline: {bare_s: 1, loaded_s: 2}
  warmup: {min_s: 0.5, max_s: 3}
  window: {min_s: 24, pad_s: 0.5}
  cooldown_s: 0.6
study: {cycles: 1}
"""
DEVICE = {"uuid": "GPU-fa4e0000-0000-4000-8000-000000000000", "name": "NVIDIA H200",
          "power": {"shape": "constant", "w": 450}, "counter": {"period_s": 0.1013}}
HOST = {"hostname": "host", "kernel": "6.1.0", "os": ""}


def study(name):
    if name != "scripted-two-windows":
        return STUDY
    return STUDY.replace("min_s: 24", "min_s: 8").replace("  cooldown_s", "  windows_per_trial: 2\n  cooldown_s").replace(
        "cycles: 1", "cycles: 3")


def make_anonymous(run):
    """The names of the host, wherever documents and lines have them."""
    for folder, _, files in os.walk(run):
        for name in files:
            if not name.endswith(".json") or name == "summary.json":
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            if "host" in document:
                document["host"].update({key: value for key, value in HOST.items() if key in document["host"]})
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(document, file, indent=2, ensure_ascii=False)
                    file.write("\n")
    for name in os.listdir(os.path.join(run, "manifest")):
        path = os.path.join(run, "manifest", name)
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        with open(os.path.join(run, "manifest", "host-1000.jsonl"), "w", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps({**line, "owner": "host-1000"}, separators=(",", ":")) + "\n")
        os.remove(path)


def main():
    llem, workers, fake_nvml, out = (os.path.abspath(argument) for argument in sys.argv[1:5])
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "machine")
        maker = subprocess.Popen([sys.executable, "-B", MAKE_SYSFS, root, "--packages", "1", "--dies", "1", "--live",
                                  "--power-w", "60"], stdout=subprocess.PIPE, text=True)
        try:
            maker.stdout.readline()
            with open(os.path.join(folder, "study.yaml"), "w", encoding="utf-8") as file:
                file.write(study(os.path.basename(out)))
            os.makedirs(os.path.join(folder, "llem"))
            shutil.copy(os.path.join(HERE, "user.yaml"), os.path.join(folder, "llem", "config.yaml"))
            environment = {**os.environ, "XDG_CONFIG_HOME": folder, "LLEM_WORKER_DIR": workers, "LLEM_NVML_LIBRARY": fake_nvml,
                           "LLEM_SYSFS_ROOT": root, "LLEM_FAKE_NVML": json.dumps({"devices": [DEVICE]})}
            subprocess.run([llem, "run", "study.yaml", "--output", "runs"], cwd=folder, env=environment, check=True)
            (name,) = os.listdir(os.path.join(folder, "runs"))
            run = os.path.join(folder, "runs", name)
            make_anonymous(run)
            subprocess.run([llem, "analyse", run], env=environment, check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(run, out, ignore=shutil.ignore_patterns("locks", "worker", "results.parquet"))
        finally:
            maker.kill()
            maker.wait()


if __name__ == "__main__":
    main()
