#!/usr/bin/env bash
# Sets a machine up to build llem: system packages, the Arrow libraries and llama.cpp.
#
#   tools/dependencies.sh packages [build] [test] [lint] [bench]   what the system's package manager provides
#   tools/dependencies.sh arrow                                    Arrow and Parquet, headers and libraries
#   tools/dependencies.sh llama [--with-bench]                     llama.cpp, static; optionally its llama-bench
#   tools/dependencies.sh all                                      packages build, arrow, llama
#   tools/dependencies.sh path arrow|llama                         prints the folder; 1 if it is not there yet
#
# What is fetched is pinned by hash and lies in ${LLEM_DEPS:-${XDG_CACHE_HOME:-~/.cache}/llem/deps}, built once per user
# and machine type. docs/installation.md describes the environment variables.
set -Eeuo pipefail
export LC_ALL=C

readonly arrow_version=26.0.1
readonly llama_package_version=0.3.36
readonly llama_source_hash=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
readonly llama_commit=0c1e57098bba43ac29e6e3b677cdceebdd22334f

deps=${LLEM_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/llem/deps}
partial=

say() { printf 'dependencies: %s\n' "$*" >&2; }

fail() {
  local code=$1
  shift
  printf 'dependencies: error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit "$code"
}

remove_partial() {
  if [[ -n $partial ]]; then rm -rf -- "$partial"; fi
  partial=
}
trap remove_partial EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- system packages ---------------------------------------------------------------------------------------------------

# group|package|how a machine without dpkg shows that it has it: a command, a header or a Python module
readonly package_table='
build|g++|command c++
build|cmake|command cmake
build|ninja-build|command ninja
build|ccache|command ccache
build|mold|command mold
build|pkg-config|command pkg-config
build|python3|command python3
build|python3-venv|module ensurepip
build|python3-pip|module pip
build|ca-certificates|file /etc/ssl/certs
build|libyaml-cpp-dev|header yaml-cpp/yaml.h
build|nlohmann-json3-dev|header nlohmann/json.hpp
build|libcli11-dev|header CLI/CLI.hpp
build|libfmt-dev|header fmt/format.h
build|libexpected-dev|header tl/expected.hpp
build|libcurl4-openssl-dev|header curl/curl.h
build|libboost-dev|header boost/version.hpp
build|libboost-math-dev|header boost/math/distributions/students_t.hpp
build|libeigen3-dev|header eigen3/Eigen/Core
build|libzstd-dev|header zstd.h
build|libssl-dev|header openssl/sha.h
test|libgtest-dev|header gtest/gtest.h
test|librapidcheck-dev|header rapidcheck.h
test|python3-jsonschema|module jsonschema
lint|clang-format-19|command clang-format-19
lint|clang-tidy-19|command clang-tidy-19
lint|clang-19|command clang++-19
lint|libclang-rt-19-dev|command clang++-19
lint|cppcheck|command cppcheck
bench|libbenchmark-dev|header benchmark/benchmark.h'

rows_of() { # group... -> rows; `test` and `bench` build the product too
  local wanted=" $* " group package probe
  while IFS='|' read -r group package probe; do
    if [[ -n $group && $wanted == *" $group "* ]]; then printf '%s|%s\n' "$package" "$probe"; fi
  done <<<"$package_table"
}

has_probe() {
  local kind=$1 name=$2
  case $kind in
    command) command -v "$name" >/dev/null ;;
    file) [[ -e $name ]] ;;
    module) python3 -c "import $name" >/dev/null 2>&1 ;;
    header) printf '#include <%s>\n' "$name" | "${CXX:-c++}" -std=c++20 -x c++ -I/usr/include/eigen3 -M - >/dev/null 2>&1 ;;
  esac
}

