"""What is left of runs that are ended, that fill the disk, or that run at the same time: real commands and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.planted import plant
from support.project import Project

FAMILY = cpu_family(
    "voices",
    """\
[pins]
speech = "1.0"

[bases.base]

[stages.asr]
from = "base"
packages = ["speech"]
""",
)


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    plant(index, "speech", "1.0", "")
    project.write(FAMILY)
    project.ok("resolve")
    return project


def start(project: Project, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command whose temporary files are in ``folder``, which names all its processes."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "lockgen", "-C", str(project.root), *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def commands_in(folder: Path) -> list[str]:
    """The command lines of the processes that name ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(command.replace(b"\0", b" ").decode())
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_and_nothing_is_left_after_a_signal(
    voices: Project, index: LocalIndex, tmp_path: Path, sent: signal.Signals
) -> None:
    plant(index, "speech", "1.1", "import time\ntime.sleep(600)")
    before = voices.tree
    folder = tmp_path / "temporary"
    process = start(voices, folder, "bump", "speech", "--prove")
    assert wait_until(lambda: any("importer.py" in command for command in commands_in(folder)))
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert wait_until(lambda: commands_in(folder) == [])
    assert voices.tree == before
    # After SIGKILL, the next run removes what is left.
    plant(index, "speech", "1.2", "")
    again = start(voices, folder, "bump", "speech==1.2", "--prove")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, out + err
    assert [entry.name for entry in folder.iterdir() if "run-" in entry.name] == []


def test_a_full_disk_is_a_problem_of_the_test(voices: Project, index: LocalIndex) -> None:
    fill = "import os; f = open(os.environ['TMPDIR'] + '/big', 'wb'); [f.write(bytes(10**7)) for _ in range(10**4)]"
    voices.write(FAMILY + f'tests = [["python", "-c", """{fill}"""]]\n')
    plant(index, "speech", "1.1", "")
    ran = voices.run("bump", "speech==1.1", "--prove")
    # The base branch has the same problem, so that the bump is not refused for it.
    assert ran.code == 0, ran.err
    assert re.search("does not run, as before: python -c .*: it ended with exit code 1$", ran.out, re.MULTILINE)
    assert "    OSError: [Errno 28] No space left on device" in ran.out


def test_two_runs_at_once_do_not_disturb_each_other(voices: Project, index: LocalIndex, tmp_path: Path) -> None:
    plant(index, "speech", "1.1", "import time\ntime.sleep(1)")
    arguments = ("bump", "speech", "--prove", "--dry-run", "--no-cache")
    runs = [start(voices, tmp_path / name, *arguments) for name in ("one", "two")]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
        assert "asr:cpu" in out
        assert "does not run" not in out
