"""Each step of the journal by itself: which files it writes, with which modes and calls, and what it refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.faults import at_call, snapshot

from lockgen.errors import BadInput, ToolFailed
from lockgen.io import journal
from lockgen.io.journal import Checkout, Journal, NewFile

TEXT = "docker/a/requirements-a.txt"
SCRIPT = "docker/a/self_check.py"
LOCK = "locks/lock.json"
OLD = "locks/cpu/old.txt"
TREE: dict[str, bytes | None] = {LOCK: b"{}", SCRIPT: b"#!/bin/sh\n", TEXT: b"new\n", OLD: None}
ARCHIVE = b"new\n#!/bin/sh\n{}"
MOVES = ("fsync", "replace", "unlink", "rmdir")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that a writer has prepared, with the file that TREE removes."""
    root = tmp_path / "project"
    (root / "locks/cpu").mkdir(parents=True)
    (root / OLD).write_text("old\n")
    journal.prepare(str(root))
    return root


def committed(root: Path, tree: dict[str, bytes | None] = TREE) -> Journal:
    staged = journal.stage(str(root), tree)
    journal.commit(str(root), staged)
    return staged


def own_files(root: Path) -> list[str]:
    """The names in lockgen's own folder, at any depth."""
    state = root / ".lockgen"
    return sorted(str(path.relative_to(state)) for path in state.rglob("*"))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def calls_of(root: Path, step: Callable[[], object]) -> list[str]:
    """The calls of ``step`` that change names on the disk or wait for it, each with its paths."""
    found: list[str] = []

    def note(name: str, arguments: tuple[Any, ...]) -> None:
        paths = [os.readlink(f"/proc/self/fd/{arguments[0]}")] if name == "fsync" else arguments[:2]
        shown = [os.path.relpath(path, root) for path in paths if isinstance(path, str)]
        found.append(" ".join([name, *shown]))

    with at_call(None, note, names=MOVES):
        step()
    return found


def failing(code: int) -> Callable[[str, tuple[Any, ...]], None]:
    """The call fails as the kernel would let it: without a name where it gets a handle."""

    def fail(name: str, arguments: tuple[Any, ...]) -> None:
        names = [argument for argument in arguments if isinstance(argument, str)]
        raise OSError(code, os.strerror(code), *names[:1])

    return fail


# -- prepare and pending -----------------------------------------------------------------


def test_the_state_folder_is_made_once(root: Path) -> None:
    path = root / ".lockgen/.gitignore"
    assert (path.read_bytes(), mode(path)) == (b"*\n", 0o644)
    before = path.stat()
    journal.prepare(str(root))
    assert (path.stat().st_ino, path.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_an_ignore_file_of_a_killed_writer_is_written_again(root: Path) -> None:
    """It was killed between open and write."""
    path = root / ".lockgen/.gitignore"
    path.write_bytes(b"")
    journal.prepare(str(root))
    assert path.read_bytes() == b"*\n"


@pytest.mark.parametrize("is_empty", [True, False])
def test_no_ignore_file_is_made_for_a_journal_of_another_checkout(root: Path, is_empty: bool) -> None:
    path = root / ".lockgen/.gitignore"
    (root / ".lockgen/journal.json").write_text("{}")
    if is_empty:
        path.write_bytes(b"")
    else:
        path.unlink()
    journal.prepare(str(root))
    assert (path.read_bytes() if path.exists() else None) == (b"" if is_empty else None)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_state_folder_that_is_something_else(tmp_path: Path, kind: str) -> None:
    state = tmp_path / ".lockgen"
    if kind == "file":
        state.write_bytes(b"")
    else:
        (tmp_path / "elsewhere").mkdir()
        state.symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError) as raised:
        journal.prepare(str(tmp_path))
    assert (raised.value.errno, raised.value.filename) == (errno.ENOTDIR, str(state))
    assert raised.value.strerror == "Not a directory"


def test_whether_a_write_is_pending(root: Path) -> None:
    assert not journal.pending(str(root))
    path = root / ".lockgen/journal.json"
    path.symlink_to("missing")
    assert journal.pending(str(root)), "even a link that leads nowhere is in the way"
    assert journal.pending(f"/{'x' * 300}"), "nothing is thrown away where lockgen cannot look"


