#!/usr/bin/env bash
# Runs every benchmark behind docs/benchmarks.md and keeps what they print: run.sh BUILD-FOLDER LLAMA-PREFIX OUT
# LLEM_BENCH_PAIRS (20), LLEM_BENCH_EFFECT_PAIRS (1200), LLEM_BENCH_TRIALS (10) and LLEM_BENCH_LONG_S (600) shorten it.
set -euo pipefail
mkdir -p "$3"
build=$(realpath "$1") llama=$(realpath "$2") out=$(realpath "$3")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
llem=$build/bin/llem
export LLEM_WORKER_DIR=$build/bin

echo "== sampler cost"; "$build/bin/bench_sampler" | tee "$out/sampler.txt"
for minutes in 10 60; do
  echo "== analyse $minutes"; "$build/bin/bench_analyse" "$minutes" | tee "$out/analyse-$minutes.txt"
done
echo "== plan, manifest and resume of large studies"; "$build/bin/bench_plan" | tee "$out/plan.txt"
echo "== process costs"; python3 -B "$here/process_costs.py" "$llem" "$build/lib/libnvidia-ml-fake.so" \
  "$out/process_costs.json"
model=$build/models/smollm2-135m.gguf
python3 -B "$here/../tests/process/fetch_assets.py" "$llem" "$model" > /dev/null
echo "== engine against llama-bench"
python3 -B "$here/engine_parity.py" "$build/bin/llem-worker-llamacpp" "$llama/bin/llama-bench" "$model" "$out/parity.json"
echo "== effect of the sampler on the engine"
python3 -B "$here/sampler_effect.py" "$build/bin/bench_sampler" "$build/bin/llem-worker-llamacpp" "$model" \
  "$out/sampler_effect.json"
echo "== installed tree"
cmake --install "$build" --prefix "$out/installed" > /dev/null
du -sm "$out/installed" | cut -f1 | tee "$out/installed_mib.txt"
rm -rf "$out/installed"
