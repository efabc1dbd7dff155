"""The installed tree, moved away from where it was installed: its program, its worker, and a program that links its
library."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from harness import SOURCE, Case, main, merged, required, scripted, small_model

BUILD = required("LLEM_BUILD_DIR")
OURS = re.compile(r"lib(llem|arrow|parquet)[._]")


def done_well(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}")
    return done.stdout


class Installed(Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="llem-install-")
        cls.addClassCleanup(folder.cleanup)
        first = os.path.join(folder.name, "first")
        done_well(required("LLEM_CMAKE"), "--install", BUILD, "--prefix", first, "--strip")
        cls.tree = os.path.join(os.path.realpath(folder.name), "moved away")
        os.rename(first, cls.tree)

    def setUp(self):
        super().setUp()
        del self.env["LLEM_WORKER_DIR"]
        self.llem = self.at("bin/llem")

    def at(self, name):
        return os.path.join(self.tree, name)

    def files(self):
        for folder, _, names in os.walk(self.tree):
            yield from (os.path.join(folder, name) for name in names)

    def study(self):
        study = scripted(model=small_model(), measure={"window": {"min_s": 0}, "warmup": {"max_s": 0}}, workload={"requests": 2})
        return merged(study, {"deploy": {"engine": "llamacpp"}})

    def test_what_is_in_it(self):
        names = {os.path.relpath(path, self.tree) for path in self.files()}
        programs = {name for name in names if name.startswith(("bin/", "libexec/"))}
        self.assertEqual(programs, {"bin/llem", "libexec/llem/llem-device-guard", "libexec/llem/llem-worker-llamacpp"})
        for name in ("LICENSE", "arrow/LICENSE.txt", "llama.cpp/llama.cpp-LICENSE"):
            self.assertIn(f"share/llem/licenses/{name}", names)
        headers = {name for name in names if name.startswith("include/")}
        wanted = {f"include/llem/{name}" for name in os.listdir(os.path.join(SOURCE, "include/llem")) if name.endswith(".hpp")}
        self.assertEqual(headers, wanted)

    def test_names_no_folder_of_the_build(self):
        for path in self.files():
            with open(path, "rb") as file:
                content = file.read()
            if content.startswith(b"\x7fELF"):
                # Assertions name their source file; what is loaded from where is in the dynamic section.
                content = done_well("readelf", "-d", path).encode()
            for folder in (BUILD, SOURCE):
                self.assertNotIn(folder.encode() + b"/", content, path)

    def test_commands(self):
        self.assertEqual(self.run_llem("--version").stdout, done_well(required("LLEM_BIN"), "--version"))
        self.run_llem("config")
        report = json.loads(self.run_llem("doctor", "--json").stdout)
        self.assertIn(self.at("libexec/llem/llem-worker-llamacpp"), json.dumps(report))
        self.write("study.json", self.study())
        self.run_llem("run", "study.json", "--dry-run")
        self.assertEqual(self.runs(), [])

    def test_an_engine_that_is_not_installed(self):
        self.write("study.json", scripted())
        self.refused(self.run_llem("run", "study.json", code=None), 3, "llem-worker-scripted", self.tree)

    def test_a_run_loads_only_what_was_moved(self):
        """The build tree is still there: nothing of it may stand in."""
        run = self.measure(self.study(), env={"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": os.path.join(self.folder, "loaded")})
        self.assert_whole(run)
        loaded = set()
        for name in os.listdir(self.folder):
            if name.startswith("loaded."):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    loaded |= set(re.findall(r"calling init: (.*)", file.read()))
        ours = {path for path in map(os.path.realpath, loaded) if OURS.match(os.path.basename(path))}
        self.assertEqual({re.match(r"[a-z_]+", os.path.basename(path)).group() for path in ours},
                         {"libllem", "libllem_parquet", "libarrow", "libparquet"})
        for path in ours:
            self.assertTrue(path.startswith(self.tree + os.sep), path)

    def test_a_program_that_uses_the_library(self):
        build = self.make("consumer")
        cmake = required("LLEM_CMAKE")
        # A library under a sanitizer wants its program under the same one.
        done_well(cmake, "-S", self.at("share/llem/examples/library"), "-B", build, "-G", "Ninja",
                  f"-DCMAKE_PREFIX_PATH={self.tree}", f"-DCMAKE_CXX_COMPILER={required('LLEM_CXX')}",
                  f"-DCMAKE_CXX_FLAGS={os.environ.get('LLEM_CONSUMER_FLAGS', '')}")
        self.assertIn(self.tree, done_well(cmake, "-LA", "-N", build))
        done_well(cmake, "--build", build)
        self.write("study.json", self.study())
        done = subprocess.run([os.path.join(build, "measure"), "study.json"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, cwd=self.folder, env=self.env, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^[0-9a-f]{16} [a-z]+ ~\d[0-9.e-]* J/output token\n$")
        self.assert_whole(self.the_run())


if __name__ == "__main__":
    main(shards=1)
