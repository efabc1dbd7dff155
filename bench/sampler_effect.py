#!/usr/bin/env python3
"""What sampling at 100 Hz does to the engine: CPU seconds of the worker per token, with the sampler and without.

One worker decodes all the time, on the same CPU as the sampler: the worst place for it. Blocks of a quarter of a second
with and without sampling follow each other in pairs of random order, so that both arms meet the same machine; what is
compared is the CPU time per token of the two blocks of each pair, every pair kept. The sampler reads a fake NVML and a
fake powercap tree at 100 Hz.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading

from ratios import geometric_ratio
from worker_client import Worker

TOKENS = 128
BLOCK_S = 0.25


def tokens_by(steps):
    """A function from time to tokens decoded until then; a step's tokens come evenly over the step."""
    ends, total = [], 0
    for begin, end, decoded in steps:
        ends.append((begin, end, total, decoded))
        total += decoded

    def at(time):
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            if ends[middle][1] < time:
                low = middle + 1
            else:
                high = middle
        if low == len(ends):
            return total
        begin, end, before, decoded = ends[low]
        return before + decoded * min(max((time - begin) / (end - begin), 0), 1)
    return at


def main():
    sampler, program, model, out = sys.argv[1:5]
    pairs = int(os.environ.get("LLEM_BENCH_EFFECT_PAIRS", "1200"))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        deploy = {"engine": "llamacpp", "batching": "static", "batch_size": 1, "threads": 1,
                  "llamacpp": {"n_gpu_layers": 0, "n_ctx": TOKENS + 2}}
        worker = Worker(program, model, deploy, folder, TOKENS + 2)
        prompt = worker.tokens(1)
        worker.serve(prompt, TOKENS, 1)
        served = {}
        seconds = 2 * BLOCK_S * pairs * 1.15 + 30  # a busy machine starts each block late
        serving = threading.Thread(target=lambda: served.update(worker.serve(prompt, TOKENS, 10 ** 9, seconds)))
        serving.start()
        done = subprocess.run([sampler, "--beside", str(worker.process.pid), "--blocks", str(2 * pairs),
                               "--seconds", str(BLOCK_S)], stdout=subprocess.PIPE, text=True, check=True)
        serving.join()
        with open(served["path"]) as file:
            record = json.load(file)
        with open(record["steps_path"], "rb") as file:
            data = file.read()
        worker.stop()
    numbers = struct.unpack(f"<{len(data) // 8}q", data)
    # begin, end, prefill tokens, decode tokens, context, sequences
    steps = [(numbers[i], numbers[i + 1], numbers[i + 2] + numbers[i + 3]) for i in range(0, len(numbers), 6)]
    at = tokens_by(steps)
    arms = {100: [], 0: []}
    for line in done.stdout.splitlines():
        hz, begin, end, cpu_begin, cpu_end = line.split()
        tokens = at(int(end)) - at(int(begin))
        arms[int(hz)].append((float(cpu_end) - float(cpu_begin)) / tokens)
    ratio, low, high = geometric_ratio(arms[100], arms[0])
    print(f"100 Hz against none: {100 * (ratio - 1):+.2f} % [{100 * (low - 1):+.2f}, {100 * (high - 1):+.2f}] CPU per token, "
          f"{len(arms[0])} pairs of blocks of {BLOCK_S} s")
    with open(out, "w") as file:
        json.dump({"ratio": ratio, "low": low, "high": high, "pairs": len(arms[0]), "cpu_s_per_token_100hz": arms[100],
                   "cpu_s_per_token_without": arms[0]}, file, indent=1)


if __name__ == "__main__":
    main()
