"""Guarantee 11 for journals: only one that this user's lockgen wrote in this checkout is completed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.faults import snapshot
from support.project import Project

from lockgen.io.workspace import Folder

KILLED = """\
import os, signal, sys
from lockgen.io import journal
from lockgen.io.workspace import Folder
journal.roll_forward = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
tree = {"docker/base/requirements-base.txt": b"new\\n", "locks/cpu/old.txt": None}
Folder(sys.argv[1]).replace(tree)
"""


@pytest.fixture
def killed(project: Project) -> Project:
    """A project whose last writer was killed after it wrote its journal."""
    project.write('[family]\nname = "f"\npython = "3.11"\n')
    project.write("old\n", "locks/cpu/old.txt")
    done = subprocess.run([sys.executable, "-c", KILLED, str(project.root)], check=False)
    assert done.returncode == -9
    assert (project.root / ".lockgen/journal.json").exists()
    return project


def everything(root: Path) -> dict[str, bytes | int]:
    """With lockgen's own folder, but for the lock that a writer signs."""
    own = {f".lockgen/{path}": data for path, data in snapshot(root / ".lockgen").items() if path != "lock"}
    return snapshot(root) | own


def refused(project: Project, because: str = "") -> None:
    """By readers and writers, with a way out; nothing is changed."""
    before = everything(project.root)
    for command in (["check"], ["resolve", "--offline"]):
        ran = project.run(*command)
        assert ran.code == 4, ran.out + ran.err
        assert ".lockgen/journal.json" in ran.err
        assert because in ran.err
        assert "Remove .lockgen" in ran.err
        assert everything(project.root) == before


def at(project: Project, root: Path) -> Project:
    return Project(root, project.capsys)


def completed(root: Path) -> None:
    Folder(root).recover()
    assert (root / "docker/base/requirements-base.txt").read_bytes() == b"new\n"
    assert not (root / "locks/cpu/old.txt").exists()
    assert {path.name for path in (root / ".lockgen").iterdir()} == {".gitignore", "lock"}


def test_the_write_of_a_killed_writer_is_completed(killed: Project) -> None:
    completed(killed.root)


def test_a_project_that_was_moved(killed: Project, tmp_path: Path) -> None:
    completed(killed.root.rename(tmp_path / "moved"))


def test_later_commands_do_not_touch_the_file_that_binds_the_journal(killed: Project) -> None:
    before = os.lstat(killed.root / ".lockgen/.gitignore")
    (killed.root / ".lockgen/journal.json").rename(killed.root / "aside")
    Folder(killed.root).recover()
    with Folder(killed.root).locked():
        pass
    after = os.lstat(killed.root / ".lockgen/.gitignore")
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_a_clone(killed: Project, tmp_path: Path) -> None:
    """The journal and the staged files were committed."""
    clone(killed.root, tmp_path / "clone")
    refused(at(killed, tmp_path / "clone"), "another checkout")


def clone(root: Path, target: Path) -> None:
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c"]
    for words in (["init", "--quiet"], ["add", "--all", "--force", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    subprocess.run(["git", "clone", "--quiet", str(root), str(target)], check=True)


def test_an_archive(killed: Project, tmp_path: Path) -> None:
    subprocess.run(["tar", "-cf", str(tmp_path / "a.tar"), "-C", str(killed.root), "."], check=True)
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xpf", str(tmp_path / "a.tar"), "-C", str(tmp_path / "unpacked")], check=True)
    refused(at(killed, tmp_path / "unpacked"), "another checkout")


def test_a_copy(killed: Project, tmp_path: Path) -> None:
    shutil.copytree(killed.root, tmp_path / "copy", symlinks=True)
    refused(at(killed, tmp_path / "copy"), "another checkout")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_journal_of_another_user(killed: Project) -> None:
    os.chown(killed.root / ".lockgen/journal.json", 1234, -1)
    refused(killed, "another user")


# -- journals written by hand, with the right binding -------------------------------


def forge(project: Project, change: Callable[[dict[str, Any]], object]) -> None:
    path = project.root / ".lockgen/journal.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


VICTIMS = [
    "versions.toml",
    "README.md",
    "src/app.py",
    "docker/base/app.py",
    "docker/compose.yml",
    "locks/notes.txt",
    "locks/COMPAT.md",
    "locks/pairs.json",
    "locks/index/cu121/index.json",
    "docs/metadata/notes.txt",
    ".github/workflows/ci.yml",
    ".gitignore",
    "../outside",
    "/etc/hostname",
    ".git/config",
    ".lockgen/lock",
]


@pytest.mark.parametrize("path", VICTIMS)
def test_a_path_that_lockgen_never_removes(killed: Project, path: str) -> None:
    forge(killed, lambda document: document["remove"].append(path))
    refused(killed)


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "src/app.py",
        "docker/compose.yml",
        "docker/a/b/c",
        "locks/notes.txt",
        ".gitignore",
        ".envrc",
        "../x",
    ],
)
def test_a_path_that_lockgen_never_writes(killed: Project, path: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document["write"][0][0] = path

    forge(killed, change)
    refused(killed)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("checkout"),
        lambda document: document.update(checkout=None),
        lambda document: document["checkout"].update(ctime_ns=0),
        lambda document: document["checkout"].update(inode=0),
        lambda document: document["checkout"].update(inode=str(document["checkout"]["inode"])),
        lambda document: document["checkout"].update(ctime_ns=float(document["checkout"]["ctime_ns"])),
        lambda document: document.update(format=1),
        lambda document: document.update(format=2),
        lambda document: document.update(format=4),
        lambda document: document.update(write=[["docker/base/requirements-base.txt"]]),
        lambda document: document["write"][0].pop(),
        lambda document: document["write"][0].append(0),
        lambda document: document["write"][0].__setitem__(2, -1),
        lambda document: document["write"][0].__setitem__(2, 3),
        lambda document: document["write"][0].__setitem__(3, 0o4755),
        lambda document: document.update(remove=[["x"]]),
        lambda document: document.update(remove=["docker/x/Dockerfile\0"]),
    ],
)
def test_a_journal_that_is_not_as_lockgen_writes_it(
    killed: Project, change: Callable[[dict[str, Any]], object]
) -> None:
    forge(killed, change)
    refused(killed)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '{"remove": ["versions.toml"]}'])
