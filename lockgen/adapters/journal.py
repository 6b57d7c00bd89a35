"""Many files replaced as one: staged first, then recorded in a journal, then moved into place.

The journal's appearance is the commit point. Before it nothing of the project is touched; from then on the
new tree is what counts, and whoever comes next moves what is left (every step may be done twice).

    .lockgen/stage/0, 1, ...   the new bytes, in the order of the journal's ``write``
    .lockgen/journal.json      {"format": 1, "write": [[path, sha256], ...], "remove": [path, ...]}

Callers hold the locks; see workspace.py.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lockgen.adapters.rootpath import STATE, located, status_of
from lockgen.errors import BadInput, Place, ToolFailed

_FORMAT = 1
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


@dataclass(frozen=True, slots=True)
class Journal:
    """What is to be done. ``write``: (path, sha256 of the new bytes), the n-th staged under the name n."""

    write: tuple[tuple[str, str], ...]
    remove: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        return sorted([path for path, _ in self.write] + list(self.remove))


def journal_path(root: str) -> str:
    return os.path.join(root, STATE, "journal.json")


def _draft_path(root: str) -> str:
    return os.path.join(root, STATE, "journal.tmp")


def _stage_path(root: str) -> str:
    return os.path.join(root, STATE, "stage")


def _staged(root: str, number: int) -> str:
    return os.path.join(root, STATE, "stage", str(number))


def pending(root: str) -> bool:
    """Whether a committed write is not complete. True where that cannot be seen: nothing is thrown away then."""
    try:
        return status_of(journal_path(root)) is not None
    except OSError:
        return True


def prepare(root: str) -> None:
    """Makes the state folder, which git does not see."""
    state = os.path.join(root, STATE)
    with contextlib.suppress(FileExistsError):
        os.mkdir(state)
    if not stat.S_ISDIR(os.lstat(state).st_mode):  # a link could lead anywhere
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), state)
    ignore = os.path.join(state, ".gitignore")
    status = status_of(ignore)
    if status is None or status.st_size == 0:  # 0: killed between open and write
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ignore)
        with contextlib.suppress(FileExistsError):  # another command was quicker: nobody has a lock yet
            _write(ignore, b"*\n", 0o644)


def stage(root: str, contents: Mapping[str, bytes | None]) -> Journal:
    """Puts the new bytes on the disk beside the tree. A file keeps the mode of the one it replaces."""
    clear(root)
    os.mkdir(_stage_path(root))
    write: list[tuple[str, str]] = []
    remove: list[str] = []
    for path, data in sorted(contents.items()):
        if data is None:
            remove.append(path)
            continue
        _write(_staged(root, len(write)), data, _mode_at(located(root, path)) or _new_mode(data))
        write.append((path, hashlib.sha256(data).hexdigest()))
    for number in range(len(write)):  # after all writes: then most of these find their bytes flushed
        _sync(_staged(root, number))
    _sync_folder(_stage_path(root))
    return Journal(tuple(write), tuple(remove))


def commit(root: str, journal: Journal) -> None:
    """From here on the new tree counts."""
    document = {"format": _FORMAT, "write": journal.write, "remove": journal.remove}
    draft = _draft_path(root)
    _write(draft, json.dumps(document, indent=1).encode() + b"\n", 0o644)
    _sync(draft)
    os.replace(draft, journal_path(root))
    _sync_folder(os.path.join(root, STATE))
    _sync_folder(root)


def roll_forward(root: str, journal: Journal) -> None:
    """Does what is left to do of a committed journal, then drops it. May be cut off and done again."""
    folders: set[str] = set()
    for number, (path, _) in enumerate(journal.write):
        target = located(root, path)
        _place(_staged(root, number), target, number)
        folders.update(_up_to(root, os.path.dirname(target)))
    for path in journal.remove:
        target = located(root, path)
        _remove(root, target)
        folders.update(_up_to(root, os.path.dirname(target)))
    for folder in sorted(folders):
        with contextlib.suppress(FileNotFoundError):  # a removal left it empty, and took it along
            _sync_folder(folder)
    os.unlink(journal_path(root))
    with contextlib.suppress(OSError):  # the tree is whole: a failure from here on is not one of the write
        _sync_folder(os.path.join(root, STATE))


def discard(root: str) -> None:
    """Removes staged files, unless a journal needs them. Failures are left for the next writer."""
    with contextlib.suppress(OSError):
        if not pending(root):
            clear(root)


def clear(root: str) -> None:
    """Removes staged files; OSError if that fails. Must not be called while a journal is pending."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_draft_path(root))
    folder = _stage_path(root)
    status = status_of(folder)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(folder)
        return
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def load(root: str) -> Journal:
    """The pending journal, checked against the staged files and the tree.

    ToolFailed if it is not one that lockgen can have left: no kill does that, so a person has to decide.
    """
    try:
        with open(journal_path(root), "rb") as file:
            journal = _parse(json.loads(file.read()))
        for path in journal.paths:
            located(root, path)
    except (ValueError, RecursionError, BadInput) as error:
        raise _corrupt("it cannot be read") from error
    for number, (path, sha256) in enumerate(journal.write):
        found = _digest(_staged(root, number))
        if found is None:  # already moved into place
            found = _digest(located(root, path))
        if found != sha256:
            raise _corrupt(f"the new {path} is neither staged nor in place")
    return journal


