"""Many files replaced as one: staged first, then recorded in a journal, then moved into place.

The journal's appearance is the commit point. Before it nothing of the project is touched; from then on the
new tree counts, and the next process moves the remaining files (every step can be repeated).

    .lockgen/stage/0, 1, ...   the new files, in the order of the journal's ``write``
    .lockgen/stage/archive     the bytes of all of them, one after the other
    .lockgen/journal.json      {"format": 3, "checkout": {"inode": ..., "ctime_ns": ...},
                                "write": [[path, sha256, size, mode], ...], "remove": [path, ...]}

A killed process loses nothing that it wrote, so a journal needs fsync only against power loss. Waiting for the disk
once per file made writing slow. So only the archive and the journal are synced, and at the end the lock. If the power
fails while a journal is there, the files that did not reach the disk are made again from the archive. Later there is
no journal, and `lockgen check` finds them.

A journal is a list of files to replace and to remove, so one that came with a clone, an archive or a copy would let
its author change the user's files (guarantee 11). ``checkout`` binds it to this folder: it is the inode and the time
of the last change of ``.lockgen/.gitignore``, which is written once. That time cannot be set to a chosen value, and
every copy has another. And a journal names only files of the kinds that lockgen writes or removes.

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
from typing import NamedTuple

from lockgen.core.documents import parse_json
from lockgen.core.layout import LOCK_PATH
from lockgen.core.ownership_rules import is_removable, is_writable
from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.io.safe_paths import STATE, Locator, located, status_of

_FORMAT = 3
_ARCHIVE = "archive"
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


class Checkout(NamedTuple):
    """What distinguishes this checkout from every copy of it; see the module docstring."""

    inode: int
    ctime_ns: int


class NewFile(NamedTuple):
    """``size`` is its part of the archive. ``mode`` None: what the umask allows."""

    path: str
    sha256: str
    size: int
    mode: int | None


class Journal(NamedTuple):
    """What is to be done. The n-th file of ``write`` is staged under the name n."""

    checkout: Checkout
    write: tuple[NewFile, ...]
    remove: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        return sorted([new.path for new in self.write] + list(self.remove))


def journal_path(root: str) -> str:
    return os.path.join(root, STATE, "journal.json")


def _draft_path(root: str) -> str:
    return os.path.join(root, STATE, "journal.tmp")


def _stage_path(root: str) -> str:
    return os.path.join(root, STATE, "stage")


def _staged(root: str, number: int) -> str:
    return os.path.join(root, STATE, "stage", str(number))


def _archive_path(root: str) -> str:
    return os.path.join(root, STATE, "stage", _ARCHIVE)


def _ignore_path(root: str) -> str:
    return os.path.join(root, STATE, ".gitignore")


def _checkout(root: str) -> Checkout | None:
    """None if the file does not exist; then this checkout has no journal either."""
    status = status_of(_ignore_path(root))
    return Checkout(status.st_ino, status.st_ctime_ns) if status is not None else None


def pending(root: str) -> bool:
    """Whether a committed write is not complete. True where that cannot be seen: nothing is thrown away then."""
    try:
        return status_of(journal_path(root)) is not None
    except OSError:
        return True


def prepare(root: str) -> None:
    """Makes the state folder, which git does not see.

    Its .gitignore is never touched again, as journals are bound to it. Nor is it made while a journal is there: that
    one is of another checkout, and will be refused.
    """
    state = os.path.join(root, STATE)
    with contextlib.suppress(FileExistsError):
        os.mkdir(state)
    if not stat.S_ISDIR(os.lstat(state).st_mode):  # a link could lead anywhere
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), state)
    ignore = _ignore_path(root)
    status = status_of(ignore)
    if (status is None or status.st_size == 0) and not pending(root):  # 0: killed between open and write
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ignore)
        with contextlib.suppress(FileExistsError):  # another command was faster, and no lock is held yet
            _write(ignore, b"*\n", 0o644)


def stage(root: str, contents: Mapping[str, bytes | None]) -> Journal:
    """Write the new bytes to disk outside of the tree. A file keeps the mode of the one that it replaces.

    ValueError for a path that a journal may not contain: if the writer were killed, no command could complete it.
    """
    for path, data in contents.items():
        _check_path(path, data)
    checkout = _checkout(root)
    if checkout is None:  # removed since prepare()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), _ignore_path(root))
    _make_stage(root)
    files = _lock_last(contents)
    write: list[NewFile] = []
    locator = Locator(root)
    for path, data in files:
        mode = _mode_at(locator.located(path)) or _new_mode(data)
        _write(_staged(root, len(write)), data, mode)
        write.append(NewFile(path, hashlib.sha256(data).hexdigest(), len(data), mode))
    _write(_archive_path(root), b"".join(data for _, data in files), 0o600)
    _sync(_archive_path(root))
    _sync_folder(_stage_path(root))
    remove = sorted(path for path, data in contents.items() if data is None)
    return Journal(checkout, tuple(write), tuple(remove))


def _check_path(path: str, data: bytes | None) -> None:
    allowed = is_removable(path) if data is None else is_writable(path)
    if not allowed:
        raise ValueError(f"lockgen does not write or remove {path}: see core/ownership_rules.py")


def _lock_last(contents: Mapping[str, bytes | None]) -> list[tuple[str, bytes]]:
    """The files to write, in order. If the new lock is in place, so are all files that follow from it."""
    files = [(path, data) for path, data in contents.items() if data is not None]
    return sorted(files, key=lambda file: (file[0] == LOCK_PATH, file[0]))


def put(root: str, path: str, data: bytes) -> None:
    """Replaces one file, which needs no journal: it is moved into place in one step."""
    _make_stage(root)
    target = located(root, path)
    _write(_staged(root, 0), data, _mode_at(target) or _new_mode(data))
    _sync(_staged(root, 0))
    _place(_staged(root, 0), target, 0)
    _sync_folder(os.path.dirname(target))


def _make_stage(root: str) -> None:
    """An empty folder for staged files."""
    clear(root)
    if status_of(_stage_path(root)) is not None:
        raise _foreign_stage()
    os.mkdir(_stage_path(root))


def commit(root: str, journal: Journal) -> None:
    """From here on the new tree counts."""
    checkout = {"inode": journal.checkout.inode, "ctime_ns": journal.checkout.ctime_ns}
    document = {"format": _FORMAT, "checkout": checkout, "write": journal.write, "remove": journal.remove}
    draft = _draft_path(root)
    _write(draft, json.dumps(document, indent=1).encode() + b"\n", 0o644)
    _sync(draft)
    os.replace(draft, journal_path(root))
    _sync_folder(os.path.join(root, STATE))
    _sync_folder(root)


def restage(root: str, journal: Journal) -> None:
    """Stage again what an interrupted write has neither staged nor in place: after power loss, from the archive."""
    archive = _regular(_archive_path(root)) or b""
    start = 0
    for number, new in enumerate(journal.write):
        staged = _staged(root, number)
        # Not staged any more: already moved into place.
        where = staged if status_of(staged) is not None else located(root, new.path)
        if not _has_bytes(where, new.sha256):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(staged)
            _write(staged, archive[start : start + new.size], new.mode)
        start += new.size


def roll_forward(root: str, journal: Journal) -> None:
    """Does what is left to do of a committed journal, then drops it. May be cut off and done again."""
    locator = Locator(root)
    for number, new in enumerate(journal.write):
        _place(_staged(root, number), locator.located(new.path), number)
    for path in journal.remove:
        _remove(root, located(root, path))
    if any(new.path == LOCK_PATH for new in journal.write):
        lock = located(root, LOCK_PATH)
        _sync(lock)
        _sync_folder(os.path.dirname(lock))
    os.unlink(journal_path(root))
    with contextlib.suppress(OSError):  # the tree is whole: a failure from here on is not one of the write
        _sync_folder(os.path.join(root, STATE))


def discard(root: str) -> None:
    """Removes staged files, unless a journal needs them. Failures are left for the next writer."""
    with contextlib.suppress(OSError):
        if not pending(root):
            clear(root)


def clear(root: str) -> None:
    """Removes staged files; OSError if that fails. Must not be called while a journal is pending.

    What lockgen cannot have staged (it came with a clone) stays, and its folder with it.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_draft_path(root))
    folder = _stage_path(root)
    if not _is_folder(folder):
        return
    left = False
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if (name.isdecimal() or name == _ARCHIVE) and stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
        else:
            left = True
    if not left:
        os.rmdir(folder)


