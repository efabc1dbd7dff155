"""Runs the program as a user does: own home, own cache, no network, no sensors but those a test makes.

The environment names what is tested: LLEM_BIN, LLEM_WORKER_DIR, LLEM_FAKE_NVML_LIBRARY.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
MARK = "LLEM_TRIAL_PROCESS"
PHASES = ("baseline", "load", "loaded_idle", "warmup", "pad_before", "window", "pad_after", "cooldown")
TRIAL_FILES = {"recording.json", "result.json", "traces.parquet", "timeline.parquet", "tokens.parquet",
               "steps.parquet", "worker.log", "worker"}
MODELS = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "llem", "models")
# A namespace of its own takes its mounts with it when it ends, whatever happened.
MOUNT = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
_OURS = re.compile("LLEM_|XDG_|HF_|CUDA_VISIBLE_DEVICES|PYTHON|NO_COLOR")


def required(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set: run these tests with ctest")
    return value


def small_model():
    """SmolLM2-135M in the user's cache, where the fixture of the tests with an engine puts it."""
    named = os.environ.get("LLEM_TEST_MODEL")
    found = [named] if named else sorted(glob.glob(os.path.join(MODELS, "**", "SmolLM2-135M-Instruct*.gguf"), recursive=True))
    if not found or not os.path.exists(found[0]):
        raise AssertionError(f"no model: set LLEM_TEST_MODEL, or fetch it into {MODELS} with `llem run -m smollm2-135m`")
    return os.path.realpath(found[0])


def merged(base, over):
    """`over` laid over `base`, mapping by mapping."""
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def scripted(script=None, **over):
    """A study of the test engine that is over in a second."""
    study = {
        "name": "e2e",
        "model": "pretend",
        "workload": {"dataset": "synthetic", "requests": 4, "input_tokens": 16, "output_tokens": 8},
        "deploy": {"engine": "scripted", "batch_size": 2, "threads": 1, "scripted": script or {}},
        "measure": {
            "profile": "quick", "sample_hz": 50, "baseline": {"bare_s": 0.05, "loaded_s": 0.05},
            "warmup": {"min_s": 0, "max_s": 0.05}, "window": {"min_s": 0.2, "pad_s": 0.05}, "cooldown_s": 0.5},
        "study": {"cycles": 1}}
    return merged(study, over)


