#!/usr/bin/env python3
"""Rule 3 of ARCHITECTURE.md: a pure module opens no file, starts no thread, reads no clock, environment or rand.

usage: check_purity.py [ROOT] | --self-test
"""

import re

from architecture import line_of, read_modules, run, sources, without_comments

BANNED_HEADERS = re.compile(
    r"#[ \t]*include[ \t]*<(fstream|thread|iostream|unistd\.h|fcntl\.h|dlfcn\.h|csignal|signal\.h|mutex|future"
    r"|condition_variable|sys/[^>]+|curl/[^>]+)>"
)
BANNED_USES = (
    (r"::\s*now\s*\(", "reads a clock"),
    (r"\b(clock_gettime|gettimeofday|timespec_get|clock)\s*\(", "reads a clock"),
    (r"\btime\s*\(\s*(nullptr|NULL|0|&)", "reads a clock"),
    (r"\b(getenv|secure_getenv|setenv)\s*\(", "reads the environment"),
    (r"\b(s?rand|random)\s*\(\s*\)|\bsrand\s*\(|\brandom_device\b", "draws a number that no seed repeats"),
    (r"\bstd\s*::\s*(jthread|thread|async)\b", "starts a thread"),
    (r"\b(fopen|freopen|popen|system)\s*\(|\b[io]?fstream\b", "opens a file or a process"),
    (
        r"\b(filesystem|fs)\s*::\s*(exists|create_\w+|remove\w*|rename|copy\w*|status|file_size|is_\w+|canonical|absolute"
        r"|current_path|temp_directory_path|resize_file|last_write_time|space|(recursive_)?directory_iterator)\b",
        "touches the file system",
    ),
)
SAMPLE_TABLE = """
| stats | numbers | - | pure |
| sys | files | stats | effects |
"""


def check(root):
    problems = []
    for module in read_modules(root).values():
        for path in sources(root / "src" / module.name) if module.pure else []:
            name = path.relative_to(root).as_posix()
            text = without_comments(path.read_text(encoding="utf-8", errors="replace"))
            for match in BANNED_HEADERS.finditer(text):
                problems.append(f"{name}:{line_of(text, match.start())}: <{match.group(1)}> in the pure module {module.name}")
            for pattern, why in BANNED_USES:
                for match in re.finditer(pattern, text):
                    found = " ".join(match.group().split())
                    problems.append(f"{name}:{line_of(text, match.start())}: `{found}` {why}; {module.name} is pure")
    return problems


def pure(text):
    return {"ARCHITECTURE.md": SAMPLE_TABLE, "src/stats/a.cpp": text}


SAMPLES = [
    (pure("#include <chrono>\n#include <random>\nstd::chrono::seconds s{1};\nstd::mt19937_64 r{seed};\n"), None),
    (pure('// the clock::now() of the host\nauto text = "getenv(x) at now()";\nint operand(int);\n'), None),
    (pure("#include <filesystem>\nstd::filesystem::path joined = a / b;\n"), None),
    ({"ARCHITECTURE.md": SAMPLE_TABLE, "src/sys/a.cpp": "#include <fstream>\nauto t = clock::now();\n"}, None),
    (pure("#include <fstream>\n"), "<fstream>"),
    (pure("#include <thread>\n"), "<thread>"),
    (pure("#include <iostream>\n"), "<iostream>"),
    (pure("#  include <unistd.h>\n"), "<unistd.h>"),
    (pure("auto t = std::chrono::steady_clock::now();\n"), "reads a clock"),
    (pure("auto t = std::time(nullptr);\n"), "reads a clock"),
    (pure('auto e = std::getenv("HOME");\n'), "reads the environment"),
    (pure("int i = rand();\n"), "draws a number"),
    (pure("std::random_device device;\n"), "draws a number"),
    (pure("std::jthread worker;\n"), "starts a thread"),
    (pure('FILE* f = fopen("a", "r");\n'), "opens a file"),
    (pure("bool b = std::filesystem::exists(p);\n"), "touches the file system"),
]

if __name__ == "__main__":
    run(check, SAMPLES, "pure modules")
