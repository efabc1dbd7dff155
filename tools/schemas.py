#!/usr/bin/env python3
"""Writes docs/schema/*.json from the program's own field tables, or checks that they are fresh.

usage: schemas.py [--check] LLEM FOLDER
"""
import pathlib
import subprocess
import sys


def main(arguments):
    check = "--check" in arguments
    llem, folder = [a for a in arguments if a != "--check"]
    folder = pathlib.Path(folder)
    names = subprocess.run([llem, "config", "schema"], check=True, capture_output=True, text=True).stdout.split()
    stale = []
    for name in names:
        text = subprocess.run([llem, "config", "schema", name], check=True, capture_output=True, text=True).stdout
        path = folder / f"{name}.schema.json"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    known = {f"{name}.schema.json" for name in names}
    stale += [path.name for path in folder.glob("*.json") if path.name not in known]
    if stale:
        print("not what the program says: " + ", ".join(sorted(stale)) + " (make schema)")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