# -- stage -------------------------------------------------------------------------------


def test_staged_files(root: Path) -> None:
    staged = journal.stage(str(root), TREE)
    expected = [(TEXT, b"new\n", None), (SCRIPT, b"#!/bin/sh\n", 0o755), (LOCK, b"{}", None)]
    status = os.lstat(root / ".lockgen/.gitignore")
    assert staged == Journal(
        Checkout(status.st_ino, status.st_ctime_ns),
        tuple(NewFile(path, hashlib.sha256(data).hexdigest(), len(data), bits) for path, data, bits in expected),
        (OLD,),
    )
    assert staged.paths == [TEXT, SCRIPT, OLD, LOCK]
    stage = root / ".lockgen/stage"
    assert [(stage / str(number)).read_bytes() for number in range(3)] == [data for _, data, _ in expected]
    assert [mode(stage / name) for name in ("0", "1", "2", "archive")] == [0o644, 0o755, 0o644, 0o600]
    assert (stage / "archive").read_bytes() == ARCHIVE
    assert own_files(root) == [".gitignore", "stage", "stage/0", "stage/1", "stage/2", "stage/archive"]
    assert snapshot(root) == {"locks": -1, "locks/cpu": -1, OLD: b"old\n"}


def test_a_replaced_file_keeps_its_mode_without_the_special_bits(root: Path, tmp_path: Path) -> None:
    for path, bits in ((TEXT, 0o4657), (SCRIPT, 0o600)):
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_bytes(b"")
        (root / path).chmod(bits)
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "elsewhere").chmod(0o666)
    (root / LOCK).symlink_to(tmp_path / "elsewhere")
    staged = committed(root)
    assert [new.mode for new in staged.write] == [0o657, 0o600, None]
    journal.roll_forward(str(root), staged)
    assert [mode(root / path) for path in (TEXT, SCRIPT, LOCK)] == [0o657, 0o600, 0o644]
    assert not (root / LOCK).is_symlink()
    assert mode(tmp_path / "elsewhere") == 0o666


@pytest.mark.parametrize(("path", "data"), [("README.md", b"x"), ("versions.toml", None), ("locks/notes.txt", None)])
def test_paths_that_no_command_writes_or_removes(root: Path, path: str, data: bytes | None) -> None:
    with pytest.raises(ValueError, match=f"lockgen does not write or remove {path}"):
        journal.stage(str(root), {TEXT: b"", path: data})
    assert own_files(root) == [".gitignore"]


def test_a_state_folder_that_was_removed_meanwhile(root: Path) -> None:
    ignore = root / ".lockgen/.gitignore"
    ignore.unlink()
    with pytest.raises(FileNotFoundError) as raised:
        journal.stage(str(root), TREE)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOENT, str(ignore))
    assert raised.value.strerror == "No such file or directory"


def test_what_a_killed_writer_staged_is_replaced(root: Path) -> None:
    journal.stage(str(root), TREE)
    (root / ".lockgen/journal.tmp").write_text("{")
    journal.stage(str(root), {TEXT: b"other\n"})
    assert own_files(root) == [".gitignore", "stage", "stage/0", "stage/archive"]
    assert (root / ".lockgen/stage/0").read_bytes() == b"other\n"


@pytest.mark.parametrize(
    ("name", "is_link"), [("a.txt", False), ("mine.txt", False), ("0x", False), ("1", True), ("archive", True)]
)
def test_files_of_others_are_in_the_way_and_stay(root: Path, name: str, is_link: bool) -> None:
    """A file of lockgen's own name is lockgen's only if it is a regular file."""
    stage = root / ".lockgen/stage"
    stage.mkdir()
    (stage / "0").write_bytes(b"")
    (stage / "archive").write_bytes(b"")
    (stage / name).unlink(missing_ok=True)
    if is_link:
        (stage / name).symlink_to("/etc/hostname")
    else:
        (stage / name).write_text("mine")
    with pytest.raises(BadInput) as raised:
        journal.stage(str(root), TREE)
    (fault,) = raised.value.faults
    assert fault.message.startswith(".lockgen/stage contains files that lockgen did not write")
    assert fault.hint == "Move .lockgen/stage away and run the command again. Never commit .lockgen."
    assert fault.place is not None
    assert fault.place.file == ".lockgen/stage"
    assert [path.name for path in stage.iterdir()] == [name]


