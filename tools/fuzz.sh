#!/usr/bin/env bash
# Runs each fuzz target of a build for some seconds; what it learns is kept in the build folder.
# usage: tools/fuzz.sh BUILD_FOLDER SECONDS
set -uo pipefail
build=$1
seconds=$2
failed=0
count=0
for target in "$build"/bin/*_fuzz; do
  [[ -x $target ]] || continue
  name=$(basename "$target")
  count=$((count + 1))
  learned=$build/corpus/$name
  seeds=fuzz/corpus/$name
  mkdir -p "$learned" "$build/crashes"
  inputs=("$learned")
  [[ ! -d $seeds ]] || inputs+=("$seeds")
  options=()
  [[ ! -e fuzz/$name.dict ]] || options+=("-dict=fuzz/$name.dict")
  echo "== $name for $seconds s"
  if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$build/crashes/$name-" "${options[@]}" "${inputs[@]}"; then
    echo "FAILED: $name; the input is in $build/crashes"
    failed=$((failed + 1))
  fi
done
echo "fuzz: $((count - failed)) targets passed, $failed failed"
[[ $failed == 0 && $count -gt 0 ]]