# The newest clang of a distribution that lacks the pinned one: good enough for lint, which is not a release gate.
newest_instead() {
  local package=$1 pattern=${1/-19/-[0-9]+}
  if [[ $package != *-19* || -n $(apt-cache policy "$package" | grep -E 'Candidate: [0-9]') ]]; then
    echo "$package"
  else
    apt-cache pkgnames "${package%%-19*}-" | grep -Ex "$pattern" | sort -V | tail -n 1
  fi
}

lacks_clang_19_only() { # true if the missing packages are clang's and another version of each is installed
  local package
  for package in "$@"; do
    [[ $package == *-19* ]] || return 1
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${package%%-19*}-*" 2>/dev/null |
      grep -qEx "installed ${package/-19/-[0-9]+}" || return 1
  done
}

packages() {
  local groups=("$@") group
  if [[ ${#groups[@]} == 0 ]]; then groups=(build); fi
  for group in "${groups[@]}"; do
    case $group in
      build | lint) ;;
      test | bench) [[ " ${groups[*]} " == *' build '* ]] || groups+=(build) ;;
      *) fail 2 "unknown package group \`$group\`" "groups: build test lint bench" ;;
    esac
  done

  local package wanted=() missing=() become=() installed
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    report_missing "not a Debian-like machine" "${groups[@]}"
    return
  fi
  mapfile -t wanted < <(rows_of "${groups[@]}" | cut -d '|' -f 1)
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for package in "${wanted[@]}"; do
    grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
  done
  if [[ ${#missing[@]} == 0 ]] || lacks_clang_19_only "${missing[@]}"; then
    say "packages for ${groups[*]}: all installed"
    return
  fi
  if [[ $EUID != 0 ]]; then
    if ! command -v sudo >/dev/null; then
      report_missing "neither root nor sudo" "${groups[@]}"
      return
    fi
    become=(sudo)
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local apt=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600
    -o Acquire::Retries=3)
  "${apt[@]}" update >&2 || say "warning: the package lists could not be refreshed; trying with those at hand"
  local install=() instead
  for package in "${missing[@]}"; do
    instead=$(newest_instead "$package") || true
    if [[ -z $instead ]]; then
      say "warning: this distribution has no $package"
    else
      [[ $instead == "$package" ]] || say "$package is not available here: using $instead"
      install+=("$instead")
    fi
  done
  "${apt[@]}" install --no-install-recommends "${install[@]}" </dev/null >&2 ||
    fail 3 "the packages could not be installed" "missing: ${missing[*]}"
  say "packages for ${groups[*]}: installed"
}

report_missing() {
  local reason=$1 package probe lacking=()
  shift
  while IFS='|' read -r package probe; do
    # shellcheck disable=SC2086
    has_probe $probe || lacking+=("${package}  (${probe})")
  done < <(rows_of "$@")
  if [[ ${#lacking[@]} == 0 ]]; then
    say "$reason, but every tool and header for $* was found"
    return
  fi
  fail 3 "$reason: please install these yourself (Debian's names; what was looked for):" "${lacking[@]}"
}

# --- the dependency prefix ---------------------------------------------------------------------------------------------

lock_prefix() {
  mkdir -p -- "$deps" || fail 5 "cannot create $deps" "set LLEM_DEPS to a folder you may write"
  exec 9>"$deps/.lock"
  if ! flock -n 9; then
    say "waiting for another run that is working in $deps"
    flock 9
  fi
  rm -rf -- "$deps"/.partial-* # left by a run that was killed: whoever holds the lock is alone here
}

open_partial() { # megabytes
  local free
  free=$(df -Pm -- "$deps" | awk 'NR == 2 { print $4 }')
  if ((free < $1)); then
    fail 5 "not enough disk space in $deps: $1 MB needed, $free MB free" "set LLEM_DEPS to a folder with more space"
  fi
  partial=$(mktemp -d -- "$deps/.partial-XXXXXX")
}

sha256() { sha256sum -- "$1" | cut -d ' ' -f 1; }

pip() {
  local venv=$deps/venv
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    command -v python3 >/dev/null || fail 3 "python3 is needed to download" "run tools/dependencies.sh packages"
    say "creating a private Python environment for downloads"
    if ! python3 -m venv --clear "$venv" >/dev/null 2>&1; then
      rm -rf -- "$venv"
      python3 -m pip --version >/dev/null 2>&1 ||
        fail 3 "this python3 has neither venv nor pip" "run tools/dependencies.sh packages"
      python3 -m pip "$@"
      return
    fi
  fi
  "$venv/bin/python" -m pip "$@"
}

# Puts the file that matches `requirement` and `hash` into $partial/download and prints its path.
download() { # name requirement hash pip-option...
  local name=$1 requirement=$2 hash=$3 file
  shift 3
  mkdir "$partial/download"
  if [[ -n ${LLEM_DOWNLOADS:-} && -e $LLEM_DOWNLOADS/$name ]]; then
    say "taking $name from $LLEM_DOWNLOADS"
    cp -- "$LLEM_DOWNLOADS/$name" "$partial/download/"
  else
    say "downloading $name"
    printf '%s --hash=sha256:%s\n' "$requirement" "$hash" >"$partial/requirements.txt"
    if ! pip download --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
      --dest "$partial/download" "$@" -r "$partial/requirements.txt" >"$partial/pip.log" 2>&1; then
      tail -n 20 "$partial/pip.log" >&2
      if grep -q 'DO NOT MATCH THE HASHES' "$partial/pip.log"; then
        fail 5 "the download of $name has the wrong hash: nothing was kept" "expected sha256 $hash"
      fi
      fail 5 "$name could not be downloaded" \
        "without a network: put the file into a folder and name that folder in LLEM_DOWNLOADS"
    fi
  fi
  file=$partial/download/$name
  [[ -e $file ]] || fail 5 "the download did not bring $name" "it brought: $(ls -- "$partial/download")"
  if [[ $(sha256 "$file") != "$hash" ]]; then
    fail 5 "$name has the wrong hash: nothing was kept" "expected sha256 $hash" "found    sha256 $(sha256 "$file")"
  fi
  printf '%s\n' "$file"
}

installed_below_prefix_path() { # relative pattern -> first prefix of CMAKE_PREFIX_PATH that has it
  local prefix prefixes
  IFS=':;' read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    if [[ -n $prefix && -n $(compgen -G "$prefix/$1" | head -n 1) ]]; then
      printf '%s\n' "$prefix"
      return 0
    fi
  done
  return 1
}

# --- Arrow and Parquet -------------------------------------------------------------------------------------------------

arrow_hash() {
  case $(uname -m) in
    x86_64) echo 39cb0f2418282c24bea6ceda77b03e5a8f0a5766b63a8bf194d4e2a2c423548c ;;
    aarch64) echo 22a96a225de107eb9acd1ad9a818198ca832df2a4c0952412f754a7ed2105a98 ;;
    *) return 1 ;;
  esac
}

arrow_folder() {
  local hash
  hash=$(arrow_hash) || return 1
  printf '%s/arrow-%s\n' "$deps" "${hash:0:8}"
}

arrow() {
  local prefix hash folder platform name wheel
  if prefix=$(installed_below_prefix_path 'lib*/cmake/Parquet/ParquetConfig.cmake'); then
    say "Arrow: using the installed one in $prefix"
    return
  fi
  hash=$(arrow_hash) || fail 3 "no Arrow build is pinned for $(uname -m)" \
    "install Arrow C++ with Parquet and name its prefix in CMAKE_PREFIX_PATH"
  folder=$(arrow_folder)
  if [[ ! -d $folder ]]; then
    lock_prefix
  fi
  if [[ -d $folder ]]; then
    say "Arrow $arrow_version: ready in $folder"
    return
  fi
  open_partial 500
  # Only headers and libraries are taken from the wheel, so the Python version in its name does not matter.
  platform=manylinux_2_28_$(uname -m)
  name=pyarrow-$arrow_version-cp311-cp311-$platform.whl
  wheel=$(download "$name" "pyarrow==$arrow_version" "$hash" --only-binary :all: --implementation cp \
    --python-version 3.11 --abi cp311 --platform "$platform")
  say "unpacking its headers and libraries"
  python3 - "$wheel" "$partial/unpacked" <<'PYTHON' || fail 5 "$name could not be unpacked" "is the disk full?"
import re, sys, zipfile

wanted = re.compile(r"pyarrow/include/(arrow|parquet)/|pyarrow/lib(arrow|parquet)\.so\.\d+$|[^/]+\.dist-info/.*(LICENSE|NOTICE)")
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if wanted.match(name)])
PYTHON
  mkdir "$partial/unpacked/pyarrow/licenses"
  find "$partial/unpacked" -path '*.dist-info/*' -type f -exec cp -t "$partial/unpacked/pyarrow/licenses" {} +
  compgen -G "$partial/unpacked/pyarrow/libparquet.so.*" >/dev/null || fail 5 "$name holds no libparquet"
  mv -T -- "$partial/unpacked/pyarrow" "$folder"
  remove_partial
  say "Arrow $arrow_version: ready in $folder"
}