def test_a_file_that_is_not_a_journal(killed: Project, text: str) -> None:
    (killed.root / ".lockgen/journal.json").write_text(text)
    refused(killed)


def test_a_journal_alone(project: Project) -> None:
    """Case K1: no state folder of lockgen's own around it."""
    project.write('[family]\nname = "f"\npython = "3.11"\n')
    for number in (1, 2):
        text = json.dumps({"format": number, "write": [], "remove": ["versions.toml"]})
        project.write(text, ".lockgen/journal.json")
        refused(project)


@pytest.mark.parametrize("data", [b"", b"ne", b"other\n"])
def test_an_archive_with_other_bytes(killed: Project, data: bytes) -> None:
    """It was synced before the journal, so no power loss leaves this."""
    (killed.root / ".lockgen/stage/archive").write_bytes(data)
    refused(killed, "is not in .lockgen/stage/archive")


def test_the_hint_for_a_refused_journal_works(killed: Project) -> None:
    forge(killed, lambda document: document["remove"].append("versions.toml"))
    refused(killed)
    (killed.root / ".lockgen/journal.json").unlink()
    Folder(killed.root).recover()
    assert (killed.root / "versions.toml").exists()
    assert (killed.root / "locks/cpu/old.txt").exists()


# -- what lies in the place of lockgen's own files -----------------------------------


def replaced(path: Path, kind: str, target: Path) -> None:
    """Puts something else there that leads to the same bytes."""
    path.rename(target)
    if kind == "link":
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
@pytest.mark.parametrize("name", ["journal.json", "stage/0", "stage/archive"])
def test_links_devices_and_folders(killed: Project, tmp_path: Path, name: str, kind: str) -> None:
    replaced(killed.root / ".lockgen" / name, kind, tmp_path / "elsewhere")
    refused(killed)


@pytest.mark.parametrize("name", [".lockgen", ".lockgen/stage"])
def test_a_link_in_place_of_a_folder(killed: Project, tmp_path: Path, name: str) -> None:
    replaced(killed.root / name, "link", tmp_path / "elsewhere")
    before = snapshot(tmp_path / "elsewhere")
    for command in (["check"], ["resolve"]):
        assert killed.run(*command).code == 4
    assert snapshot(tmp_path / "elsewhere") == before
    assert (killed.root / "versions.toml").exists()


def test_a_link_in_place_of_a_file_that_was_moved_already(killed: Project, tmp_path: Path) -> None:
    """Only lockgen's own file shows that it was moved into place."""
    (tmp_path / "elsewhere").write_bytes(b"new\n")
    (killed.root / ".lockgen/stage/0").unlink()
    (killed.root / "docker/base").mkdir(parents=True)
    (killed.root / "docker/base/requirements-base.txt").symlink_to(tmp_path / "elsewhere")
    refused(killed)


def test_leftovers_that_came_with_a_clone(project: Project, tmp_path: Path) -> None:
    """What was committed in lockgen's own folder is not lost, and a writer says what is in its way."""
    project.write('[family]\nname = "f"\npython = "3.11"\n')
    project.write("keep\n", ".lockgen/stage/notes/mine.txt")
    project.write("keep\n", ".lockgen/stage/mine.txt")
    (tmp_path / "elsewhere").mkdir()
    (project.root / ".lockgen/stage/0").symlink_to(tmp_path / "elsewhere")
    before = snapshot(project.root / ".lockgen/stage")
    project.run("check")
    assert snapshot(project.root / ".lockgen/stage") == before
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; from lockgen.io.workspace import Folder; " + WRITE, project.root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BadInput" in ran.stderr, ran.stderr
    assert ".lockgen/stage" in ran.stderr
    assert snapshot(project.root / ".lockgen/stage") == before


WRITE = "Folder(sys.argv[1]).replace({'docker/base/Dockerfile': b'new'})"


@pytest.mark.parametrize("path", ["app.py", "docker/compose.yml", "locks/notes.txt"])
def test_lockgen_itself_writes_no_other_paths(project: Project, path: str) -> None:
    """What a journal may not contain, no writer may put into one: a killed write could not be completed."""
    with pytest.raises(ValueError, match=path):
        Folder(project.root).replace({path: b"x"})


def test_the_journal_has_the_documented_format(killed: Project) -> None:
    status = os.lstat(killed.root / ".lockgen/.gitignore")
    assert json.loads((killed.root / ".lockgen/journal.json").read_text()) == {
        "format": 3,
        "checkout": {"inode": status.st_ino, "ctime_ns": status.st_ctime_ns},
        "write": [["docker/base/requirements-base.txt", hashlib.sha256(b"new\n").hexdigest(), 4, None]],
        "remove": ["locks/cpu/old.txt"],
    }
