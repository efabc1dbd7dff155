#!/usr/bin/env bash
# Formatting, the rules of ARCHITECTURE.md, unused functions, clang-tidy. Every part runs, even after one that failed.
# usage: tools/lint.sh BUILD_FOLDER TIDY_SECONDS
#        tools/lint.sh format                     rewrites the sources as `formatting` wants them
set -uo pipefail
build=$1
tidy_seconds=${2:-720}
failed=()

part() { # name command...
  local name=$1 started=$SECONDS
  shift
  echo "== $name"
  if "$@"; then echo "== $name: passed ($((SECONDS - started)) s)"; else
    failed+=("$name")
    echo "== $name: FAILED ($((SECONDS - started)) s)"
  fi
}

# The pinned version, or the newest there is on a distribution without it.
tool() { { command -v "$1-19" || compgen -c "$1-" | grep -Ex "$1-[0-9]+" | sort -V | tail -n 1; } | head -n 1; }

formatting() {
  local files
  mapfile -t files < <(find src include workers tests bench fuzz examples -name '*.cpp' -o -name '*.hpp' -o -name '*.h' | sort)
  "$(tool clang-format)" "$@" "${files[@]}"
}

if [[ $build == format ]]; then
  formatting -i
  exit
fi

# Only these two: what else cppcheck says, the compiler and clang-tidy judge better. A suppression without its function is
# as wrong as a function without its caller.
unused_functions() {
  local findings
  findings=$(cppcheck --quiet --enable=unusedFunction,information --std=c++20 --language=c++ -I src -I include \
    --suppress-xml=tools/cppcheck_suppressions.xml --template='{file}:{line}: {message} [{id}]' src workers examples 2>&1) ||
    return 1
  ! grep -E '\[(unusedFunction|unmatchedSuppression)\]$' <<<"$findings"
}

part formatting formatting --dry-run --Werror
for check in includes purity house; do
  part "$check" python3 -B "tools/check_$check.py"
done
part 'unused functions' unused_functions
if [[ $tidy_seconds == 0 ]]; then
  echo "== clang-tidy: LEFT OUT (0 s given)"
else
  part clang-tidy python3 -B tools/tidy.py --build "$build" --tidy "$(tool clang-tidy)" --seconds "$tidy_seconds" \
    --jobs "${LLEM_JOBS:-$(nproc)}"
fi

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: passed"
