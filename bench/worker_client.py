"""A small host for one worker, for benchmarks: speaks the worker protocol over pipes, standard library only."""
import json
import os
import subprocess
import time


class Worker:
    def __init__(self, program, model, deploy, output_dir, max_request_tokens):
        os.makedirs(output_dir, exist_ok=True)
        self.dir = output_dir
        config = {
            "schema": "worker_config", "schema_version": "1.0.0", "protocol": "1.0", "trial": 0, "config_hash": "bench",
            "model_path": model, "deploy": deploy, "workload": {}, "max_request_tokens": max_request_tokens,
            "output_dir": output_dir,
        }
        path = os.path.join(output_dir, "worker_config.json")
        with open(path, "w") as file:
            json.dump(config, file)
        self.log = open(os.path.join(output_dir, "worker.log"), "w")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, "LLEM_CONFIG_PATH": path})
        self.ask({"type": "hello", "protocol": "1.0", "trial": 0}, "hello")
        self.ask({"type": "load"}, "loaded")

    def ask(self, message, answer):
        self.process.stdin.write((json.dumps(message) + "\n").encode())
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the worker ended; see " + self.log.name)
            got = json.loads(line)
            if got["type"] == "error":
                raise RuntimeError(got["message"])
            if got["type"] == answer:
                return got

    def tokens(self, length, seed=1):
        path = os.path.join(self.dir, "prompts.json")
        with open(path, "w") as file:
            json.dump({"synthetic_lengths": [length], "synthetic_seed": seed}, file)
        answer = self.ask({"type": "tokenize", "path": path}, "tokenized")
        with open(answer["path"]) as file:
            return json.load(file)["prompts"][0]["tokens"]

    def serve(self, prompt, output_tokens, passes, least_s=1e9):
        """Until as many passes are done or as much time has passed."""
        path = os.path.join(self.dir, "schedule.json")
        request = {"id": "p0r0", "prompt_tokens": prompt, "max_tokens": output_tokens, "min_tokens": output_tokens,
                   "stop_at_eos": False}
        with open(path, "w") as file:
            json.dump({"schema": "schedule", "schema_version": "1.0.0", "mode": "static", "batch_size": 1,
                       "sampling_seed": 1, "passes": [{"requests": [request]}]}, file)
        return self.ask({"type": "serve", "label": "bench", "schedule_path": path, "reset_cache": True,
                         "repeat": {"min_s": least_s, "max_passes": passes}}, "served")

    def stop(self):
        """Ends the worker; its CPU seconds, user and system."""
        self.ask({"type": "stop"}, "bye")
        self.process.stdin.close()
        while True:
            pid, status, usage = os.wait4(self.process.pid, 0)
            if pid == self.process.pid:
                break
            time.sleep(0.001)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.log.close()
        return usage.ru_utime + usage.ru_stime
