"""The scripted worker and, through it, what all workers share: worker_scripted_test.py WORKER."""
import os
import signal
import subprocess
import sys
import time
import unittest

from worker_client import Worker, schedule

program = ""


def worker(script=None, **fields):
    return Worker(program, {"engine": "scripted", "scripted": {"instant": True, **(script or {})}, **fields})


def plan(outputs=(4, 5, 6), mode="continuous", batch_size=2, **request):
    return schedule([[1, 5, 6]] * len(outputs), outputs, mode, batch_size, **request)


class Life(unittest.TestCase):
    def test_from_hello_to_bye(self):
        with worker() as w:
            self.assertEqual(w.start()["engine"], "scripted")
            answer = w.ask("clock", "clock", sequence=3, host_ns=42)
            self.assertEqual((answer["sequence"], answer["host_ns"]), (3, 42))
            self.assertLess(abs(answer["worker_ns"] - time.monotonic_ns()), 1_000_000_000)
            tokens = w.tokenize(synthetic_lengths=[5, 9], synthetic_seed=1)
            self.assertEqual([len(p["tokens"]) for p in tokens["prompts"]], [5, 9])
            serve = w.serve(plan(), max_passes=1)
            self.assertEqual([r["output_tokens"] for r in serve["requests"]], [4, 5, 6])
            self.assertEqual(w.stop(), 0)
            result = w.result()
            self.assertEqual(len(result["serves"]), 1)
            self.assertEqual(result["worker"]["declared"], result["worker"]["effective"])

    def test_keeps_its_times(self):
        script = {"instant": False, "decode_step_s": 0.01, "prefill_token_s": 0.002}
        with worker(script) as w:
            w.start()
            serve = w.serve(plan((3,), batch_size=1), max_passes=1)
            steps = [(s["end"] - s["begin"]) / 1e9 for s in serve["steps"]]
            self.assertEqual(len(steps), 3)
            for got, wanted in zip(steps, (0.016, 0.01, 0.01)):
                self.assertGreaterEqual(got, wanted)

    def test_burns_cpu_when_told(self):
        for busy in (False, True):
            with worker({"instant": False, "decode_step_s": 0.05, "busy": busy}) as w:
                w.start()
                before = w.cpu_seconds()
                w.serve(plan((10,), batch_size=1), max_passes=1)
                seconds = w.cpu_seconds() - before  # of half a second; the machine may be shared
                self.assertEqual(busy, seconds > 0.03, f"busy {busy}: {seconds} s")

    def test_refuses_another_major_version(self):
        with worker() as w:
            w.send("hello", protocol="2.3", trial=0)
            w.receive("hello")
            self.assertEqual(w.receive("error")["kind"], "protocol_error")
            self.assertEqual(w.process.wait(10), 1)

    def test_refuses_lines_that_are_no_messages(self):
        for line in (b"nonsense\n", b"[]\n", b'{"type":"dance"}\n', b'{"type":"serve"}\n', b"x" * (1 << 21)):
            with worker() as w:
                w.receive("hello")
                try:
                    w.process.stdin.write(line)
                    w.process.stdin.flush()
                except BrokenPipeError:
                    pass
                self.assertEqual(w.receive("error")["kind"], "protocol_error")
                self.assertEqual(w.process.wait(10), 1)

    def test_refuses_to_serve_or_tokenise_without_a_model(self):
        for kind, fields in (("tokenize", {"path": "/x"}), ("serve", {"label": "a", "schedule_path": "/x"})):
            with worker() as w:
                w.send(kind, **fields)
                w.receive("hello")
                self.assertEqual(w.receive("error")["kind"], "protocol_error")

    def test_ends_when_its_input_ends(self):
        with worker() as w:
            w.start()
            w.process.stdin.close()
            self.assertEqual(w.process.wait(5), 3)

    def test_dies_with_its_parent(self):
        code = ("import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:], stdin=sys.stdin, stdout=subprocess.PIPE);"
                "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)")
        with worker() as w:
            environment = {**os.environ, "LLEM_CONFIG_PATH": os.path.join(w.folder, "config.json")}
            read, write = os.pipe()  # kept open: the worker's input does not end
            parent = subprocess.Popen([sys.executable, "-c", code, program], stdin=read, stdout=subprocess.PIPE,
                                      env=environment, text=True)
            child = int(parent.stdout.readline())
            parent.kill()
            parent.wait()
            parent.stdout.close()
            end = time.monotonic() + 5
            while time.monotonic() < end and alive(child):
                time.sleep(0.02)
            self.assertFalse(alive(child))
            os.close(read)
            os.close(write)

    def test_keeps_prints_out_of_the_stream(self):
        with worker() as w:
            w.receive("hello")
            folder = f"/proc/{w.process.pid}/fd"
            self.assertEqual(os.readlink(folder + "/0"), "/dev/null")
            self.assertEqual(os.readlink(folder + "/1"), os.readlink(folder + "/2"))
            self.assertEqual(os.readlink(folder + "/1"), w.log_path)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Interrupts(unittest.TestCase):
    slow = {"instant": False, "decode_step_s": 0.5}

    def test_cancel_is_answered_within_a_second(self):
        with worker(self.slow) as w:
            w.start()
            w.begin_serve(plan((1000,) * 3), min_s=60)
            time.sleep(0.7)
            begin = time.monotonic()
            w.send("cancel")
            serve = w.end_serve()
            self.assertLess(time.monotonic() - begin, 1)
            self.assertTrue(serve["served"]["cancelled"])
            self.assertEqual({r["finish"] for r in serve["requests"]}, {"abort"})
            self.assertEqual(w.stop(), 0)

    def test_stop_ends_a_serve_as_well(self):
        with worker(self.slow) as w:
            w.start()
            w.begin_serve(plan((1000,) * 3), min_s=60)
            time.sleep(0.2)
            w.send("stop")
            self.assertTrue(w.end_serve()["served"]["cancelled"])
            w.receive("bye")
            self.assertEqual(w.process.wait(5), 0)