def test_a_stage_that_is_not_a_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/0").write_bytes(b"")
    (root / ".lockgen/stage").symlink_to(tmp_path / "elsewhere")
    journal.discard(str(root))
    with pytest.raises(BadInput):
        journal.stage(str(root), TREE)
    assert (tmp_path / "elsewhere/0").exists()
    assert (root / ".lockgen/stage").is_symlink()


@pytest.mark.parametrize("order", [1, -1])
def test_files_are_written_by_name_but_the_lock_last(root: Path, order: int) -> None:
    """If the new lock is in place, so are all files that follow from it."""
    paths = ["docker/a/Dockerfile", "docker/b/Dockerfile", "locks/a/x.txt", "locks/zz/api.txt", "locks/lock.json"]
    staged = journal.stage(str(root), dict.fromkeys(paths[::order], b"new"))
    assert [new.path for new in staged.write] == paths


@pytest.mark.parametrize("order", [1, -1])
def test_files_are_removed_by_name(root: Path, order: int) -> None:
    paths = ["docker/a/Dockerfile", "docker/b/Dockerfile", "locks/cpu/a.txt"]
    staged = journal.stage(str(root), dict.fromkeys(paths[::order]))
    assert (staged.write, staged.remove) == ((), tuple(paths))


# -- commit and roll forward ---------------------------------------------------------------


def test_the_calls_of_a_write(root: Path) -> None:
    """What is synced, and when, decides what is left after power loss."""
    name = str(root)
    assert calls_of(root, lambda: journal.stage(name, TREE)) == [
        "unlink .lockgen/journal.tmp",
        "fsync .lockgen/stage/archive",
        "fsync .lockgen/stage",
    ]
    staged = journal.stage(name, TREE)
    assert calls_of(root, lambda: journal.commit(name, staged)) == [
        "fsync .lockgen/journal.tmp",
        "replace .lockgen/journal.tmp .lockgen/journal.json",
        "fsync .lockgen",
        "fsync .",
    ]
    assert calls_of(root, lambda: journal.roll_forward(name, staged)) == [
        f"replace .lockgen/stage/0 {TEXT}",
        f"replace .lockgen/stage/1 {SCRIPT}",
        f"replace .lockgen/stage/2 {LOCK}",
        f"unlink {OLD}",
        "rmdir locks/cpu",
        "rmdir locks",
        f"fsync {LOCK}",
        "fsync locks",
        "unlink .lockgen/journal.json",
        "fsync .lockgen",
    ]
    assert calls_of(root, lambda: journal.put(name, "out/sbom.json", b"{}")) == [
        "unlink .lockgen/journal.tmp",
        "unlink .lockgen/stage/archive",
        "rmdir .lockgen/stage",
        "fsync .lockgen/stage/0",
        "replace .lockgen/stage/0 out/sbom.json",
        "fsync out",
    ]


def test_a_write_without_a_lock_does_not_wait_for_one(root: Path) -> None:
    staged = committed(root, {TEXT: b"x"})
    calls = calls_of(root, lambda: journal.roll_forward(str(root), staged))
    assert [call for call in calls if call.startswith("fsync")] == ["fsync .lockgen"]


def test_the_journal_is_read_as_it_was_written(root: Path) -> None:
    staged = committed(root)
    path = root / ".lockgen/journal.json"
    assert mode(path) == 0o644
    assert path.read_text().endswith("\n}\n")
    assert path.read_text().startswith('{\n "format": 3,\n "checkout": {\n  "inode": ')
    assert journal.load(str(root)) == staged
    assert journal.pending(str(root))
    assert own_files(root) == [".gitignore", "journal.json", "stage", *(f"stage/{n}" for n in (0, 1, 2, "archive"))]


