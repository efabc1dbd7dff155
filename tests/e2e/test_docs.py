"""What the documentation and the examples tell a user to type."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess

from harness import SOURCE, Case, main, scripted

PAGES = sorted(glob.glob(os.path.join(SOURCE, "*.md")) + glob.glob(os.path.join(SOURCE, "docs", "**", "*.md"), recursive=True))
EXAMPLES = sorted(glob.glob(os.path.join(SOURCE, "examples", "*.yaml")))
PROGRAM = ("llem ", "build/release/bin/llem ")
# Commands that set up or build, seen to work by whoever runs these tests; tools that are not ours.
NOT_RUN = ("make", "cmake", "ctest", "ninja", "git", "sudo", "apt-get", "tools/", "xargs rm", "rm -r", "docker", "export",
           "cd", "build/", "c++", "python3", "LLEM_")
# Fences that are no commands: trees of folders, outputs, other languages.
SHOWN = ("", "text", "cmake", "cpp", "c++", "python", "json", "jsonl", "mermaid", "make")


def blocks(page):
    """(language, first line's number, lines) of every fence."""
    language, begin, lines = None, 0, []
    with open(page, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("```"):
                if language is None:
                    language, begin, lines = line[3:].strip(), number + 1, []
                else:
                    yield language, begin, lines
                    language = None
            elif language is not None:
                lines.append(line.rstrip("\n"))
    if language is not None:
        raise AssertionError(f"{page}: a fence is not closed")


def commands(lines):
    """Commands of a shell block, with their comments taken off and continued lines joined."""
    joined = "\n".join(lines).replace("\\\n", " ")
    for line in joined.split("\n"):
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line:
            yield line


class Documentation(Case):
    def setUp(self):
        super().setUp()
        self.env["HF_HUB_OFFLINE"] = ""  # a plan may say that it would fetch; it does not fetch
        os.symlink(os.path.join(SOURCE, "examples"), os.path.join(self.folder, "examples"))
        os.makedirs(os.path.join(self.folder, "build/release"))
        os.symlink(os.path.dirname(self.llem), os.path.join(self.folder, "build/release/bin"))
        self.env["PATH"] = os.path.dirname(self.llem) + os.pathsep + self.env["PATH"]

    def a_run(self, path):
        """A run directory where the documentation has one."""
        path = os.path.join(self.folder, path)
        if not os.path.exists(path):
            self.write("pretend.json", scripted())
            self.run_llem("run", "pretend.json", "-o", "pretended")
            made = glob.glob(os.path.join(self.folder, "pretended", "*"))[0]
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.move(made, path)

    def run_command(self, command, place):
        words = shlex.split(command)
        verb = words[1]
        if verb == "run" and "--dry-run" not in words:
            command += " --dry-run"
        for word in words[2:]:
            if word.startswith("runs/"):
                self.a_run(word)
        command = command.replace("build/release/bin/llem", "llem", 1)
        with self.subTest(f"{place}: {command}"):
            self.assertIn(verb, ("run", "config", "doctor", "analyse", "--version", "--help"))
            done = self.run_shell(command)
            self.assertEqual(done.returncode, 0, done.stderr)
            if verb == "run":
                self.assertEqual(os.path.exists(os.path.join(self.folder, "cache/llem/models")), False, "it fetched")

    def run_shell(self, command):
        return subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.env, timeout=120, check=False)

    def test_every_command(self):
        ran = 0
        for page in PAGES:
            for language, line, lines in blocks(page):
                place = f"{os.path.relpath(page, SOURCE)}:{line}"
                if language not in ("sh", "bash", "console"):
                    with self.subTest(place):
                        self.assertIn(language, (*SHOWN, "yaml"), "say whether this is run, in test_docs.py")
                    continue
                for command in commands(lines):
                    if command.startswith(PROGRAM):
                        self.run_command(command, place)
                        ran += 1
                    else:
                        with self.subTest(place):
                            self.assertTrue(command.startswith(NOT_RUN), f"say in test_docs.py why this is not run: {command}")
        self.assertGreater(ran, 5)

    def test_every_study_in_a_page(self):
        for page in PAGES:
            for language, line, lines in blocks(page):
                if language == "yaml":
                    with self.subTest(f"{os.path.relpath(page, SOURCE)}:{line}"):
                        self.write("snippet.yaml", "\n".join(lines) + "\n")
                        self.run_llem("run", "snippet.yaml", "--dry-run")

    def test_every_example(self):
        self.assertTrue(EXAMPLES)
        for path in EXAMPLES:
            name = os.path.relpath(path, SOURCE)
            with self.subTest(name):
                plan = json.loads(self.run_llem("run", name, "--dry-run", "--json").stdout)["plan"]
                self.assertEqual(plan["study_name"], os.path.basename(path)[:-len(".yaml")])
            with open(path, encoding="utf-8") as file:
                told = [line.lstrip("# ").rstrip("\n") for line in file if re.match(r"#\s+llem ", line)]
            self.assertTrue(told, f"{name} does not say how to run it")
            for command in commands(told):
                self.run_command(command, name)

    def test_links(self):
        for page in PAGES:
            with open(page, encoding="utf-8") as file:
                text = re.sub(r"```.*?```", "", file.read(), flags=re.S)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                if not re.match(r"[a-z]+:", target):
                    with self.subTest(f"{os.path.relpath(page, SOURCE)}: {target}"):
                        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page), target)))


if __name__ == "__main__":
    main()