# --- llama.cpp ---------------------------------------------------------------------------------------------------------

llama_options() {
  local native=ON
  [[ ${LLEM_LLAMA_NATIVE:-1} == 1 ]] || native=OFF
  printf '%s\n' -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DCMAKE_INSTALL_LIBDIR=lib "-DGGML_NATIVE=$native" \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_SUBPROCESS=OFF \
    -DGIT_EXE= -DLLAMA_BUILD_NUMBER=0 "-DLLAMA_BUILD_COMMIT=${llama_commit:0:9}" "-DGGML_BUILD_COMMIT=${llama_commit:0:9}"
  # shellcheck disable=SC2086
  [[ -z ${LLEM_LLAMA_OPTIONS:-} ]] || printf '%s\n' $LLEM_LLAMA_OPTIONS
}

# A native build runs only on processors with the same features, and home folders are shared between machines.
processor() {
  if [[ ${LLEM_LLAMA_NATIVE:-1} == 1 ]]; then
    grep -m 1 -E '^(flags|Features)' /proc/cpuinfo || true
  fi
  uname -m
}

llama_folder() {
  local key
  key=$({
    echo "$llama_source_hash"
    llama_options
    "${CXX:-c++}" --version 2>/dev/null | head -n 1
    processor
  } | sha256sum)
  printf '%s/llama-%s\n' "$deps" "${key:0:12}"
}