def test_the_tree_after_a_write(root: Path) -> None:
    (root / "locks/cpu/mine.txt").write_text("mine\n")
    journal.roll_forward(str(root), committed(root))
    assert snapshot(root) == {
        "docker": -1,
        "docker/a": -1,
        TEXT: b"new\n",
        SCRIPT: b"#!/bin/sh\n",
        "locks": -1,
        "locks/cpu": -1,
        "locks/cpu/mine.txt": b"mine\n",
        LOCK: b"{}",
    }
    assert not journal.pending(str(root))
    journal.discard(str(root))
    assert own_files(root) == [".gitignore"]


@pytest.mark.parametrize("number", range(1, 8))
def test_a_write_that_was_cut_off_is_completed(root: Path, number: int) -> None:
    """At each of its calls, except the removal of folders, which may fail."""
    staged = committed(root)
    calls = ("fsync", "replace", "unlink")
    with pytest.raises(OSError, match="Input/output"), at_call(number, failing(errno.EIO), names=calls):
        journal.roll_forward(str(root), staged)
    assert journal.pending(str(root))
    left = journal.load(str(root))
    assert left == staged
    journal.restage(str(root), left)
    journal.roll_forward(str(root), left)
    assert not journal.pending(str(root))
    assert snapshot(root).keys() == {"docker", "docker/a", TEXT, SCRIPT, "locks", LOCK}
    assert [mode(root / path) for path in (TEXT, SCRIPT, LOCK)] == [0o644, 0o755, 0o644]


def test_the_last_sync_cannot_fail_a_write(root: Path) -> None:
    """The tree is whole by then."""
    staged = committed(root, {TEXT: b"x"})
    with at_call(1, failing(errno.EIO), names=("fsync",)) as made:
        journal.roll_forward(str(root), staged)
    assert made == ["fsync"]
    assert not journal.pending(str(root))


@pytest.mark.parametrize("kind", ["gone", "folder gone", "file above"])
def test_files_that_are_removed_already(root: Path, kind: str) -> None:
    staged = committed(root, {OLD: None})
    (root / OLD).unlink()
    if kind != "gone":
        (root / "locks/cpu").rmdir()
    if kind == "file above":
        (root / "locks/cpu").write_text("mine\n")
    journal.roll_forward(str(root), staged)
    assert snapshot(root) == ({"locks": -1, "locks/cpu": b"mine\n"} if kind == "file above" else {})
    assert root.is_dir()


def test_a_removed_file_in_the_root_leaves_the_root(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    journal.prepare(str(root))
    (root / ".dockerignore").write_text("*\n")
    staged = committed(root, {".dockerignore": None})
    calls = calls_of(root, lambda: journal.roll_forward(str(root), staged))
    assert calls == ["unlink .dockerignore", "unlink .lockgen/journal.json", "fsync .lockgen"]


# -- what the disk refuses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "number", "path"),
    [
        ("write", 1, ".lockgen/stage/0"),
        ("write", 4, ".lockgen/stage/archive"),
        ("fchmod", 1, ".lockgen/stage/1"),
        ("fsync", 1, ".lockgen/stage/archive"),
        ("fsync", 2, ".lockgen/stage"),
    ],
)
def test_a_failure_names_the_file(root: Path, call: str, number: int, path: str) -> None:
    opened = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No space left") as raised, at_call(number, failing(errno.ENOSPC), names=(call,)):
        journal.stage(str(root), TREE)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(root / path))
    assert raised.value.strerror == "No space left on device"
    assert len(os.listdir("/proc/self/fd")) == opened


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_file_systems_that_cannot_sync_a_folder(root: Path, code: int) -> None:
    with at_call(2, failing(code), names=("fsync",)) as made:
        journal.stage(str(root), TREE)
    assert made == ["fsync", "fsync"]
    with pytest.raises(OSError, match="archive"), at_call(1, failing(code), names=("fsync",)):
        journal.stage(str(root), TREE)


def test_a_file_that_moves_to_another_file_system(root: Path) -> None:
    """A volume inside the project's folder: its files are copied next to their targets, then moved."""
    staged = committed(root)
    (root / "docker/a").mkdir(parents=True)
    (root / "docker/a/.lockgen-0").write_text("cut off")
    with at_call(1, failing(errno.EXDEV), names=("replace",)) as made:
        journal.roll_forward(str(root), staged)
    assert len(made) == 4, "one for each file, and another one for the copy"
    assert snapshot(root).keys() == {"docker", "docker/a", TEXT, SCRIPT, "locks", LOCK}
    assert ((root / TEXT).read_bytes(), mode(root / TEXT)) == (b"new\n", 0o644)
    journal.discard(str(root))
    assert own_files(root) == [".gitignore"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC])
