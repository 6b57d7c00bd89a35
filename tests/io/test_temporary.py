"""Temporary folders: gone after every end, and those of a killed lockgen after the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.index import LocalIndex
from support.project import Project
from support.signals import started

from lockgen.io.temporary import create_folder, remove_folder, temporary_folder

HOLDING = """
import sys
from lockgen.io.temporary import create_folder
folder = create_folder("kept-")
(folder / "uv.toml").write_text("a password")
print(folder, flush=True)
sys.stdin.read()
"""
MANY = """
import os
from lockgen.io.temporary import temporary_folder
for number in range(3):
    child = os.fork()
    if child == 0:
        with temporary_folder() as folder:
            (folder / "file").write_text("")
            if number == 1:
                os.kill(os.getpid(), 9)
        raise SystemExit
    os.waitpid(child, 0)
"""
BRIEF = "from lockgen.io.temporary import temporary_folder\nwith temporary_folder() as folder: print(folder)"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of the processes that a test starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def run(program: str) -> Path:
    """The path that ``program`` prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def killed_folder() -> Path:
    """The folder of a process that was killed."""
    with started([sys.executable, "-c", HOLDING], stdin=subprocess.PIPE) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        child.kill()
        child.wait()
    return folder


def test_a_folder_is_private_and_removed() -> None:
    with temporary_folder("install-") as folder:
        assert folder.name.startswith("install-")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        (folder / "locked").mkdir(mode=0o500)
    assert not folder.exists()


def test_nothing_stays_after_a_normal_end(temporary: Path) -> None:
    run(BRIEF)
    run("from lockgen.io.temporary import create_folder\nprint(create_folder())")
    assert not list(temporary.iterdir())


def test_a_killed_process_is_swept_by_the_next(temporary: Path) -> None:
    folder = killed_folder()
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep").chmod(0o500)
    assert (folder / "uv.toml").exists()
    run(BRIEF)
    assert not list(temporary.iterdir())


def test_a_living_process_keeps_its_folder(temporary: Path) -> None:
    with started([sys.executable, "-c", HOLDING], stdin=subprocess.PIPE) as child:
        assert child.stdout is not None
        folder = Path(child.stdout.readline().strip())
        run(BRIEF)
        assert (folder / "uv.toml").exists()
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=60) == 0
    assert not list(temporary.iterdir())


def test_links_are_not_followed(temporary: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "lock").write_text("")
    (precious / "file").write_text("mine")
    precious.chmod(0o750)
    (temporary / "lockgen-link").symlink_to(precious)
    linked = temporary / "lockgen-lock"
    linked.mkdir()
    (linked / "lock").symlink_to(precious / "lock")
    folder = killed_folder()
    (folder / "link").symlink_to(precious)
    (folder / "file").symlink_to(precious / "file")
    run(BRIEF)
    assert not folder.exists()
    assert {path.name for path in temporary.iterdir()} == {"lockgen-link", "lockgen-lock"}
    assert (precious / "file").read_text() == "mine"
    assert precious.stat().st_mode & 0o777 == 0o750


def test_other_folders_stay(temporary: Path) -> None:
    (temporary / "lockgen-notes").mkdir()  # without a lock file
    (temporary / "lockgen-file").write_text("")
    (temporary / "other").mkdir()
    (temporary / "other" / "lock").write_text("")
    os.mkdir(temporary / "lockgen-fifo")
    os.mkfifo(temporary / "lockgen-fifo" / "lock")
    before = {path.name for path in temporary.iterdir()}
    run(BRIEF)
    assert {path.name for path in temporary.iterdir()} == before


def test_a_folder_that_was_cleaned_up_is_made_again() -> None:
    first = create_folder()
    for path in (first, first.parent):
        remove_folder(path)
    second = create_folder()
    assert second.is_dir()
    remove_folder(second)


def test_many_processes_at_once(temporary: Path) -> None:
    """Each sweeps while the others create their folders."""
    children = [subprocess.Popen([sys.executable, "-c", MANY], stderr=subprocess.PIPE) for _ in range(12)]
    for child in children:
        _, err = child.communicate(timeout=120)
        assert (child.returncode, err) == (0, b"")
    run(BRIEF)
    assert not list(temporary.iterdir())


def test_a_fork_leaves_the_folder_of_its_parent() -> None:
    folder = create_folder()
    child = os.fork()
    if child == 0:  # pragma: no cover - measured by its effects
        with temporary_folder() as other:
            os._exit(0 if other.parent != folder.parent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert folder.is_dir()
    remove_folder(folder)


def test_passwords_of_a_killed_resolve(
    small: Project, index: LocalIndex, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, over = threading.Event(), threading.Event()
    respond = index.respond

    def hang(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        over.wait(60)
        return respond(path)

    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("://", "://user:secret@"))
    with monkeypatch.context() as patch:
        patch.setattr(index, "respond", hang)
        with started([sys.executable, "-m", "lockgen", "-C", str(small.root), "resolve"]) as child:
            assert asked.wait(60)
            child.send_signal(signal.SIGKILL)
            child.wait()
        over.set()
    left = [path for path in temporary.rglob("*") if path.is_file()]
    assert any(b"secret" in path.read_bytes() for path in left)
    with started([sys.executable, "-m", "lockgen", "-C", str(small.root), "resolve"]) as child:
        _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert not list(temporary.glob("lockgen-*"))