def _parse(document: object) -> Journal:
    match document:
        case {"format": 1, "write": list(write), "remove": list(remove)}:
            return Journal(tuple(map(_entry, write)), tuple(map(_text, remove)))
    raise ValueError


def _entry(value: object) -> tuple[str, str]:
    match value:
        case [str(path), str(sha256)]:
            return path, sha256
    raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _corrupt(why: str) -> ToolFailed:
    return ToolFailed(
        f"the journal of an interrupted write does not fit the project's folder: {why}",
        place=Place(f"{STATE}/journal.json"),
        hint=f"Remove {STATE}/journal.json to give that write up, look at 'git status', and run "
        "'lockgen resolve', which writes every generated file anew.",
    )


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _mode_at(target: str) -> int | None:
    status = status_of(target)
    return stat.S_IMODE(status.st_mode) & 0o777 if status and stat.S_ISREG(status.st_mode) else None


def _new_mode(data: bytes) -> int | None:
    """A script can be run; any other file gets what the umask allows."""
    return 0o755 if data.startswith(b"#!") else None


def _write(path: str, data: bytes, mode: int | None) -> None:
    """A new file. ``mode`` None: 0644 as far as the umask allows."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        if mode is not None:
            os.fchmod(handle, mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
    except OSError as error:
        raise _at(error, path) from error
    finally:
        os.close(handle)


def _at(error: OSError, path: str) -> OSError:
    """``error`` with a name: failures of an open file carry none."""
    return OSError(error.errno, error.strerror, path)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        raise _at(error, path) from error
    finally:
        os.close(handle)


def _sync_folder(path: str) -> None:
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some file systems cannot sync a folder
            raise


def _place(staged: str, target: str, number: int) -> None:
    if status_of(staged) is None:
        return
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    try:
        os.replace(staged, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _carry(staged, os.path.join(folder, f"{STATE}-{number}"), target)


def _carry(staged: str, beside: str, target: str) -> None:
    """As ``os.replace``, onto another mount (a volume inside the project's folder)."""
    with open(staged, "rb") as file:
        data = file.read()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    _write(beside, data, stat.S_IMODE(os.lstat(staged).st_mode))
    _sync(beside)
    os.replace(beside, target)
    os.unlink(staged)


def _remove(root: str, target: str) -> None:
    """Removes a file and the folders that it leaves empty."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(target)
    for folder in _up_to(root, os.path.dirname(target)):
        if folder == root:
            return
        try:
            os.rmdir(folder)
        except FileNotFoundError:  # removed before the write was cut off
            continue
        except OSError:  # not empty, or it has to stay: nothing of ours
            return


def _up_to(root: str, folder: str) -> Iterable[str]:
    """``folder`` and the folders above it, up to ``root``."""
    while folder != root:
        yield folder
        folder = os.path.dirname(folder)
    yield root