def _foreign_stage() -> BadInput:
    name = f"{STATE}/stage"
    return BadInput(
        f"{name} contains files that lockgen did not write, but the folder is reserved for lockgen",
        place=Place(name),
        hint=f"Move {name} away and run the command again. Never commit {STATE}.",
    )


def load(root: str) -> Journal:
    """The pending journal, checked against the checkout, the staged files and the tree. Nothing is changed.

    ToolFailed if it is not one that this user's lockgen left here: no kill does that, so a person has to decide.
    """
    if not _is_folder(os.path.join(root, STATE)):
        raise _refused(f"{STATE} is not a folder")
    data = _regular(journal_path(root), owned=True)
    if data is None:
        raise _refused("it is not a regular file")
    try:
        journal = _parse(parse_json(data))
        for path in journal.paths:
            located(root, path)
    except (ValueError, BadInput) as error:
        raise _refused("it is not in the format of this version of lockgen") from error
    if journal.checkout != _checkout(root):
        raise _refused("it was written in another checkout, and was copied here")
    _check_paths(journal)
    _check_staged(root, journal)
    return journal


def _check_paths(journal: Journal) -> None:
    for new in journal.write:
        if not is_writable(new.path):
            raise _refused(f"it would write {new.path}, which lockgen never does")
    for path in journal.remove:
        if not is_removable(path):
            raise _refused(f"it would remove {path}, which lockgen never does")


