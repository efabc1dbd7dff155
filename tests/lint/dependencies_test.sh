#!/usr/bin/env bash
# What tools/dependencies.sh does when things go wrong; needs no network. usage: dependencies_test.sh SCRIPT
set -uo pipefail
script=$1
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
unset CMAKE_PREFIX_PATH LLEM_LLAMA_DIR LLEM_LLAMA_OPTIONS
export LLEM_DEPS=$folder/deps LLEM_DOWNLOADS=$folder/downloads
mkdir "$LLEM_DOWNLOADS"
failures=0
llama_version=$(sed -n 's/^readonly llama_package_version=//p' "$script")
arrow_version=$(sed -n 's/^readonly arrow_version=//p' "$script")

expect() { # sentence code text command...
  local sentence=$1 code=$2 text=$3 output rc
  shift 3
  output=$("$@" 2>&1)
  rc=$?
  if [[ $rc != "$code" || $output != *"$text"* ]]; then
    printf 'FAILED: %s\n  exit %s instead of %s; output: %s\n' "$sentence" "$rc" "$code" "$output"
    failures=$((failures + 1))
  fi
}

nothing_was_kept() { [[ -z $(find "$LLEM_DEPS" -mindepth 1 -maxdepth 1 ! -name .lock ! -name logs) ]]; }

expect 'an unknown command is refused' 2 'unknown command' "$script" nonsense
expect 'an unknown group is refused' 2 'unknown package group' "$script" packages nonsense
expect 'path is silent about a folder that is not there' 1 '' "$script" path arrow
expect 'path makes nothing' 1 '' test -e "$LLEM_DEPS"
expect 'a wrong llama.cpp folder is refused' 2 'holds no installed llama.cpp' \
  env LLEM_LLAMA_DIR="$folder" "$script" path llama

printf 'not an archive' >"$LLEM_DOWNLOADS/llama_cpp_python-$llama_version.tar.gz"
expect 'a source with the wrong hash is refused' 5 'wrong hash' "$script" llama
expect 'nothing of it is kept' 0 '' nothing_was_kept

case $(uname -m) in
  x86_64 | aarch64)
    printf 'not a wheel' >"$LLEM_DOWNLOADS/pyarrow-$arrow_version-cp311-cp311-manylinux_2_28_$(uname -m).whl"
    expect 'a wheel with the wrong hash is refused' 5 'wrong hash' "$script" arrow
    mkdir "$LLEM_DEPS/.partial-killed"
    expect 'it is refused again' 5 'wrong hash' "$script" arrow
    expect 'and what a killed run left is swept' 0 '' nothing_was_kept
    mkdir "$LLEM_DEPS/arrow-$(sed -n "s/.*$(uname -m)) echo \(........\).*/\1/p" "$script")"
    expect 'what is there is used without a download' 0 'ready in' "$script" arrow
    expect 'path prints the folder' 0 "$LLEM_DEPS/arrow-" "$script" path arrow
    ;;
esac

mkdir -p "$folder/bin" "$folder/installed/lib/cmake/llama"
touch "$folder/installed/lib/cmake/llama/llama-config.cmake"
expect 'an installed llama.cpp is used' 0 "$folder/installed" \
  env CMAKE_PREFIX_PATH="/nowhere:$folder/installed" "$script" path llama
printf '#!/bin/sh\necho "File 1 2 3 Free"; echo "disk 9 9 7 9%% /"\n' >"$folder/bin/df"
chmod +x "$folder/bin/df"
expect 'a full disk is told before the work starts' 5 'not enough disk space' env PATH="$folder/bin:$PATH" "$script" llama

printf '%s failed\n' "$failures"
exit $((failures > 0))
