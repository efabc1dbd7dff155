#!/usr/bin/env python3
"""Rules 1 and 5 of ARCHITECTURE.md: includes go along the module table, third-party headers stay behind their file.

usage: check_includes.py [ROOT] | --self-test
"""

import re

from architecture import line_of, read_modules, run, sources, without_comments

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# header pattern, files that may include it, how to say it
THIRD_PARTY = (
    (r"yaml-cpp/", r"src/config/", "yaml-cpp belongs to src/config"),
    (r"CLI/", r"src/cli/", "CLI11 belongs to src/cli"),
    (r"curl/", r"src/sys/", "curl belongs to src/sys"),
    (r"nlohmann/", r"src/base/json\.cpp$", "nlohmann belongs to src/base/json.cpp"),
    (r"(arrow|parquet)/", r"src/store/parquet(_\w+)?\.cpp$", "Arrow belongs to src/store/parquet.cpp"),
    (r"(llama|llama-cpp|gguf|ggml[\w-]*)\.h$", r"workers/llamacpp/", "llama.cpp belongs to workers/llamacpp"),
)
SAMPLE_TABLE = """
| module | owns | may include | kind |
|---|---|---|---|
| base | words | - | pure |
| domain | types | base | pure |
| sys | files | base | effects |
| config | text | base domain | pure |
| store | runs | base domain sys | effects |
| cli | argv | - | effects |
"""


def includes(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    for match in INCLUDE.finditer(without_comments(text, strings=False)):
        yield line_of(text, match.start()), match.group(1), match.group(2)


def third_party_problem(name, header):
    for pattern, place, message in THIRD_PARTY:
        if re.match(pattern, header) and not re.match(place, name):
            return message
    return None


def module_problem(modules, module, quote, header):
    """Why a file of `module` may not include `header`, or None."""
    room = header.split("/")[0] if "/" in header else None
    if quote == "<" and (room not in modules or header.endswith(".h")):
        return None  # the system's <sys/wait.h> is not our sys/wait.hpp
    if room is None:
        return f'write "{module}/{header}": headers are named from src/'
    if room in ("llem", module):
        return None
    if room not in modules:
        return f"`{room}` is no module of ARCHITECTURE.md"
    if module == "cli":
        return "cli includes only llem/ and its own headers"
    if room not in modules[module].allowed:
        return f"{module} may not include {room}"
    return None


def public_problem(quote, header):
    if header.startswith("llem/") or header == "tl/expected.hpp":
        return None
    if quote == '"' or "/" in header:
        return "a public header includes only llem/, tl/expected.hpp and the standard library"
    return None


def check(root):
    modules = read_modules(root)
    problems = []

    def report(name, line, header, message):
        if message:
            problems.append(f"{name}:{line}: {header}: {message}")

    for path in sources(root / "src"):
        name = path.relative_to(root).as_posix()
        module = name.split("/")[1]
        if module not in modules:
            problems.append(f"{name}:1: `{module}` is no module of ARCHITECTURE.md")
            continue
        for line, quote, header in includes(path):
            report(name, line, header, module_problem(modules, module, quote, header))
            report(name, line, header, third_party_problem(name, header))
    for path in sources(root / "workers"):
        name = path.relative_to(root).as_posix()
        for line, _, header in includes(path):
            report(name, line, header, third_party_problem(name, header))
    for path in sources(root / "include"):
        name = path.relative_to(root).as_posix()
        for line, quote, header in includes(path):
            report(name, line, header, public_problem(quote, header))
    return problems


def sample(name, text):
    return {"ARCHITECTURE.md": SAMPLE_TABLE, name: text}


SAMPLES = [
    (sample("src/domain/a.cpp", '#include "base/b.hpp"\n#include "domain/a.hpp"\n#include "llem/error.hpp"\n'), None),
    (sample("src/domain/a.cpp", '// #include "sys/file.hpp"\n#include <vector>\n#include <fmt/format.h>\n'), None),
    (sample("src/domain/a.cpp", '#include "sys/file.hpp"\n'), "domain may not include sys"),
    (sample("src/domain/a.cpp", "#include <sys/file.hpp>\n"), "domain may not include sys"),
    (sample("src/cli/a.cpp", "#include <sys/ioctl.h>\n"), None),
    (sample("src/cli/a.cpp", '#include "sys/file.h"\n'), "cli includes only"),
    (sample("src/domain/a.cpp", '#include "a.hpp"\n'), 'write "domain/a.hpp"'),
    (sample("src/domain/a.cpp", '#include "nowhere/a.hpp"\n'), "no module"),
    (sample("src/nowhere/a.cpp", ""), "no module"),
    (sample("src/cli/main.cpp", '#include "base/text.hpp"\n'), "cli includes only"),
    (sample("src/cli/main.cpp", '#include "cli/run.hpp"\n#include "llem/llem.hpp"\n#include <CLI/CLI.hpp>\n'), None),
    (sample("src/base/json.cpp", "#include <nlohmann/json.hpp>\n"), None),
    (sample("src/base/json.hpp", "#include <nlohmann/json.hpp>\n"), "nlohmann belongs"),
    (sample("src/store/parquet_read.cpp", "#include <arrow/api.h>\n#include <parquet/arrow/reader.h>\n"), None),
    (sample("src/store/run.cpp", "#include <arrow/api.h>\n"), "Arrow belongs"),
    (sample("src/sys/http.cpp", "#include <curl/curl.h>\n"), None),
    (sample("src/base/a.cpp", "#include <curl/curl.h>\n"), "curl belongs"),
    (sample("src/base/a.cpp", "# include <yaml-cpp/yaml.h>\n"), "yaml-cpp belongs"),
    (sample("src/base/a.cpp", "#include <CLI/CLI.hpp>\n"), "CLI11 belongs"),
    (sample("src/base/a.cpp", "#include <ggml-backend.h>\n"), "llama.cpp belongs"),
    (sample("workers/scripted/main.cpp", "#include <llama.h>\n"), "llama.cpp belongs"),
    (sample("workers/llamacpp/model.cpp", "#include <llama.h>\n#include <gguf.h>\n"), None),
    (sample("include/llem/a.hpp", '#include <string>\n#include <tl/expected.hpp>\n#include "llem/b.hpp"\n'), None),
    (sample("include/llem/a.hpp", "#include <fmt/format.h>\n"), "public header"),
    (sample("include/llem/a.hpp", '#include "base/text.hpp"\n'), "public header"),
]

if __name__ == "__main__":
    run(check, SAMPLES, "includes against the module table")
