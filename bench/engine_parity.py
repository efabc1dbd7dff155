#!/usr/bin/env python3
"""The embedded engine against llama-bench of the same build: CPU seconds per token for pp512 and tg128.

Both processes load the model, run a prompt (pp) or one token (tg) as llama-bench does to warm up, and then REPETITIONS
times; what is compared is the CPU time of the whole process. The two of a pair run at the same time on the same CPU: the
scheduler lets them take turns of some milliseconds, so that both meet the same clock frequency and the same neighbours on
a shared machine, whose speed changes by more than a tenth from one minute to the next. Pairs alternate in who starts first.
A ratio above 1 means llama-bench spends more CPU per token than the worker.
"""
import json
import os
import subprocess
import sys
import tempfile
import threading

from ratios import geometric_ratio
from worker_client import Worker


def llama_bench(program, model, threads, prompt, output, repetitions):
    command = [program, "-m", model, "-t", str(threads), "-p", str(prompt), "-n", str(output), "-r", str(repetitions),
               "-ngl", "0", "-o", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def embedded(program, model, threads, prompt, output, repetitions):
    with tempfile.TemporaryDirectory() as folder:
        deploy = {"engine": "llamacpp", "batching": "static", "batch_size": 1, "threads": threads,
                  "llamacpp": {"n_gpu_layers": 0, "n_ctx": prompt + output + 1, "n_batch": 2048, "n_ubatch": 512}}
        worker = Worker(program, model, deploy, folder, prompt + output + 1)
        # pp: one output token comes with the prompt. tg: a prompt of one token, then as many single-token steps.
        tokens = worker.tokens(prompt if prompt else 1)
        worker.serve(tokens, 1, 1)
        worker.serve(tokens, output if output else 1, repetitions)
        return worker.stop()


def at_the_same_time(runs):
    running = [threading.Thread(target=run) for run in runs]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def main():
    # Children inherit it.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    worker, bench, model, out = sys.argv[1:5]
    pairs = int(os.environ.get("LLEM_BENCH_PAIRS", "20"))
    threads = int(os.environ.get("LLEM_BENCH_THREADS", "1"))
    result = {"threads": threads, "pairs": pairs}
    for name, prompt, output, repetitions in (("pp512", 512, 0, 1), ("tg128", 0, 128, 5)):
        theirs, ours = [], []
        for i in range(pairs):
            runs = [lambda: theirs.append(llama_bench(bench, model, threads, prompt, output, repetitions)),
                    lambda: ours.append(embedded(worker, model, threads, prompt, output, repetitions))]
            at_the_same_time(runs if i % 2 == 0 else reversed(runs))
            if len(theirs) != i + 1 or len(ours) != i + 1:
                sys.exit(f"error: pair {i + 1} of {name} failed")
        ratio, low, high = geometric_ratio(theirs, ours)
        result[name] = {"ratio": ratio, "low": low, "high": high, "llama_bench_cpu_s": theirs, "worker_cpu_s": ours}
        print(f"{name}: {ratio:.4f} [{low:.4f}, {high:.4f}] over {pairs} pairs, {threads} threads")
    with open(out, "w") as file:
        json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
