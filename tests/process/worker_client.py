"""Drives a worker the way the host does, for tests."""
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import time


class Worker:
    def __init__(self, program, deploy, model="", workload=None, max_request_tokens=0, **config):
        self.folder = tempfile.mkdtemp(prefix="llem-worker-test-")
        document = {"trial": 0, "config_hash": "abcd", "model_path": model, "deploy": deploy, "workload": workload or {},
                    "max_request_tokens": max_request_tokens, "output_dir": self.folder, **config}
        self.log_path = os.path.join(self.folder, "worker.log")
        environment = {**os.environ, "LLEM_CONFIG_PATH": self.write("config.json", document)}
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            env=environment)
        self.warnings = []
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.close()
        shutil.rmtree(self.folder)

    def write(self, name, document):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            json.dump(document, file)
        return path

    def read(self, path):
        with open(os.path.join(self.folder, path)) as file:
            return json.load(file)

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def send(self, kind, **fields):
        self.process.stdin.write((json.dumps({"type": kind, **fields}) + "\n").encode())
        self.process.stdin.flush()

    def line(self, timeout=60):
        """The next line, or None at the end of the stream."""
        end = time.monotonic() + timeout
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("the worker says nothing: " + self.log()[-2000:])
            read = os.read(self.process.stdout.fileno(), 65536)
            if not read:
                return None
            self.pending += read
        line, self.pending = self.pending.split(b"\n", 1)
        return line

    def receive(self, kind, timeout=60):
        """The next message of that kind; progress and warnings are passed over."""
        while True:
            line = self.line(timeout)
            if line is None:
                raise EOFError("the worker is gone: " + self.log()[-2000:])
            message = json.loads(line)
            if message["type"] == "warning" != kind:
                self.warnings.append(message)
            elif message["type"] == kind:
                return message
            elif message["type"] != "progress":
                raise AssertionError(f"wanted {kind}, got {message}; log: {self.log()[-2000:]}")

    def ask(self, kind, answer, timeout=60, **fields):
        self.send(kind, **fields)
        return self.receive(answer, timeout)

    def start(self):
        hello = self.ask("hello", "hello", protocol="1.0", trial=0)
        self.ask("load", "loaded", timeout=120)
        return hello

    def tokenize(self, **request):
        answer = self.ask("tokenize", "tokenized", path=self.write("prompts.json", request))
        return self.read(answer["path"])

    def begin_serve(self, schedule, label="window", reset_cache=True, **repeat):
        self.send("serve", label=label, schedule_path=self.write("schedule.json", schedule), repeat=repeat,
                  reset_cache=reset_cache)

    def end_serve(self, timeout=120):
        served = self.receive("served", timeout)
        serve = self.read(served["path"])
        serve["served"] = served
        serve["token_ns"] = read_integers(serve["token_times_path"])
        tokens = read_integers(served["path"].replace(".json", "_outputs.bin"))
        serve["outputs"] = [tokens[r["token_offset"]:r["token_offset"] + r["output_tokens"]] for r in serve["requests"]]
        numbers = read_integers(serve["steps_path"])
        names = ("begin", "end", "prefill", "decode", "context", "sequences")
        serve["steps"] = [dict(zip(names, numbers[i:i + 6])) for i in range(0, len(numbers), 6)]
        return serve

    def serve(self, schedule, **options):
        self.begin_serve(schedule, **options)
        return self.end_serve()

    def result(self):
        return self.read("abcd_result.json")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.ask("stop", "bye")
        return self.process.wait(20)


def read_integers(path):
    with open(path, "rb") as file:
        data = file.read()
    return list(struct.unpack(f"<{len(data) // 8}q", data))


def schedule(prompts, outputs, mode="continuous", batch_size=1, **request):
    """One pass: prompts as token ids, one output length each."""
    requests = [{"id": f"p0r{i}", "prompt_tokens": prompt, "max_tokens": output, **request}
                for i, (prompt, output) in enumerate(zip(prompts, outputs))]
    return {"mode": mode, "batch_size": batch_size, "passes": [{"requests": requests}]}