readonly llama_package='lib*/cmake/llama/llama-config.cmake'

check_llama_dir() {
  if [[ -n ${LLEM_LLAMA_DIR:-} ]] && ! compgen -G "$LLEM_LLAMA_DIR/$llama_package" >/dev/null; then
    fail 2 "LLEM_LLAMA_DIR=$LLEM_LLAMA_DIR holds no installed llama.cpp" "looked for $llama_package below it"
  fi
}

installed_llama() {
  if [[ -n ${LLEM_LLAMA_DIR:-} ]]; then
    printf '%s\n' "$LLEM_LLAMA_DIR"
  else
    installed_below_prefix_path "$llama_package"
  fi
}

llama() {
  local prefix folder source bench=OFF targets=() log
  case ${1:-} in
    '') ;;
    --with-bench) bench=ON ;;
    *) fail 2 "unknown option \`$1\`" "options: --with-bench" ;;
  esac
  check_llama_dir
  if prefix=$(installed_llama); then
    say "llama.cpp: using the installed one in $prefix"
    return
  fi
  folder=$(llama_folder)
  if [[ ! -d $folder || ($bench == ON && ! -x $folder/bin/llama-bench) ]]; then
    lock_prefix
  fi
  if [[ -d $folder && ($bench == OFF || -x $folder/bin/llama-bench) ]]; then
    say "llama.cpp ${llama_commit:0:9}: ready in $folder"
    return
  fi
  open_partial 1500
  # Its metadata step makes pip unpack the source once; --no-binary is the only way to ask pip for a source package.
  source=$(download "llama_cpp_python-$llama_package_version.tar.gz" "llama-cpp-python==$llama_package_version" \
    "$llama_source_hash" --no-binary llama-cpp-python)
  say "unpacking llama.cpp ${llama_commit:0:9}"
  mkdir "$partial/source"
  tar -xzf "$source" -C "$partial/source" --strip-components=3 \
    "llama_cpp_python-$llama_package_version/vendor/llama.cpp" ||
    fail 5 "the source of llama.cpp could not be unpacked" "is the disk full?"
  rm -rf -- "$partial/download"

  mkdir -p "$deps/logs"
  log=$deps/logs/llama.log
  targets=(all)
  [[ $bench == OFF || ! -d $folder ]] || targets=(llama-bench)
  [[ $bench == OFF || -d $folder ]] || targets=(llama llama-bench)
  mapfile -t options < <(llama_options)
  say "building llama.cpp (${LLEM_JOBS:-$(nproc)} jobs, some minutes; output in $log)"
  cmake -S "$partial/source" -B "$partial/build" -G Ninja "${options[@]}" "-DCMAKE_INSTALL_PREFIX=$folder" \
    "-DLLAMA_BUILD_COMMON=$bench" "-DLLAMA_BUILD_TOOLS=$bench" >"$log" 2>&1 &&
    cmake --build "$partial/build" --parallel "${LLEM_JOBS:-$(nproc)}" --target "${targets[@]}" >>"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail 5 "llama.cpp did not build: nothing was kept" "the whole output is in $log"
  }
  if [[ ! -d $folder ]]; then
    install_llama "$folder" "$log"
  fi
  if [[ $bench == ON ]]; then
    mkdir -p "$folder/bin"
    mv -f -- "$partial/build/bin/llama-bench" "$folder/bin/llama-bench"
  fi
  remove_partial
  say "llama.cpp ${llama_commit:0:9}: ready in $folder"
}

