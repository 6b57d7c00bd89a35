"""Guarantee 6: killed at any moment, the next command finds the whole old tree or the whole new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import killing
from support.families import SMALL
from support.project import Project

KILLS = 60


@pytest.mark.slow
def test_killed_while_writing_and_at_random_moments(small: Project) -> None:
    small.ok("resolve")
    other = SMALL.replace('numpy = "2.0.0"', 'numpy = "1.26.4"').replace("[stages.demux]", "[stages.remux]")
    small.write(other)
    small.ok("resolve")  # so that --offline knows both
    program = Path(killing.__file__)
    tests = program.parent.parent
    done = subprocess.run(
        [sys.executable, str(program), str(small.root), json.dumps([SMALL, other]), str(KILLS)],
        env={**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] >= KILLS
    assert result["old"] > 5
    assert result["new"] > 5
    assert set(result["left"]) <= {".gitignore", "lock"}, "no staged file stays behind"
