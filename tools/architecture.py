"""Reads the module table of ARCHITECTURE.md and the sources it describes, for the checks in this folder."""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE_SUFFIXES = (".cpp", ".hpp", ".h", ".c", ".inc")
ROW = re.compile(r"^\| ([a-z]+) \|.*\| ([a-z -]+) \| (pure|effects) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Module:
    name: str
    allowed: frozenset
    pure: bool


def read_modules(root):
    """The modules by name. A table without rows is an error, or every check would pass on an unreadable page."""
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = {
        name: Module(name, frozenset(allowed.split()) - {"-"}, kind == "pure") for name, allowed, kind in ROW.findall(text)
    }
    if not modules:
        raise SystemExit(f"{root}/ARCHITECTURE.md: no module table found")
    return modules


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in SOURCE_SUFFIXES) if folder.is_dir() else []


def without_comments(text, strings=True):
    """The text with comments (and string literals, if asked) blanked; line numbers stay."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"' if strings else r"//[^\n]*|/\*.*?\*/"
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.DOTALL)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def run(check, samples, describe):
    """Entry point of a check. `check(root)` gives the problems; `samples` is [(files, expected part or None)], used by
    --self-test to show that the check fails on a bad tree and passes on a good one."""
    if "--self-test" in sys.argv[1:]:
        sys.exit(self_test(check, samples))
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(problem)
    print(f"{describe}: {len(problems)} problem(s)")
    sys.exit(1 if problems else 0)


def self_test(check, samples):
    wrong = 0
    for files, expected in samples:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            problems = check(root)
        right = problems == [] if expected is None else any(expected in problem for problem in problems)
        if not right:
            wrong += 1
            print(f"self-test: expected {expected!r} for {sorted(files)}, found {problems}")
    print(f"self-test: {len(samples) - wrong} of {len(samples)} samples judged rightly")
    return 1 if wrong or not any(expected for _, expected in samples) else 0
