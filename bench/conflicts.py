"""`explain` and `repair` of the seed's pins (tests/reference/seed-pins), complete, with warm caches.

`python bench/conflicts.py` measures them alone. It compares them with the resolver calls that they need, recorded and
run bare, one after the other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from matrix import LOCKGEN, Recorder, Row, quiet, recording
from measuring import Command

from lockgen.io.parallel import cores

PINS = Path(__file__).parent.parent / "tests/reference/seed-pins/versions.toml"
RUNS = 5


def rows(scratch: Path) -> Iterator[Row]:
    """The first run of each warms the caches and is not counted; what lockgen kept of it is thrown away each time."""
    folder = scratch / "family"
    folder.mkdir(parents=True)
    shutil.copy(PINS, folder)
    kept = scratch / "cache"
    cache = {"LOCKGEN_CACHE_DIR": str(kept)}
    explain = Command([*LOCKGEN, "explain"], folder, cache, code=3)
    repair = Command([*LOCKGEN, "repair"], folder, cache)
    for command in (explain, repair):
        command.run()

    first, then, again = [], [], []
    for _ in range(RUNS):
        shutil.rmtree(kept / "questions")
        first.append(explain.run().seconds)
        then.append(repair.run().seconds)
        again.append(explain.run().seconds + repair.run().seconds)
    text = f"explain {median(first):.1f} s, then repair with three proposals {median(then):.1f} s ({RUNS} runs)"
    both = median(a + b for a, b in zip(first, then, strict=True))
    yield "explain and repair of the seed's pins, warm", f"{both:.1f} s together", text
    yield "both once more, nothing changed", f"{median(again):.1f} s together", f"({RUNS} runs)"
    yield bare(folder, scratch / "calls", kept, both)


def bare(folder: Path, calls: Path, kept: Path, both: float) -> Row:
    """The same questions without lockgen."""
    recorder = Recorder(calls)
    calls.mkdir()
    shutil.rmtree(kept / "questions")
    os.environ["LOCKGEN_CACHE_DIR"] = str(kept)
    with recording(recorder):
        quiet(["--project", str(folder), "--quiet", "explain"], 3)
        quiet(["--project", str(folder), "--quiet", "repair"], 0)
    seconds = recorder.again()
    ratio = both / (seconds / cores())
    text = f"{len(recorder.calls)} calls of bare uv, one after the other: {seconds:.1f} s on {cores()} cores"
    return (
        "explain and repair compared with their resolver calls",
        f"{ratio:.2f} x bare uv calls divided by cores",
        text,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows(Path(scratch)):
            print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
