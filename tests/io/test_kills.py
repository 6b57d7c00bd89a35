"""Guarantee 6 for `Folder`: killed at every call that changes the disk, and from outside while it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import faults

APPLIER = Path(__file__).with_name("applier.py")


@pytest.mark.slow
def test_two_hundred_kills_leave_one_whole_tree_each_time(tmp_path: Path) -> None:
    tests = Path(faults.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, str(APPLIER), "kill", str(tmp_path), "60"],
        env={"PYTHONPATH": f"{tests}:{tests.parent}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 200
    assert counts["writing"] >= 150, counts
    assert counts["journals"] >= 40, counts
    assert min(counts["old"], counts["new"]) >= 20, counts
