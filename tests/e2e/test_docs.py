"""What the documentation and the examples tell a user to type."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess

from harness import SOURCE, Case, main, read_json, scripted

PAGES = sorted(page for room in ("", "docs/**", "workers/**", "examples/**")
               for page in glob.glob(os.path.join(SOURCE, room, "*.md"), recursive=True))
EXAMPLES = sorted(glob.glob(os.path.join(SOURCE, "examples", "*.yaml")))
PROGRAM = ("llem ", "build/release/bin/llem ")
# Commands that set up or build, seen to work by whoever runs these tests; tools that are not ours.
NOT_RUN = ("make ", "sudo setcap ", "xargs rm ", "rm -r ", "LLEM_FIDELITY_REPORT=")
# Fences without a language are trees of folders and drawings: a command must not hide there.
LOOKS_LIKE_A_COMMAND = re.compile(r"(\$ |sudo |git |pip |apt-get |python3 |make |cmake |ctest |(build/release/bin/)?llem )")
# Pages whose YAML is the user's configuration, not a study.
USER_CONFIGURATION = ("docs/methodology/compute.md", "docs/methodology/cost.md")
# Snippets that are not run here, and where they are.
RUN_ELSEWHERE = {("docs/installation.md", "cmake"): "test_install.py builds a program so, from the installed tree"}


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
        if "--self-test" in words:
            self.write("pretend.json", scripted())
            command += " pretend.json"
        for word in words[2:]:
            if word.startswith("runs/"):
                self.a_run(word)
        command = command.replace("build/release/bin/llem", "llem", 1)
        with self.subTest(f"{place}: {command}"):
            self.assertIn(verb, ("run", "config", "doctor", "analyse", "calibrate", "--version", "--help"))
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
                if language == "":
                    with self.subTest(place):
                        self.assertEqual([text for text in lines if LOOKS_LIKE_A_COMMAND.match(text)], [])
                    continue
                if language != "sh":
                    with self.subTest(place):
                        self.assertIn((os.path.relpath(page, SOURCE), language),
                                      {*RUN_ELSEWHERE, *self.snippets("yaml"), *self.snippets("python")},
                                      "say in test_docs.py where this is run")
                    continue
                for command in commands(lines):
                    if command.startswith(PROGRAM):
                        self.run_command(command, place)
                        ran += 1
                    else:
                        with self.subTest(place):
                            self.assertTrue(command.startswith(NOT_RUN), f"say in test_docs.py why this is not run: {command}")
        self.assertGreater(ran, 5)

    @staticmethod
    def snippets(wanted):
        """{(page, language): [text...]}"""
        found = {}
        for page in PAGES:
            for language, _, lines in blocks(page):
                if language == wanted:
                    found.setdefault((os.path.relpath(page, SOURCE), language), []).append("\n".join(lines) + "\n")
        return found

    def test_every_study_in_a_page(self):
        for (page, _), texts in self.snippets("yaml").items():
            for text in texts:
                with self.subTest(page):
                    self.write("snippet.yaml", text)
                    if page in USER_CONFIGURATION:
                        self.run_llem("config", env={"LLEM_CONFIG": "snippet.yaml"})
                    else:
                        self.run_llem("run", "snippet.yaml", "--dry-run")

    def test_every_python_program_in_a_page(self):
        """In the folder of a trial, with the readers that the other tests use."""
        python = subprocess.run([os.path.join(SOURCE, "tools/test_venv.sh")], stdout=subprocess.PIPE, text=True,
                                check=True).stdout.strip()
        trial = self.measure(scripted()).trials[0]
        programs = self.snippets("python")
        self.assertTrue(programs)
        for (page, _), texts in programs.items():
            for text in texts:
                with self.subTest(page):
                    done = subprocess.run([python, "-"], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          text=True, cwd=trial, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_command_in_a_sentence(self):
        """Verbs, options, targets, presets and scripts that a page names exist."""
        with open(os.path.join(SOURCE, "Makefile"), encoding="utf-8") as file:
            targets = set(re.findall(r"^([a-z]+):", file.read(), flags=re.M))
        presets = {preset["name"] for preset in read_json(SOURCE, "CMakePresets.json")["configurePresets"]}
        helps = {}
        seen = 0
        for page in PAGES:
            with open(page, encoding="utf-8") as file:
                text = file.read()
            spans = re.findall(r"`([^`\n]+)`", text) + [c for kind, _, lines in blocks(page) if kind == "sh" for c in commands(lines)]
            for span in spans:
                with self.subTest(f"{os.path.relpath(page, SOURCE)}: {span}"):
                    if made := re.match(r"make ([a-z]+)", span):
                        self.assertIn(made.group(1), targets)
                    elif preset := re.match(r"cmake --preset (\S+)", span):
                        self.assertIn(preset.group(1), presets)
                    elif script := re.match(r"(?:tools|bench|tests|examples)/[\w./-]+", span):
                        self.assertTrue(os.path.exists(os.path.join(SOURCE, script.group())))
                    elif told := re.match(r"(?:build/release/bin/)?llem( [a-z]+)?(?= |$)", span):
                        for verb in ("", (told.group(1) or "").strip()):
                            if verb not in helps:
                                helps[verb] = self.run_llem(*verb.split(), "--help").stdout
                            self.assertIn(f"Usage: llem {verb}", helps[verb])
                        for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", span):
                            self.assertRegex(helps[""] + helps[verb], rf"(?<![\w-]){option}(?![\w-])")
                    else:
                        continue
                    seen += 1
        self.assertGreater(seen, 40)

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
