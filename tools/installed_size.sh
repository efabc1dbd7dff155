#!/usr/bin/env bash
# Fails when what a build installs is larger than allowed, and says what is large. Models are not part of it.
# usage: tools/installed_size.sh BUILD_FOLDER MEGABYTES
set -euo pipefail
build=$1
limit=$2
tree=$(mktemp -d)
trap 'rm -rf -- "$tree"' EXIT
cmake --install "$build" --prefix "$tree" >/dev/null
find "$tree" -type f -printf '%s %P\n' | sort -rn | awk -v limit="$limit" '
  NR <= 6 { printf "%8.1f MB  %s\n", $1 / 1e6, $2 }
  { all += $1 }
  END {
    printf "%8.1f MB  installed, %d MB allowed\n", all / 1e6, limit
    exit !(NR > 0 && all / 1e6 <= limit)
  }'
