"""Seconds and memory of commands, in pairs: the machine is noisy, a ratio within one run is not."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Run:
    """One run of a command: wall seconds, the processor's seconds, and the peak of its largest process in MB."""

    seconds: float
    processor: float
    megabytes: float
    stdout: str


@dataclass(frozen=True)
class Command:
    """``before`` is run each time, outside the clock; ``code`` is the exit code it has to have."""

    arguments: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] | None = None
    before: Callable[[], None] = lambda: None
    code: int = 0

    def run(self) -> Run:
        """Raises AssertionError with its output where it fails."""
        self.before()
        environment = {**os.environ, "CI": "1", "NO_COLOR": "1", **(self.environment or {})}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # who installs lockgen has its bytecode
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.perf_counter()
            child = subprocess.Popen(self.arguments, cwd=self.cwd, stdout=out, stderr=err, env=environment)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            assert child.returncode == self.code, f"{self.arguments}: {err.read().decode()[-2000:]}"
            return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read().decode())


@dataclass(frozen=True)
class Pairs:
    """Two commands in turn. ``ratio`` and ``difference`` are medians over the pairs."""

    first: float
    second: float
    ratio: float
    difference: float
    count: int


def pairs(first: Sequence[Command], second: Sequence[Command], count: int) -> Pairs:
    """Each side is a list of commands run one after the other."""
    a, b = [], []
    for _ in range(count):
        a.append(sum(command.run().seconds for command in first))
        b.append(sum(command.run().seconds for command in second))
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return Pairs(median(a), median(b), median(ratios), median(differences), count)


def machine() -> str:
    """The machine in one line."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    return f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
