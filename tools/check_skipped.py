#!/usr/bin/env python3
"""A test that did not run must be on the list of tests/skipped.txt, with its reason.

usage: check_skipped.py JUNIT.xml... | --self-test

A line of the list is `name pattern | reason`; `*` in the pattern stands for any text. Prints how many tests passed and
failed in all; what the failed ones printed last goes to standard error.
"""

import fnmatch
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

LIST = Path(__file__).resolve().parent.parent / "tests" / "skipped.txt"
LAST_LINES = 60


def read_list(text):
    rows = [line.split("|", 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 2 or not row[1].strip():
            raise SystemExit(f"{LIST}: a line without a reason: {row[0]}")
    return [row[0].strip() for row in rows]


def judge(allowed, reports):
    """(passed, {failed: what it printed}, [names that did not run and are on no list])"""
    passed, failed, unlisted = 0, {}, []
    for report in reports:
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            name = case.get("name", "")
            if case.find("failure") is not None or case.get("status") == "fail":
                failed[name] = case.findtext("system-out") or ""
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
                    unlisted.append(name)
            else:
                passed += 1
    return passed, failed, unlisted


def self_test():
    report = """<testsuite><testcase name="a" status="run"/><testcase name="b" status="fail"><failure/>
    <system-out>why</system-out></testcase><testcase name="gpu.x" status="notrun"><skipped/></testcase>
    <testcase name="c" status="disabled"><skipped/></testcase></testsuite>"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.xml"
        path.write_text(report, encoding="utf-8")
        found = judge(read_list("# comment\ngpu.* | needs a GPU\n"), [path])
    try:
        read_list("gpu.*\n")
        refused = False
    except SystemExit:
        refused = True
    right = found == (1, {"b": "why"}, ["c"]) and refused
    print(f"self-test: {'right' if right else f'wrong: {found}, refused {refused}'}")
    return 0 if right else 1


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    passed, failed, unlisted = judge(read_list(LIST.read_text(encoding="utf-8")), arguments)
    for name, output in failed.items():
        last = output.strip().splitlines()[-LAST_LINES:]
        print("\n".join([f"failed: {name}", *(f"    {line}" for line in last)]), file=sys.stderr)
    for name in unlisted:
        print(f"did not run, and tests/skipped.txt does not say why: {name}", file=sys.stderr)
    print(passed, len(failed) + len(unlisted))
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
