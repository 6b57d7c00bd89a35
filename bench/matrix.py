"""The compatibility matrix of the reference, compared with the bare uv calls that it needs.

`python bench/matrix.py` measures it alone. The calls are recorded as lockgen makes them, then run again without it,
one after the other: a machine with nothing else to do would need their sum divided by its cores.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from family import Family
from measuring import Command, Run

from lockgen.io import process
from lockgen.io.parallel import cores
from lockgen.io.process import Finished
from lockgen.resolvers import uv

Row = tuple[str, str, str]
_INDEX = re.compile(r'^url = "file://(.*)"$', re.MULTILINE)
LOCKGEN = [sys.executable, "-m", "lockgen", "--quiet"]


class Recorder:
    """Every uv call as a folder and a command that can be run again."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.calls: list[tuple[list[str], Path, dict[str, str]]] = []
        self._pages: dict[str, Path] = {}
        self._lock = threading.Lock()

    def run(self, argv: Sequence[str], *, cwd: Path, **more: Any) -> Finished:
        if "pyproject.toml" in argv:  # and not the call that only says which default index there is
            with self._lock:
                copy = self.scratch / str(len(self.calls))
                shutil.copytree(cwd, copy)
                for path in copy.glob("*.toml"):
                    path.write_text(_INDEX.sub(self._kept, path.read_text()))
                self.calls.append((list(argv), copy, dict(more["env"])))
        return _run(argv, cwd=cwd, **more)

    def _kept(self, found: re.Match[str]) -> str:
        """The address of a copy of an index's pages: the session's own go with it."""
        source = found[1]
        if source not in self._pages:
            self._pages[source] = self.scratch / f"index-{len(self._pages)}"
            shutil.copytree(source, self._pages[source])
        return f'url = "{self._pages[source].as_uri()}"'

    def again(self) -> float:
        """The seconds that all of them take bare, one after the other; a no is an answer like a yes."""
        started = time.perf_counter()
        for argv, cwd, environment in self.calls:
            _run(argv, cwd=cwd, env=environment)
        return time.perf_counter() - started


_run = process.run


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    uv.run = recorder.run  # type: ignore[attr-defined]
    try:
        yield
    finally:
        uv.run = _run  # type: ignore[attr-defined]


def quiet(arguments: list[str], code: int) -> None:
    """`lockgen` in this process, so that its calls can be recorded."""
    from lockgen.cli import guarded

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        assert guarded(arguments) == code, arguments


def rows(family: Family, scratch: Path) -> Iterator[Row]:
    """``family`` as `lockgen compat` has it; its first run warms the caches and is not counted."""
    cache = {"LOCKGEN_CACHE_DIR": os.environ.get("LOCKGEN_CACHE_DIR", str(scratch / "cache"))}
    recorder = Recorder(scratch / "calls")
    recorder.scratch.mkdir(parents=True)
    Command([*LOCKGEN, "compat"], family.folder, cache).run()
    with recording(recorder):
        quiet(["--project", str(family.folder), "--quiet", "compat", "--no-cache", "--offline"], 0)
    whole = [Command([*LOCKGEN, "compat", "--no-cache", "--offline"], family.folder, cache).run() for _ in range(2)]
    bare = recorder.again()
    seconds = min(run.seconds for run in whole)
    ratio = seconds / (bare / cores())
    text = f"{seconds:.1f} s, {len(recorder.calls)} calls of bare uv {bare:.1f} s on {cores()} cores"
    yield "compat, 72 cells, warm, offline", f"{ratio:.2f} x bare uv calls divided by cores", text
    again: list[Run] = [Command([*LOCKGEN, "compat"], family.folder, cache).run() for _ in range(5)]
    middle = sorted(run.seconds for run in again)[2]
    yield (
        "compat once more, nothing changed",
        f"{middle:.2f} s",
        f"{max(run.megabytes for run in again):.0f} MB (5 runs)",
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        family = Family(Path(scratch, "family"), "")
        family.folder.mkdir()
        family.copy()
        for row in rows(family, Path(scratch)):
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
