"""Two writers wait for each other, and a reader never sees half a tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import faults

APPLIER = Path(__file__).with_name("applier.py")
TESTS = Path(faults.__file__).parent.parent


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(APPLIER), *arguments],
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_many_that_start_in_a_fresh_folder(tmp_path: Path) -> None:
    for turn in range(5):
        root = tmp_path / str(turn)
        root.mkdir()
        writers = [start("write", str(root), f"w{number}", "2") for number in range(6)]
        for writer in writers:
            _, errors = writer.communicate(timeout=120)
            assert writer.returncode == 0, errors


def test_writers_and_readers_at_once(tmp_path: Path) -> None:
    reader = start("read", str(tmp_path))
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    writers = [start("write", str(tmp_path), name, "30") for name in ("a", "b")]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    out, errors = reader.communicate("stop", timeout=60)
    assert reader.returncode == 0, errors
    assert int(out) >= 2, "it read while they wrote"
