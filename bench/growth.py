"""How `resolve` grows with a family: seconds, Python calls, system calls, and how often it waits for the disk.

Counts do not depend on what else the machine does. `strace` counts system calls; it has to be installed.
"""

from __future__ import annotations

import pstats
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from family import ROOT, Family
from measuring import Command, Run

Row = tuple[str, str, str]
STAGES = (10, 100, 250, 500, 1000)
COUNTED = (250, 500, 1000)
RUNS = 5
OFFLINE = ["-m", "lockgen", "--quiet", "resolve", "--offline"]


def rows(family: Family, scratch: Path) -> Iterator[Row]:
    """The reference family, then it with many stages. Each ``resolve`` is offline and starts without a lock."""
    scratch.mkdir()
    counters = _Counters(family, scratch)
    yield "fsync calls of resolve, reference family", str(counters.fsyncs()), "no lock, offline"
    calls, system_calls = [], []
    for stages in STAGES:
        (family.folder / "versions.toml").write_text(family.grown(stages))
        counters.run(sys.executable, *OFFLINE[:-1])
        runs = [counters.run(sys.executable, *OFFLINE) for _ in range(RUNS)]
        middle = sorted(runs, key=lambda run: run.seconds)[RUNS // 2]
        peak = max(run.megabytes for run in runs)
        text = f"{middle.processor:.2f} s of processor time, {peak:.0f} MB at most ({RUNS} runs)"
        yield f"{stages:,} stages, offline, no lock", f"{middle.seconds:.2f} s", text
        if stages in COUNTED:
            calls.append(counters.python_calls())
            system_calls.append(counters.system_calls())
    yield "fsync calls of resolve, 1,000 stages", str(counters.fsyncs()), "no lock, offline"
    names = ", ".join(f"{stages:,}" for stages in COUNTED)
    yield f"Python calls, {names} stages", *_growth(calls)
    yield f"system calls, {names} stages", *_growth(system_calls)
    shutil.copy(ROOT / "versions.toml", family.folder)


def _growth(counts: list[int]) -> tuple[str, str]:
    """Counts in thousands, and how many each further stage adds: the same for all sizes if growth is linear."""
    steps = [(after - before) for before, after in pairwise(COUNTED)]
    added = [(after - before) // step for (before, after), step in zip(pairwise(counts), steps, strict=True)]
    shown = ", ".join(f"{count // 1000:,},000" for count in counts)
    return shown, f"{' and then '.join(f'{number:,}' for number in added)} for each further stage"


class _Counters:
    """Count what one ``resolve`` without a lock does."""

    def __init__(self, family: Family, scratch: Path) -> None:
        self._scratch = scratch
        self._folder = family.folder
        self._forget: Callable[[], None] = family.forget

    def run(self, *command: str) -> Run:
        return Command(list(command), self._folder, before=self._forget).run()

    def fsyncs(self) -> int:
        """The calls of all processes, uv's too."""
        return self._traced("fsync,fdatasync,sync_file_range,syncfs,sync")

    def system_calls(self) -> int:
        return self._traced("all")

    def _traced(self, what: str) -> int:
        report = self._scratch / "strace"
        self.run(
            "strace",
            "-f",
            "-qq",
            "-e",
            f"trace={what}",
            "-e",
            "signal=none",
            "-o",
            str(report),
            sys.executable,
            *OFFLINE,
        )
        lines = report.read_text(errors="replace").splitlines()
        # A call that another thread interrupts has two lines.
        return sum(" resumed>" not in line and "+++" not in line for line in lines)

    def python_calls(self) -> int:
        report = self._scratch / "profile"
        self.run(sys.executable, "-m", "cProfile", "-o", str(report), *OFFLINE)
        return int(pstats.Stats(str(report)).total_calls)  # type: ignore[attr-defined]
