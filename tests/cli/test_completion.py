"""A shell completes the names of the project."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from support.project import Project


def completed(project: Project, line: str) -> list[str]:
    """What bash is offered for the last word of ``line``, typed in a folder of the project."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    asked = {"_LOCKGEN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    folder = project.root / "docker"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "lockgen"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [row.partition(",")[2] for row in done.stdout.splitlines() if row]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("lockgen why nu", ["numpy"]),
        ("lockgen why numpy d", ["demux", "demux:cpu"]),
        ("lockgen build as", ["asr", "asr:cpu", "asr:cuda"]),
        ("lockgen explain c", ["cpu", "cuda"]),
        ("lockgen bump n", ["numpy"]),
        ("lockgen bump --variant cu", ["cuda"]),
        ("lockgen resolve -P tor", ["torch"]),
        ("lockgen index record ", ["cpu", "cu121"]),
    ],
)
def test_names_are_completed(small: Project, line: str, names: list[str]) -> None:
    small.ok("resolve")
    assert completed(small, line) == names


def test_another_project_may_be_named(small: Project) -> None:
    elsewhere = f"lockgen -C {small.root.parent} why nu"
    assert completed(small, elsewhere) == []
    assert completed(small, f"lockgen -C {small.root} why nu") == ["numpy"]


def test_without_a_lock_the_names_of_versions_toml_are_left(small: Project) -> None:
    assert completed(small, "lockgen build as") == ["asr"]


@pytest.mark.parametrize("text", ["", "[pins]\n'x;rm' = '1'\n", "not toml", "pins = 3\n", "[pins]\n'$(id)' = '1'\n"])
def test_what_is_no_name_is_not_offered(small: Project, text: str) -> None:
    small.write(text)
    assert completed(small, "lockgen why ") == []
