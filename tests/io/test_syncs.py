"""Writing waits for the disk a few times, however many files there are; and what power loss does to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import faults
from support.families import SMALL
from support.project import Project

from lockgen.io.workspace import Folder

MOST = 8

COUNTED = """\
import json, os, sys
calls, sync = [], os.fsync
def counted(handle):
    calls.append(os.readlink(f"/proc/self/fd/{handle}"))
    sync(handle)
os.fsync = counted
"""
WRITE = """\
from lockgen.io.workspace import Folder
tree = {f"docker/stage{n}/requirements-stage{n}.txt": b"%d\\n" % n for n in range(int(sys.argv[2]))}
Folder(sys.argv[1]).replace({**tree, "locks/lock.json": b"{}"})
print(json.dumps(calls))
"""
RESOLVE = """\
from lockgen.cli import guarded
code = guarded(["-q", "-C", sys.argv[1], "resolve", "--offline"])
print(json.dumps(calls))
sys.exit(code)
"""


def synced(program: str, *arguments: object) -> list[str]:
    """The paths of what a program synced, in order."""
    tests = Path(faults.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", COUNTED + program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{tests}:{tests.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [str(path) for path in json.loads(done.stdout.splitlines()[-1])]


def test_three_hundred_files_are_synced_as_three(tmp_path: Path) -> None:
    found: dict[int, list[str]] = {}
    for number in (3, 300):
        root = tmp_path / str(number)
        root.mkdir()
        first = synced(WRITE, root, number)
        (root / "docker/stage1/requirements-stage1.txt").write_text("changed\n")
        (root / "locks/lock.json").write_text("changed\n")
        again = synced(WRITE, root, number)
        assert len(again) <= len(first)
        found[number] = [os.path.relpath(path, root) for path in first]
    assert found[3] == found[300]
    assert len(found[3]) <= MOST
    assert found[3].index(".lockgen/journal.tmp") < found[3].index("locks/lock.json"), "the lock is last"


def test_a_resolve_of_a_hundred_images(small: Project) -> None:
    small.ok("resolve")
    assert not synced(RESOLVE, small.root), "nothing changed"
    more = "".join(f'\n[stages.s{number}]\nfrom = "ml"\n' for number in range(50))
    small.write(SMALL + more)
    assert len(synced(RESOLVE, small.root)) <= MOST


KILLED = """\
import os, signal, sys
from lockgen.io import journal
from lockgen.io.workspace import Folder
journal.roll_forward = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
tree = {f"docker/stage{n}/requirements-stage{n}.txt": b"%d\\n" % n for n in range(5)}
script = {"docker/stage0/self_check.py": b"#!/usr/bin/env python3\\n"}
Folder(sys.argv[1]).replace({**tree, **script, "locks/cpu/old.txt": None})
"""


@pytest.mark.parametrize("lost", ["removed", "emptied", "placed and emptied"])
def test_the_archive_replaces_what_power_loss_took(tmp_path: Path, lost: str) -> None:
    """Only the archive and the journal were on the disk; of the other files there is a name, or not even that."""
    (tmp_path / "locks/cpu").mkdir(parents=True)
    (tmp_path / "locks/cpu/old.txt").write_text("old\n")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    for number in range(6):
        staged = tmp_path / f".lockgen/stage/{number}"
        if lost == "removed":
            staged.unlink()
        else:
            staged.write_bytes(b"")
    if lost == "placed and emptied":
        (tmp_path / "docker/stage4").mkdir(parents=True)
        (tmp_path / ".lockgen/stage/5").rename(tmp_path / "docker/stage4/requirements-stage4.txt")
    Folder(tmp_path).recover()
    for number in range(5):
        path = tmp_path / f"docker/stage{number}/requirements-stage{number}.txt"
        assert path.read_text() == f"{number}\n"
    assert os.access(tmp_path / "docker/stage0/self_check.py", os.X_OK)
    assert not (tmp_path / "locks").exists()
    assert {path.name for path in (tmp_path / ".lockgen").iterdir()} == {".gitignore", "lock"}


def test_check_and_resolve_after_power_loss(small: Project) -> None:
    """The journal is gone, so only names are left of files that the disk had not written yet."""
    small.ok("resolve")
    whole = small.tree
    for path in sorted(whole):
        if path.startswith("docker/"):
            (small.root / path).write_bytes(b"")
    assert small.run("check").code == 1
    small.ok("resolve", "--offline")
    assert small.tree == whole