def _check_staged(root: str, journal: Journal) -> None:
    """The archive has the bytes that the journal says, and in the place of files there is nothing else."""
    if status_of(_stage_path(root)) is not None and not _is_folder(_stage_path(root)):
        raise _refused(f"{STATE}/stage is not a folder")
    archive = _regular(_archive_path(root))
    start = 0
    for number, new in enumerate(journal.write):
        staged = _staged(root, number)
        end = start + new.size
        if archive is None or hashlib.sha256(archive[start:end]).hexdigest() != new.sha256:
            raise _refused(f"the new {new.path} is not in {STATE}/stage/{_ARCHIVE}")
        where = staged if status_of(staged) is not None else located(root, new.path)
        if status_of(where) is not None and _regular(where) is None:
            raise _refused(f"the new {new.path} is neither staged nor in place")
        start = end


def _has_bytes(path: str, sha256: str) -> bool:
    data = _regular(path)
    return data is not None and hashlib.sha256(data).hexdigest() == sha256


def _parse(document: object) -> Journal:
    match document:
        case {
            "format": 3,
            "checkout": {"inode": int(inode), "ctime_ns": int(ctime_ns)},
            "write": list(write),
            "remove": list(remove),
        }:
            return Journal(Checkout(inode, ctime_ns), tuple(map(_entry, write)), tuple(map(_text, remove)))
    raise ValueError


def _entry(value: object) -> NewFile:
    match value:
        case [str(path), str(sha256), int(size), int() | None as mode] if size >= 0:
            if mode is None or 0 <= mode <= 0o777:
                return NewFile(path, sha256, size, mode)
    raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _refused(why: str) -> ToolFailed:
    return ToolFailed(
        f"the journal of an interrupted write cannot be trusted, so no files were changed: {why}",
        place=Place(f"{STATE}/journal.json"),
        hint=f"Remove {STATE}/journal.json to discard that write, check 'git status', and run "
        "'lockgen resolve', which writes every generated file again.",
    )


def _is_folder(path: str) -> bool:
    """A real one: a link could lead anywhere."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _regular(path: str, *, owned: bool = False) -> bytes | None:
    """The bytes of a regular file; None for anything else, links included.

    ``owned``: ToolFailed if it is another user's.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):  # open(handle) below would raise for a folder
            return None
        if owned and status.st_uid != os.geteuid():
            raise _refused("it belongs to another user")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _mode_at(target: str) -> int | None:
    status = status_of(target)
    return stat.S_IMODE(status.st_mode) & 0o777 if status and stat.S_ISREG(status.st_mode) else None


def _new_mode(data: bytes) -> int | None:
    """A script can be run; any other file gets what the umask allows."""
    return 0o755 if data.startswith(b"#!") else None


def _write(path: str, data: bytes, mode: int | None) -> None:
    """A new file. ``mode`` None: 0644 as far as the umask allows."""
    # O_EXCL refuses a link, too.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
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
    handle = os.open(path, os.O_RDONLY)
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
    if not os.path.isdir(folder):
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
    os.replace(beside, target)
    os.unlink(staged)


def _remove(root: str, target: str) -> None:
    """Removes a file and the folders that it leaves empty."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(target)
    for folder in _below(root, os.path.dirname(target)):
        try:
            os.rmdir(folder)
        except FileNotFoundError:  # removed before the write was cut off
            continue
        except OSError:  # not empty, or it has to stay: nothing of ours
            return


def _below(root: str, folder: str) -> Iterable[str]:
    """``folder`` and the folders above it that are in ``root``."""
    while folder != root:
        yield folder
        folder = os.path.dirname(folder)
