#!/usr/bin/env bash
# Makes the Python environment the tests read our files with, once per user and list, and prints its interpreter.
#
#   tools/test_venv.sh        prints .../bin/python
set -euo pipefail

packages=(pyarrow==26.0.1 duckdb==2.0.0 polars==2.1.0)

list=$(printf '%s\n' "${packages[@]}" | sha256sum)
folder=${LLEM_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/llem/deps}/test-venv-${list:0:8}
if [[ ! -e $folder/complete ]]; then
  mkdir -p "${folder%/*}"
  exec 9>"$folder.lock"
  flock 9 # a second test run waits for the first one's environment
  if [[ ! -e $folder/complete ]]; then
    rm -rf -- "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "${packages[@]}" >&2
    touch "$folder/complete"
  fi
fi
printf '%s\n' "$folder/bin/python"