def test_a_file_that_cannot_be_moved_is_not_copied(root: Path, code: int) -> None:
    staged = committed(root)
    with pytest.raises(OSError, match="stage/0") as raised, at_call(1, failing(code), names=("replace",)) as made:
        journal.roll_forward(str(root), staged)
    assert (raised.value.errno, made) == (code, ["replace"])
    assert not (root / TEXT).exists()


def test_put_replaces_one_file_of_any_name(root: Path) -> None:
    journal.put(str(root), "out/a.json", b"{}")
    journal.put(str(root), "out/run", b"#!/bin/sh\n")
    (root / "out/a.json").chmod(0o600)
    journal.put(str(root), "out/a.json", b"[]")
    assert ((root / "out/a.json").read_bytes(), mode(root / "out/a.json")) == (b"[]", 0o600)
    assert mode(root / "out/run") == 0o755
    journal.discard(str(root))
    assert own_files(root) == [".gitignore"]


def test_nothing_is_discarded_while_a_journal_needs_it(root: Path) -> None:
    committed(root)
    before = own_files(root)
    journal.discard(str(root))
    assert own_files(root) == before
    (root / ".lockgen/journal.json").unlink()
    with at_call(1, failing(errno.EACCES), names=("unlink",)):
        journal.discard(str(root))
    journal.discard(str(root))
    assert own_files(root) == [".gitignore"]


# -- restage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["nothing", "removed", "emptied", "placed", "placed and emptied"])
def test_each_file_comes_back_from_the_archive(root: Path, lost: str) -> None:
    staged = committed(root)
    for number, new in enumerate(staged.write):
        path = root / f".lockgen/stage/{number}"
        if lost.startswith("placed"):
            (root / new.path).parent.mkdir(parents=True, exist_ok=True)
            path = path.rename(root / new.path)
        if lost.endswith("emptied"):
            path.write_bytes(b"")
        elif lost == "removed":
            path.unlink()
    calls = calls_of(root, lambda: journal.restage(str(root), journal.load(str(root))))
    assert len(calls) == (0 if lost in ("nothing", "placed") else 3)
    again = [root / f".lockgen/stage/{number}" for number in range(3)]
    if lost == "placed":
        assert not any(path.exists() for path in again)
    else:
        assert [path.read_bytes() for path in again] == [b"new\n", b"#!/bin/sh\n", b"{}"]
        assert [mode(path) for path in again] == [0o644, 0o755, 0o644]
    journal.roll_forward(str(root), staged)
    assert [(root / path).read_bytes() for path in (TEXT, SCRIPT, LOCK)] == [b"new\n", b"#!/bin/sh\n", b"{}"]


# -- load ------------------------------------------------------------------------------------


def refusal(root: Path) -> str:
    """Why the journal is refused; nothing is changed."""
    before = snapshot(root)
    with pytest.raises(ToolFailed) as raised:
        journal.load(str(root))
    assert snapshot(root) == before
    (fault,) = raised.value.faults
    assert fault.place is not None
    assert fault.place.file == ".lockgen/journal.json"
    assert fault.hint == (
        "Remove .lockgen/journal.json to discard that write, check 'git status', and run 'lockgen resolve', which"
        " writes every generated file again."
    )
    start = "the journal of an interrupted write cannot be trusted, so no files were changed: "
    assert fault.message.startswith(start)
    return fault.message.removeprefix(start)


