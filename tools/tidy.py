#!/usr/bin/env python3
"""clang-tidy over the product's sources within a time box, what changed first.

The path-sensitive analyser costs as much as all other checks together, so it looks only where memory and descriptors are
held by hand. A file that passed is not checked again while it, the headers of ours that it includes, .clang-tidy and its
command stay the same (remembered in the user's cache). Files left out for time are named, and make the check neither fail
nor pass silently.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("src", "workers")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
ANALYSED = ("src/sys/", "src/meters/", "workers/support/")
SEARCH = (ROOT / "src", ROOT / "include")
# The commands are GCC's: what clang does not know is no finding, and its warnings are not this check's business.
EXTRA = ("-Wno-error", "-Wno-unknown-warning-option")


def closure(path, seen):
    """The file and every header of ours below it."""
    if path in seen:
        return seen
    seen.add(path)
    for name in INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace")):
        for folder in (path.parent, *SEARCH):
            if (folder / name).is_file():
                closure((folder / name).resolve(), seen)
                break
    return seen


def fingerprint(path, command, tidy_version, checks):
    digest = hashlib.sha256()
    for part in (command, tidy_version, checks, (ROOT / ".clang-tidy").read_text(encoding="utf-8")):
        digest.update(part.encode())
    for each in sorted(closure(path, set())):
        digest.update(each.name.encode() + b"\0" + each.read_bytes())
    return digest.hexdigest()


def changed_files():
    """Files that differ from the commit before the last one."""
    git = subprocess.run(["git", "-C", ROOT, "diff", "--name-only", "HEAD~1"], capture_output=True, text=True, check=False)
    return {ROOT / name for name in git.stdout.split()}


def commands(build):
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ROOMS:
            found.setdefault(path, entry["command"])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--tidy", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--fix", action="store_true", help="let clang-tidy correct what it can, one file at a time")
    options = parser.parse_args()
    if options.fix:
        options.jobs = 1

    deadline = time.monotonic() + options.seconds
    version = subprocess.run([options.tidy, "--version"], capture_output=True, text=True, check=True).stdout
    memory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "llem" / "tidy"
    memory.mkdir(parents=True, exist_ok=True)
    todo = commands(options.build)
    if not todo:
        print("no source of ours in compile_commands.json")
        return 1
    changed = changed_files()
    order = sorted(todo, key=lambda path: (closure(path, set()).isdisjoint(changed), path))

    def check(path):
        name = path.relative_to(ROOT).as_posix()
        checks = "" if name.startswith(ANALYSED) else "-clang-analyzer-*"
        stamp = memory / fingerprint(path, todo[path], version, checks)
        if stamp.exists():
            return name, "known", ""
        if time.monotonic() > deadline:
            return name, "left out", ""
        command = [options.tidy, "-p", options.build, "--quiet", f"--checks={checks}"]
        command += [f"--extra-arg={flag}" for flag in EXTRA] + (["--fix"] if options.fix else []) + [path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            stamp.touch()
            return name, "passed", ""
        return name, "failed", done.stdout + (done.stderr if not done.stdout else "")

    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, state, output in pool.map(check, order):
            results.setdefault(state, []).append(name)
            if output:
                print(output, flush=True)
    left = results.get("left out", [])
    (options.build / "clang-tidy-left-out.txt").write_text("".join(f"{name}\n" for name in left), encoding="utf-8")
    if left:
        print(f"LEFT OUT for time ({options.seconds:.0f} s): {' '.join(left)}")
    print("clang-tidy: " + ", ".join(f"{len(names)} {state}" for state, names in sorted(results.items())))
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main())