install_llama() { # folder log: staged below $partial, then renamed, so the folder is whole or absent
  local folder=$1 log=$2 stage=$partial/stage
  say "installing it into $folder"
  if [[ -d $partial/build/common ]]; then
    # With the tools configured `cmake --install` would want them all built.
    cmake -S "$partial/source" -B "$partial/build" -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TOOLS=OFF >>"$log" 2>&1
  fi
  DESTDIR=$stage cmake --install "$partial/build" >>"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail 5 "llama.cpp could not be installed: nothing was kept" "the whole output is in $log"
  }
  cp -- "$partial/source/ggml/include/gguf.h" "$partial/source/ggml/include/ggml-cpu.h" "$stage$folder/include/"
  mkdir -p "$stage$folder/licenses"
  cp -- "$partial/source/LICENSE" "$stage$folder/licenses/llama.cpp-LICENSE"
  [[ -e $stage$folder/lib/libllama.a && -e $stage$folder/lib/cmake/llama/llama-config.cmake ]] ||
    fail 5 "the installed llama.cpp is not complete: nothing was kept" "see $log"
  mv -T -- "$stage$folder" "$folder"
}

# -----------------------------------------------------------------------------------------------------------------------

path() {
  local folder=
  case ${1:-} in
    arrow) folder=$(arrow_folder) || true ;;
    llama)
      check_llama_dir
      folder=$(installed_llama) || folder=$(llama_folder)
      ;;
    *) fail 2 "path of what?" "names: arrow llama" ;;
  esac
  [[ -n $folder && -d $folder ]] || exit 1
  printf '%s\n' "$folder"
}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

main() {
  local command=${1:-help}
  if (($# > 0)); then shift; fi
  case $command in
    packages | arrow | llama | path) "$command" "$@" ;;
    all)
      packages build
      arrow
      llama
      ;;
    help | --help | -h) usage ;;
    *) usage >&2 && fail 2 "unknown command \`$command\`" ;;
  esac
}

main "$@"
