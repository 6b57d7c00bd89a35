"""Run commands one after the other, each within limits, and print what they did: `python supervisor.py PLAN`.

This program runs next to untrusted code: in a sandbox or a container, with any Python from 3.8, without lockgen. So it
imports only the standard library. PLAN is a JSON file:

    {"format": 1, "memory": BYTES, "output": BYTES, "alone": BOOL, "steps": [STEP, ...]}

`alone` is whether this program and its steps have process ids of their own, as in a sandbox or a container. A STEP is
{"argv": [...], "cwd": FOLDER, "env": {...}, "seconds": SECONDS, "events": FILE}. The report on stdout is {"format": 1,
"gpu": BOOL, "steps": [...]}, with the exit code, wall seconds, peak memory and output of each step. `stopped` names the
limit that ended a step. A command may write lines to the file `events`; they are returned as text.

If PLAN is "-", the first line of stdin is {"files": {PATH: TEXT, ...}, "plan": {...}}: a container has no file of
lockgen. Then the program ends as soon as stdin does, because that shows that its caller has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import IO, Any

MARKER = "LOCKGEN_STEP"
"""An environment variable of each step. Its processes inherit it, in whatever process group or session they are."""
PAUSE = 0.05
ROUNDS = 100
MOST_KEPT = 200_000
"""The most bytes of a stream that are reported."""
MOST_EVENTS = 4_000_000
"""The most bytes that are read of a file with events."""
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""The devices of NVIDIA's driver, of AMD's, and of WSL."""


class Tail:
    """The first and the last bytes of a stream, and how many there were."""

    def __init__(self) -> None:
        self.half = MOST_KEPT // 2
        self.head = b""
        self.tail = b""
        self.count = 0

    def add(self, data: bytes) -> None:
        self.count += len(data)
        room = self.half - len(self.head)
        self.head += data[:room]
        self.tail = (self.tail + data[room:])[-self.half :]

    def text(self) -> str:
        left_out = self.count - len(self.head) - len(self.tail)
        gap = f"\n[{left_out} bytes left out]\n".encode() if left_out else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


def follow(stream: IO[bytes], tail: Tail) -> threading.Thread:
    """Read ``stream`` to its end in a thread."""

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                data = os.read(stream.fileno(), 65536)
                if not data:
                    return
                tail.add(data)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


class Processes:
    """The processes of a step, also those whose parents have ended.

    They have ``mark`` in their environment. If this program is alone with them, all other processes are theirs.
    """

    def __init__(self, mark: str, *, is_alone: bool) -> None:
        self.wanted = f"{MARKER}={mark}".encode()
        self.is_alone = is_alone

    def running(self) -> list[int]:
        found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [process for process in found if process not in {1, os.getpid()} and self.owns(process)]

    def owns(self, process: int) -> bool:
        """Whether ``process`` belongs to the step, and has not ended."""
        try:
            if self.is_alone:
                with open(f"/proc/{process}/stat", "rb") as file:
                    return file.read().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
            with open(f"/proc/{process}/environ", "rb") as file:
                return self.wanted in file.read().split(b"\0")
        except OSError:
            return False

    def end(self) -> None:
        """Kill all. Some may start others meanwhile."""
        if not self.is_alone:
            self.stop()
        for _ in range(ROUNDS):
            processes = self.running()
            if not processes:
                return
            # To all at once, if possible: no process can fork its way out of that.
            send([-1] if self.is_alone else processes, signal.SIGKILL)
            time.sleep(PAUSE / 5)

    def stop(self) -> None:
        """Stop them before they are killed: a process that is killed makes room for another one."""
        stopped: set[int] = set()
        for _ in range(ROUNDS):
            running = set(self.running()) - stopped
            if not running:
                return
            send(running, signal.SIGSTOP)
            stopped |= running


def send(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, number)


def memory_of(processes: list[int]) -> int:
    """The resident bytes of ``processes``. Shared pages count for each process."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{process}/statm") as file:
            total += int(file.read().split()[1]) * resource.getpagesize()
    return total


def reap() -> None:
    """Forget processes that have ended. In a container, orphans become children of this program."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def yield_to_this_program(group: int) -> None:
    """Let this program run first in its container, however many processes a step starts."""
    # Only there: a container has its own share of the processors, and niceness counts within it.
    if os.getpid() == 1:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, group, 19)


def out_of_memory() -> int:
    """How many processes of this container the kernel has ended, as memory ran out."""
    # The file of cgroup 2, and that of cgroup 1.
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            counts = dict(line.split() for line in file)
            return int(counts.get("oom_kill", "0"))
    return 0