class Faults(unittest.TestCase):
    def drive(self, script):
        """Goes as far as it can; returns the last place reached and the lines read there."""
        w = worker(script)
        place, message = "start", None
        try:
            for place, step in (("hello", lambda: w.ask("hello", "hello", 5, protocol="1.0", trial=0)),
                                ("load", lambda: w.ask("load", "loaded", 5)),
                                ("tokenize", lambda: w.tokenize(synthetic_lengths=[4])),
                                ("warmup", lambda: w.serve(plan(), label="warmup", max_passes=1)),
                                ("window", lambda: w.serve(plan(), label="window", max_passes=1)),
                                ("stop", w.stop)):
                message = step()
            return w, "end", message
        except (EOFError, BrokenPipeError, AssertionError, ValueError, TimeoutError) as error:
            return w, place, error

    def test_dies_where_it_is_told(self):
        places = {"before_hello": "hello", "load": "load", "tokenize": "tokenize", "warmup": "warmup",
                  "window": "window", "after": "stop"}
        for when, where in places.items():
            w, place, _ = self.drive({"die": {"when": when, "exit_code": 9}})
            with w:
                self.assertEqual(place, where, when)
                self.assertEqual(w.process.wait(5), 9)
        w, _, _ = self.drive({"die": {"when": "loaded", "signal": signal.SIGSEGV}})
        with w:
            self.assertIn(w.process.wait(5), (-signal.SIGSEGV, 1), "a sanitizer may turn it into an exit")

    def test_hangs_where_it_is_told(self):
        with worker({"hang": "load"}) as w:
            w.ask("hello", "hello", protocol="1.0", trial=0)
            w.send("load")
            with self.assertRaises(TimeoutError):
                w.receive("loaded", timeout=0.5)
            self.assertIsNone(w.process.poll())

    def test_reports_the_error_it_is_told(self):
        with worker({"error": {"when": "tokenize", "kind": "out_of_memory", "message": "no more"}}) as w:
            w.start()
            w.send("tokenize", path=w.write("p.json", {"synthetic_lengths": [1]}))
            error = w.receive("error")
            self.assertEqual((error["kind"], error["message"]), ("out_of_memory", "no more"))
            self.assertEqual(w.process.wait(5), 1)

    def test_writes_lines_that_are_no_messages(self):
        with worker({"garbage_line": "load"}) as w:
            w.send("load")
            w.receive("hello")
            with self.assertRaises(ValueError):
                w.receive("loaded")
        with worker({"half_line": "load", "die": {"when": "load", "exit_code": 0}}) as w:
            w.send("load")
            w.receive("hello")
            with self.assertRaises(EOFError):
                w.receive("loaded")
            self.assertTrue(w.pending)
        with worker({"long_line": "load"}) as w:
            w.send("load")
            w.receive("hello")
            lines = [w.line()]
            while lines[-1][:1] == b"{" and b"progress" in lines[-1]:
                lines.append(w.line())
            self.assertGreater(len(lines[-1]), 1 << 20)

    def test_floods_standard_error(self):
        with worker({"flood_stderr_bytes": 1 << 20}) as w:
            w.start()
            self.assertGreaterEqual(len(w.log()), 1 << 20)

    def test_lies(self):
        truth = None
        for lie in ([], ["tokens"], ["requests"], ["times"]):
            with worker({"lie": lie}) as w:
                w.start()
                serve = w.serve(plan(), max_passes=1)
                counts = [r["output_tokens"] for r in serve["requests"]]
                forward = all(r["started_ns"] <= r["end_ns"] for r in serve["requests"])
                truth = truth or counts
                self.assertEqual(lie == ["tokens"], counts == [n + 1 for n in truth])
                self.assertEqual(lie == ["requests"], len(counts) == len(truth) - 1)
                self.assertEqual(lie == ["times"], not forward)

    def test_starts_slowly(self):
        begin = time.monotonic()
        with worker({"slow_start_s": 0.5}) as w:
            w.receive("hello")
            self.assertGreaterEqual(time.monotonic() - begin, 0.5)

    def test_leaves_a_child_that_holds_the_stream(self):
        with worker({"hold_stream_s": 1.5}) as w:
            w.start()
            begin = time.monotonic()
            self.assertEqual(w.stop(), 0)
            self.assertIsNone(w.line(timeout=5))
            self.assertGreater(time.monotonic() - begin, 0.5)

    def test_leaves_a_child_of_another_session(self):
        with worker({"daemonise_s": 2}) as w:
            w.start()
            session = os.getsid(w.process.pid)
            strays = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                      if alive(pid) and command(pid) == os.path.basename(program)[:15] and pid != w.process.pid]
            self.assertTrue(any(os.getsid(pid) != session for pid in strays), strays)
            self.assertEqual(w.stop(), 0)
            self.assertIsNone(w.line(timeout=1), "it does not hold the stream")

    def test_ignores_sigterm_when_told(self):
        for ignore in (False, True):
            with worker({"ignore_sigterm": ignore}) as w:
                w.receive("hello")
                w.process.terminate()
                if ignore:
                    w.ask("load", "loaded")
                else:
                    self.assertEqual(w.process.wait(5), -signal.SIGTERM)

    def test_claims_another_version(self):
        with worker({"wrong_protocol": "7.0"}) as w:
            self.assertEqual(w.receive("hello")["protocol"], "7.0")

    def test_differs_from_what_was_declared(self):
        with worker({"effective": {"batch_size": 3}}, batch_size=4) as w:
            w.start()
            facts = w.result()["worker"]
            self.assertEqual((facts["declared"]["batch_size"], facts["effective"]["batch_size"]), (4, 3))

    def test_refuses_a_script_it_does_not_know(self):
        with worker({"dye": {"when": "load"}}) as w:
            error = w.receive("error")
            self.assertEqual(error["kind"], "bad_argument")
            self.assertIn("dye", error["message"])


def command(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    program = os.path.abspath(sys.argv.pop(1))
    unittest.main()