def edited(root: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Why a journal with ``change`` is refused."""
    committed(root)
    path = root / ".lockgen/journal.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return refusal(root)


NOT_A_JOURNAL = "it is not in the format of this version of lockgen"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda journal: journal.update(format=2), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(0, 1), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(0, "../x"), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(1, None), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(2, -1), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(2, "4"), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(3, -1), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(3, 0o1000), NOT_A_JOURNAL),
        (lambda journal: journal["write"][0].__setitem__(3, "0"), NOT_A_JOURNAL),
        (lambda journal: journal["write"].append(7), NOT_A_JOURNAL),
        (lambda journal: journal.update(write={}), NOT_A_JOURNAL),
        (lambda journal: journal.update(remove={}), NOT_A_JOURNAL),
        (lambda journal: journal["remove"].append(7), NOT_A_JOURNAL),
        (lambda journal: journal["checkout"].update(inode=None), NOT_A_JOURNAL),
        (
            lambda journal: journal["checkout"].update(inode=1),
            "it was written in another checkout, and was copied here",
        ),
        (
            lambda journal: journal["write"][2].__setitem__(0, "README.md"),
            "it would write README.md, which lockgen never does",
        ),
        (
            lambda journal: journal["remove"].append("README.md"),
            "it would remove README.md, which lockgen never does",
        ),
        (
            lambda journal: journal["write"][2].__setitem__(1, "0" * 64),
            f"the new {LOCK} is not in .lockgen/stage/archive",
        ),
        (
            lambda journal: journal["write"][1].__setitem__(2, 9),
            f"the new {SCRIPT} is not in .lockgen/stage/archive",
        ),
    ],
)
def test_a_journal_that_is_refused(root: Path, change: Callable[[dict[str, Any]], object], reason: str) -> None:
    assert edited(root, change) == reason


@pytest.mark.parametrize("bits", [0, 0o777, None])
def test_the_modes_that_a_journal_may_have(root: Path, bits: int | None) -> None:
    committed(root)
    path = root / ".lockgen/journal.json"
    document = json.loads(path.read_text())
    document["write"][0][3] = bits
    path.write_text(json.dumps(document))
    assert journal.load(str(root)).write[0].mode == bits


def test_an_empty_new_file(root: Path) -> None:
    staged = committed(root, {TEXT: b""})
    assert journal.load(str(root)) == staged


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"null", b"\xff"])
def test_a_file_that_is_not_a_journal(root: Path, text: bytes) -> None:
    (root / ".lockgen/journal.json").write_bytes(text)
    assert refusal(root) == NOT_A_JOURNAL


def replace_by(path: Path, kind: str) -> None:
    """Something else in the place of ``path``, which leads to the same bytes if it leads anywhere."""
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "nothing"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stage/archive", f"the new {TEXT} is not in .lockgen/stage/archive"),
        ("stage/1", f"the new {SCRIPT} is neither staged nor in place"),
        ("journal.json", "it is not a regular file"),
    ],
)
def test_other_things_in_place_of_lockgens_files(root: Path, name: str, reason: str, kind: str) -> None:
    staged = committed(root)
    opened = len(os.listdir("/proc/self/fd"))
    replace_by(root / ".lockgen" / name, kind)
    if (name, kind) == ("stage/1", "nothing"):
        # Power loss may take it, and the archive has it.
        assert journal.load(str(root)) == staged
    else:
        assert refusal(root) == reason
    assert len(os.listdir("/proc/self/fd")) == opened


def test_other_things_in_place_of_lockgens_folders(root: Path) -> None:
    state = root / ".lockgen"
    committed(root)
    replace_by(state / "stage", "link")
    assert refusal(root) == ".lockgen/stage is not a folder"
    (root / "elsewhere").rename(root / "moved")
    replace_by(state, "link")
    assert refusal(root) == ".lockgen is not a folder"


def test_a_link_in_place_of_a_file_that_was_moved_already(root: Path) -> None:
    committed(root)
    (root / ".lockgen/stage/0").unlink()
    (root / "docker/a").mkdir(parents=True)
    (root / "new").write_bytes(b"new\n")
    (root / TEXT).symlink_to(root / "new")
    assert refusal(root) == f"the new {TEXT} is neither staged nor in place"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("name", "is_refused"), [("journal.json", True), ("stage/archive", False)])
def test_files_of_another_user(root: Path, name: str, is_refused: bool) -> None:
    staged = committed(root)
    os.chown(root / ".lockgen" / name, 1234, -1)
    if is_refused:
        assert refusal(root) == "it belongs to another user"
    else:
        assert journal.load(str(root)) == staged