class Step:
    """One command."""

    def __init__(self, plan: dict[str, Any], step: dict[str, Any], number: int) -> None:
        self.step = step
        self.seconds: float = step["seconds"]
        self.memory: int = plan["memory"]
        self.output: int = plan["output"]
        self.mark = f"{os.getpid()}-{number}-{os.urandom(8).hex()}"
        self.processes = Processes(self.mark, is_alone=plan["alone"])
        self.peak = 0
        self.stdout = Tail()
        self.stderr = Tail()

    def run(self) -> dict[str, Any]:
        started = time.monotonic()
        killed = out_of_memory()
        try:
            process = subprocess.Popen(
                self.step["argv"],
                cwd=self.step["cwd"],
                env={**self.step["env"], MARKER: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self.stderr.add(f"{self.step['argv'][0]}: {error.strerror}".encode())
            return self.result(127, "", 0.0)
        yield_to_this_program(process.pid)
        streams = ((process.stdout, self.stdout), (process.stderr, self.stderr))
        threads = [follow(stream, tail) for stream, tail in streams if stream is not None]
        stopped = self.watch(process, started)
        seconds = time.monotonic() - started
        # What runs in the background belongs to the step, too.
        self.processes.end()
        reap()
        for thread in threads:
            thread.join(2)
        if not stopped and process.returncode and out_of_memory() > killed:
            stopped = "kernel"
        return self.result(process.returncode, stopped, seconds)

    def watch(self, process: subprocess.Popen[bytes], started: float) -> str:
        """Wait for the end of ``process``. Returns the limit that was exceeded; "" for none."""
        while True:
            if self.has_ended(process):
                return ""
            self.peak = max(self.peak, memory_of(self.processes.running()))
            exceeded = self.exceeded(time.monotonic() - started)
            if exceeded is not None:
                with contextlib.suppress(OSError):
                    os.kill(process.pid, signal.SIGKILL)
                self.processes.end()
                process.wait()
                return exceeded
            time.sleep(PAUSE)

    def has_ended(self, process: subprocess.Popen[bytes]) -> bool:
        while True:
            # Any child: in a container, orphans become children of this program.
            found, status, usage = os.wait4(-1, os.WNOHANG)
            if found == process.pid:
                self.peak = max(self.peak, usage.ru_maxrss * 1024)
                process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
            if found in {0, process.pid}:
                return found != 0

    def exceeded(self, seconds: float) -> str | None:
        if seconds > self.seconds:
            return "time"
        if self.peak > self.memory:
            return "memory"
        if self.stdout.count + self.stderr.count > self.output:
            return "output"
        return None

    def result(self, code: int, stopped: str, seconds: float) -> dict[str, Any]:
        return {
            "code": code,
            "stopped": stopped,
            "seconds": round(seconds, 3),
            "memory": self.peak,
            "stdout": self.stdout.text(),
            "stderr": self.stderr.text(),
            "events": self.events(),
        }

    def events(self) -> str:
        path = self.step.get("events")
        if path is None:
            return ""
        try:
            with open(path, "rb") as file:
                return file.read(MOST_EVENTS).decode("utf-8", "replace")
        except OSError:
            return ""


def received() -> dict[str, Any]:
    """The plan on stdin. Its files are written, and this program ends when stdin does."""
    document = json.loads(sys.stdin.buffer.readline())
    for path, text in document["files"].items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    threading.Thread(target=end_with_caller, daemon=True).start()
    plan: dict[str, Any] = document["plan"]
    return plan


def end_with_caller() -> None:
    while os.read(0, 65536):
        pass
    # All processes of a container end with the first.
    os._exit(1)


def read(path: str) -> dict[str, Any]:
    with open(path) as file:
        plan: dict[str, Any] = json.load(file)
    return plan


def hide() -> None:
    """Do not let steps, which have the same user, write to the report or read the environment of this program."""
    pr_set_dumpable = 4
    # A Python may have been built without ctypes.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import ctypes

        ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)


def source() -> str:
    """The text of this program, to start it elsewhere."""
    with open(__file__, encoding="utf-8") as file:
        return file.read()


def main() -> None:
    hide()
    plan = received() if sys.argv[1] == "-" else read(sys.argv[1])
    steps = []
    for number, step in enumerate(plan["steps"]):
        done = Step(plan, step, number).run()
        steps.append(done)
    has_gpu = any(map(os.path.exists, GPU_DEVICES))
    report = {"format": 1, "gpu": has_gpu, "steps": steps}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