def read_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def read_bytes(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def read_lines(*path):
    """Objects of a .jsonl file; a torn last line is left out, as every reader must."""
    with open(os.path.join(*path), encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().split("\n")[:-1]]


def tree(folder):
    """Every path below a folder with its size and time, to see that nothing was touched."""
    out = {}
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(here, name)
            status = os.lstat(path)
            out[os.path.relpath(path, folder)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return out


class Run:
    """A run directory, read as a user's script would."""

    def __init__(self, path):
        self.path = path
        self.trials = sorted(glob.glob(os.path.join(glob.escape(path), "trials", "*")))

    def read(self, name):
        return read_json(self.path, name)

    def results(self):
        return [read_json(trial, "result.json") for trial in self.trials
                if os.path.exists(os.path.join(trial, "result.json"))]

    def recordings(self):
        return [read_json(trial, "recording.json") for trial in self.trials]

    def manifest_lines(self):
        lines = []
        for path in sorted(glob.glob(os.path.join(glob.escape(self.path), "manifest", "*.jsonl"))):
            lines += read_lines(path)
        return lines

    def manifest(self):
        """(trial, state, reason) in the order written."""
        return [(line["trial"], line["state"], line.get("reason")) for line in self.manifest_lines() if "trial" in line]

    def decisions(self):
        """(block, verdict) in the order written."""
        return [(line["block"], line["verdict"]) for line in self.manifest_lines() if "block" in line]

    def phases(self):
        return [line["phase"] for line in read_lines(self.path, "events.jsonl") if line["event"] == "phase_started"]


def codes(result):
    return [code["code"] for code in result["validity"]["codes"]]


class Live:
    """A program that still runs; its standard error is read line by line."""

    def __init__(self, case, arguments, environment):
        self.case = case
        self.lines = []
        self.out_path = os.path.join(case.folder, f"stdout-{uuid.uuid4().hex}")
        with open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([case.llem, *arguments], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.PIPE, text=True, bufsize=1, cwd=case.folder,
                                            env=environment)
        case.addCleanup(self.close)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def until(self, text):
        """Reads until a line holds `text`."""
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return
        self.case.fail(f"it ended before it said `{text}`:\n" + "\n".join(self.lines))

    def send(self, number):
        self.process.send_signal(number)
        self.sent = time.monotonic()

    def end(self, timeout=30):
        """(exit code, standard output, seconds since the signal)"""
        try:
            rest, _ = None, self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.case.fail(f"it did not end within {timeout} s")
        after = time.monotonic() - getattr(self, "sent", time.monotonic())
        rest = self.process.stderr.read()
        self.lines += rest.splitlines()
        with open(self.out_path, encoding="utf-8") as file:
            return self.process.returncode, file.read(), after


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.llem = required("LLEM_BIN")
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="llem-e2e-"))
        self.addCleanup(self.sweep)
        self.mark = "e2e-" + uuid.uuid4().hex
        self.system = self.make("system")
        os.symlink("/proc", os.path.join(self.system, "proc"))
        # A cgroup's memory limit counts wherever these tests run; sensors do not.
        os.makedirs(os.path.join(self.system, "sys/fs"))
        if os.path.isdir("/sys/fs/cgroup"):
            os.symlink("/sys/fs/cgroup", os.path.join(self.system, "sys/fs/cgroup"))
        self.env = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
        self.env.update({
            "HOME": self.make("home"), "XDG_CACHE_HOME": self.make("cache"), "XDG_CONFIG_HOME": self.make("config"),
            "HF_HUB_OFFLINE": "1", "LLEM_LOCK_DIR": self.make("locks"), "LLEM_WORKER_DIR": required("LLEM_WORKER_DIR"), MARK: self.mark,
            "LLEM_NVML_LIBRARY": os.path.join(self.folder, "no-driver.so"), "LLEM_SYSFS_ROOT": self.system})

    def sweep(self):
        strays = self.processes()
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.assertEqual(strays, [], "processes were left behind")

    def make(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    def processes(self):
        """Programs that this test started, and what those started, that still run."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    environment = file.read()
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    state = file.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in environment and state != "Z":
                found.append(int(pid))
        return found

    def engines(self):
        """Processes of a worker: their mark has a second part."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
                if f"{MARK}={self.mark}/".encode() in file.read():
                    found.append(pid)
        return found

    def run_llem(self, *arguments, env=None, code=0, timeout=60, **options):
        """Runs to the end; `code` is the exit code that must come."""
        done = subprocess.run([self.llem, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, cwd=options.pop("cwd", self.folder),
                              env={**self.env, **(env or {})}, check=False, **options)
        if code is not None:
            self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done

    def in_namespace(self, script):
        """Runs a shell script, whose $0 is the program, with mounts of its own."""
        probe = subprocess.run([*MOUNT, "mount", "-t", "tmpfs", "none", "/mnt"], stderr=subprocess.PIPE, check=False)
        if probe.returncode != 0:
            self.skipTest("this user may not mount: " + probe.stderr.decode(errors="replace").strip())
        return subprocess.run([*MOUNT, "sh", "-c", script, self.llem], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, cwd=self.folder, env=self.env, timeout=60, check=False)

    def start(self, *arguments, env=None):
        return Live(self, arguments, {**self.env, **(env or {})})

    def runs(self):
        return [Run(path) for path in sorted(glob.glob(os.path.join(glob.escape(self.folder), "runs", "*")))]

    def the_run(self):
        runs = self.runs()
        self.assertEqual(len(runs), 1, "there must be one run directory")
        return runs[0]

    def measure(self, study, *arguments, code=0, env=None):
        """Runs a study to its end and returns its directory."""
        self.write("study.json", study)
        self.run_llem("run", "study.json", *arguments, code=code, env=env)
        return self.the_run()

    def refused(self, done, code, *texts):
        """The three lines of an error, nothing on standard output."""
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("error: "), done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)

    def assert_close(self, a, b, relative=1e-9):
        self.assertLessEqual(abs(a - b), relative * max(abs(a), abs(b)), f"{a} is not {b}")

    def assert_identities(self, result):
        """What must hold between the numbers of every result."""
        work, energy, efficiency = (result[name] for name in ("throughput", "energy", "efficiency"))
        window = work["window_s"]
        for scope in energy["scopes"]:
            self.assert_close(scope["mean_power_w"] * window, scope["gross"]["value"])
            if "net" in scope:
                gross, idle = scope["gross"]["value"], scope["idle"]["power_w"]
                self.assertLessEqual(abs(scope["net"]["value"] - (gross - idle * window)), 1e-9 * abs(gross))
        gross = energy["headline_gross_j"]["value"]
        self.assert_close(efficiency["mean_power_w"] * window, gross)
        if "headline_net_j" in energy:
            net = gross - energy["headline_idle_w"] * window
            self.assertLessEqual(abs(energy["headline_net_j"]["value"] - net), 1e-9 * abs(gross))
        self.assert_close(work["output_tokens_per_s"] * window, work["output_tokens"])
        self.assert_close(efficiency["gross_j_per_output_token"]["value"] * work["output_tokens_per_s"],
                          efficiency["mean_power_w"])
        self.assert_close(efficiency["gross_j_per_request"]["value"] * work["requests_per_s"],
                          efficiency["mean_power_w"])
        self.assert_close(efficiency["output_tokens_per_j"] * efficiency["gross_j_per_output_token"]["value"], 1)
        if "compute" in result:
            compute = result["compute"]
            self.assert_close(compute["flops_per_s"] * window, compute["flops"])
            self.assert_close(compute["prefill_flops"] + compute["decode_flops"], compute["flops"])

    def assert_whole(self, run):
        """A directory that any reader can take, however the run ended."""
        checked = []
        for name in ("plan.json", "environment.json"):
            checked.append((name, run.read(name)))
        for trial in run.trials:
            name = os.path.basename(trial)
            self.assertRegex(name, r"^\d{6}-[0-9a-f]{16}-c\d+-a\d+$")
            for document in ("recording.json", "result.json"):
                self.assert_no_nulls(os.path.join(trial, document))
                checked.append((f"{name}/{document}", read_json(trial, document)))
            self.assertFalse([file for file in os.listdir(trial) if ".tmp" in file])
        self.assertTrue(run.manifest())
        for _, state, _ in run.manifest():
            self.assertIn(state, ("planned", "started", "recorded", "done", "failed", "interrupted"))
        self.validate(checked)
        before = {trial: read_bytes(trial, "result.json") for trial in run.trials}
        again = self.run_llem("analyse", run.path, code=None)
        self.assertIn(again.returncode, (0, 1, 4), again.stderr)
        for trial, content in before.items():
            self.assertEqual(read_bytes(trial, "result.json"), content)

    def assert_no_nulls(self, path):
        """What is absent is a missing key."""
        with open(path, encoding="utf-8") as file:
            text = re.sub(r'"(\\.|[^"\\])*"', '""', file.read())
        self.assertNotRegex(text, "null|NaN|Infinity", path)

    def validate(self, documents):
        """Each (name, document) against the schema that the document says it follows."""
        jobs = [{"name": name, "schema": document.get("schema"), "document": document} for name, document in documents]
        for job in jobs:
            self.assertTrue(job["schema"], f"{job['name']} does not say its schema")
        self.assertEqual(self.violations(jobs), {})

    def violations(self, jobs):
        """{name: what is wrong}, from a validator that somebody else wrote."""
        for name in {job["schema"] for job in jobs} - set(_SCHEMAS):
            _SCHEMAS[name] = json.loads(self.run_llem("config", "schema", name).stdout)
        schemas = {name: _SCHEMAS[name] for name in {job["schema"] for job in jobs}}
        done = subprocess.run([validator(), os.path.join(HERE, "validate.py")],
                              input=json.dumps({"schemas": schemas, "jobs": jobs}), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)


_SCHEMAS = {}
_VALIDATOR = []


def validator():
    """An interpreter with jsonschema. Without one there is no test, and that is a failure."""
    if not _VALIDATOR:
        for python in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
            done = subprocess.run([python, "-c", "import jsonschema; jsonschema.Draft202012Validator"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if done.returncode == 0:
                _VALIDATOR.append(python)
                break
        else:
            raise AssertionError("no interpreter has the package jsonschema: install python3-jsonschema")
    return _VALIDATOR[0]


def main(shards=3):
    """Tests wait more than they compute: a file runs in a few processes side by side, unless a test is named."""
    module = sys.modules["__main__"]
    shard = os.environ.get("LLEM_TEST_SHARD")
    if len(sys.argv) > 1 or shards < 2:
        unittest.main(module=module)
    if shard is not None:
        number = int(shard)
        tests = unittest.TestSuite(test for i, test in enumerate(flat(unittest.defaultTestLoader.loadTestsFromModule(module)))
                                   if i % shards == number)
        sys.exit(0 if unittest.TextTestRunner(verbosity=2).run(tests).wasSuccessful() else 1)
    parts = [subprocess.Popen([sys.executable, "-B", os.path.abspath(sys.argv[0])], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "LLEM_TEST_SHARD": str(number)}) for number in range(shards)]
    for part in parts:
        print(part.communicate()[0], flush=True)
    sys.exit(max(part.returncode != 0 for part in parts))


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test
