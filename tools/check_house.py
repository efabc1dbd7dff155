#!/usr/bin/env python3
"""House rules that a reader would otherwise have to remember: no notes to self, no long file without a reason, no name
that tells a file's age instead of its content, no path of one developer's machine.

usage: check_house.py [ROOT] | --self-test
"""

import re
import subprocess

from architecture import run

# The words are put together here so that this file passes its own check.
NOTES = re.compile(r"\b(" + "|".join(a + b for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"))) + r")\b")
PRIVATE_PATHS = re.compile(r"(?<![\w.~*}$-])/(?:" + "wo" + "rk|ro" + r"ot)/\w")
AGED_NAME = re.compile(r"(^|[/_.-])(legacy|deprecated|old|new|v[0-9]+)([/_.-]|$)", re.IGNORECASE)
DUST_NAME = re.compile(r"(^|[/_])(utils?|helpers?|misc)([/_.]|$)")
LONGER = re.compile(r"^\s*(//|#) Longer than 500 lines: \S+", re.MULTILINE)
CGROUP = re.compile(r"(?<=cgroup)_v[12](?=[_.])")  # the kernel's own names
CODE_ROOMS = ("src/", "include/", "workers/")
LIMIT = 500
GENERATED = {".git", "build", "runs", "__pycache__"}


def files(root):
    """What git knows or would add; a source archive without git is walked."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=False
    )
    if listed.returncode == 0 and (root / ".git").exists():
        names = listed.stdout.decode().split("\0")
        paths = [root / name for name in names if name]
    else:
        paths = [p for p in root.rglob("*") if not GENERATED & set(p.relative_to(root).parts)]
    return sorted(p for p in paths if p.is_file() and not p.is_symlink())


def check(root):
    problems = []
    for path in files(root):
        name = path.relative_to(root).as_posix()
        # tests/data holds copies of other systems' trees, named by those.
        if not name.startswith("tests/data/") and AGED_NAME.search(CGROUP.sub("", name)):
            problems.append(f"{name}:1: the name tells an age or a version: git remembers those")
        in_code = name.startswith(CODE_ROOMS)
        if in_code and DUST_NAME.search(name):
            problems.append(f"{name}:1: name the file for what is in it")
        data = path.read_bytes()
        if b"\0" in data:
            continue
        text = data.decode("utf-8", errors="replace")
        lines = text.splitlines()
        if in_code and len(lines) > LIMIT and not LONGER.search(text):
            problems.append(f"{name}:{len(lines)}: {len(lines)} lines; split it, or say `Longer than 500 lines: <reason>`")
        for number, line in enumerate(lines, 1):
            if note := NOTES.search(line):
                problems.append(f"{name}:{number}: `{note.group()}`: do it, or open an issue")
            if PRIVATE_PATHS.search(line):
                problems.append(f"{name}:{number}: a path of one machine: {line.strip()[:80]}")
    return problems


LONG = "int x;\n" * (LIMIT + 1)
SAMPLES = [
    ({"src/a.cpp": "int x;\n", "docs/a.md": "A newer /proc/self/ro" + "ot/x and src/wo" + "rk/x.\n"}, None),
    ({"src/a.cpp": "// Longer than 500 lines: one table.\n" + LONG}, None),
    ({"workers/python/a.py": "# Longer than 500 lines: one table.\n" + LONG}, None),
    ({"tests/a.cpp": LONG, "tests/unit/newton_test.cpp": "", "src/folder.cpp": ""}, None),
    ({"tests/data/host_v2/proc/old/a": "", "src/sys/cgroup_v2.cpp": ""}, None),
    ({"src/a.cpp": LONG}, "501 lines"),
    ({"src/a.cpp": "// Longer than 500 lines:\n" + LONG}, "502 lines"),
    ({"src/legacy/a.cpp": ""}, "age"),
    ({"src/reader_v2.cpp": ""}, "age"),
    ({"src/base/text_utils.cpp": ""}, "name the file"),
    ({"src/a.cpp": "int x;  // " + "TO" + "DO later\n"}, ":1: `TO" + "DO`"),
    ({"docs/a.md": "\n" + "FIX" + "ME\n"}, ":2: `FIX" + "ME`"),
    ({"tools/a.sh": "XX" + "X\n"}, "`XX" + "X`"),
    ({"tools/a.sh": "a HA" + "CK\n"}, "HA" + "CK"),
    ({"tools/a.sh": "cd /wo" + "rk/main\n"}, "one machine"),
    ({"docs/a.md": "see /ro" + "ot/notes\n"}, "one machine"),
]

if __name__ == "__main__":
    run(check, SAMPLES, "house rules")
