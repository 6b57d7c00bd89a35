"""Replace many files at once: stage them, record them in a journal, then move them into place.

The appearance of the journal is the commit point. Before it nothing of the project is touched. From then on the new
tree is the valid one: if the writer is killed, the next process moves the remaining files. So every step must be
repeatable.

    .lockgen/stage/0, 1, ...   the new bytes, in the order of the journal's ``write``
    .lockgen/journal.json      {"format": 2, "checkout": {"inode": ..., "ctime_ns": ...},
                                "write": [[path, sha256], ...], "remove": [path, ...]}

A journal is a list of files to replace and to remove, so one that came with a clone, an archive or a copy would let
its author change the user's files (guarantee 11). ``checkout`` binds it to this folder: it is the inode and the time
of the last change of ``.lockgen/.gitignore``, which is written once. That time cannot be set to a chosen value, and
every copy has another. And a journal names only files of the kinds that lockgen writes or removes.

Callers hold the locks; see folder_locks.py.
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

from lockgen.core.documents import parse_json
from lockgen.core.ownership_rules import is_removable, is_writable
from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.io.safe_paths import STATE, located, status_of

_FORMAT = 2
# What opening a path fails with if it is missing, below a file, a link (O_NOFOLLOW) or a socket.
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
# What file systems answer that cannot sync a folder: some network file systems and FUSE.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})


@dataclass(frozen=True, slots=True)
class Checkout:
    """What distinguishes this checkout from every copy of it; see the module docstring."""

    inode: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Journal:
    """The changes to make. ``write``: (path, sha256 of the new bytes); the n-th is staged under the name n."""

    checkout: Checkout
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


def _ignore_path(root: str) -> str:
    return os.path.join(root, STATE, ".gitignore")


def _checkout(root: str) -> Checkout | None:
    """None if the file does not exist; then this checkout has no journal either."""
    status = status_of(_ignore_path(root))
    return Checkout(status.st_ino, status.st_ctime_ns) if status is not None else None


def pending(root: str) -> bool:
    """Whether a committed write is not complete."""
    try:
        return status_of(journal_path(root)) is not None
    except OSError:
        # Unknown, so assume it: then no caller discards the staged files.
        return True


def prepare(root: str) -> None:
    """Make the state folder, with a .gitignore that hides it from git.

    The .gitignore is never touched again, because journals are bound to it. It is not made while a journal exists: that
    journal belongs to another checkout, and will be refused.
    """
    state = os.path.join(root, STATE)
    with contextlib.suppress(FileExistsError):
        os.mkdir(state)
    # lstat: a link could lead anywhere.
    if not stat.S_ISDIR(os.lstat(state).st_mode):
        raise _os_error(errno.ENOTDIR, state)
    ignore = _ignore_path(root)
    status = status_of(ignore)
    # Empty if a command was killed between open and write.
    is_complete = status is not None and status.st_size > 0
    if is_complete or pending(root):
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(ignore)
    # No lock is held yet, so another command may have made it meanwhile.
    with contextlib.suppress(FileExistsError):
        _write(ignore, b"*\n", 0o644)


def stage(root: str, contents: Mapping[str, bytes | None]) -> Journal:
    """Write the new bytes to disk outside of the tree. A file keeps the mode of the one that it replaces.

    ValueError for a path that a journal may not contain: if the writer were killed, no command could complete it.
    """
    for path, data in contents.items():
        is_allowed = is_removable(path) if data is None else is_writable(path)
        if not is_allowed:
            raise ValueError(f"lockgen does not write or remove {path}: see core/ownership_rules.py")
    checkout = _checkout(root)
    # Removed since prepare().
    if checkout is None:
        raise _os_error(errno.ENOENT, _ignore_path(root))
    _make_stage(root)
    write: list[tuple[str, str]] = []
    remove: list[str] = []
    for path, data in sorted(contents.items()):
        if data is None:
            remove.append(path)
            continue
        staged = _staged(root, len(write))
        _write(staged, data, _mode_for(located(root, path), data))
        write.append((path, hashlib.sha256(data).hexdigest()))
    # Only after all writes: by then the kernel has flushed most of the bytes.
    for number in range(len(write)):
        _sync(_staged(root, number))
    # The names of the staged files must be on the disk before the journal that relies on them.
    _sync_folder(_stage_path(root))
    return Journal(checkout, tuple(write), tuple(remove))


def put(root: str, path: str, data: bytes) -> None:
    """Replace one file. It needs no journal, because one rename moves it into place."""
    _make_stage(root)
    target = located(root, path)
    staged = _staged(root, 0)
    _write(staged, data, _mode_for(target, data))
    # Without this, a power failure after the rename could leave an empty file.
    _sync(staged)
    _place(staged, target, 0)
    _sync_folder(os.path.dirname(target))


def _make_stage(root: str) -> None:
    """An empty folder for staged files."""
    clear(root)
    if status_of(_stage_path(root)) is not None:
        raise _foreign_stage()
    os.mkdir(_stage_path(root))


def commit(root: str, journal: Journal) -> None:
    """Write the journal. After this the new tree is the valid one."""
    checkout = journal.checkout
    document = {
        "format": _FORMAT,
        "checkout": {"inode": checkout.inode, "ctime_ns": checkout.ctime_ns},
        "write": journal.write,
        "remove": journal.remove,
    }
    text = json.dumps(document, indent=1) + "\n"
    draft = _draft_path(root)
    _write(draft, text.encode(), 0o644)
    # The bytes before the name: a journal must never be found half written.
    _sync(draft)
    os.replace(draft, journal_path(root))
    # The journal must be on the disk before the first file of the project changes. The root too: its entry for the
    # state folder may be new.
    _sync_folder(os.path.join(root, STATE))
    _sync_folder(root)


def roll_forward(root: str, journal: Journal) -> None:
    """Make the remaining changes of a committed journal, then remove it. May be interrupted and repeated."""
    folders: set[str] = set()
    for number, (path, _) in enumerate(journal.write):
        target = located(root, path)
        _place(_staged(root, number), target, number)
        folders.update(_up_to(root, os.path.dirname(target)))
    for path in journal.remove:
        target = located(root, path)
        _remove(root, target)
        folders.update(_up_to(root, os.path.dirname(target)))
    # All changes must be on the disk before the journal is gone: nothing could repeat them afterwards.
    for folder in sorted(folders):
        # A folder is missing if a removal left it empty.
        with contextlib.suppress(FileNotFoundError):
            _sync_folder(folder)
    os.unlink(journal_path(root))
    # The tree is complete, so a failure from here on is not a failure of the write.
    with contextlib.suppress(OSError):
        _sync_folder(os.path.join(root, STATE))


def discard(root: str) -> None:
    """Remove staged files, unless a journal needs them. The next writer removes those that cannot be removed now."""
    with contextlib.suppress(OSError):
        if not pending(root):
            clear(root)


def clear(root: str) -> None:
    """Remove staged files; OSError if that fails. Must not be called while a journal is pending.

    Files that lockgen cannot have staged (they came with a clone) stay, and so does their folder.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_draft_path(root))
    folder = _stage_path(root)
    if not _is_folder(folder):
        return
    is_empty = True
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.isdecimal() and stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
        else:
            is_empty = False
    if is_empty:
        os.rmdir(folder)


def _foreign_stage() -> BadInput:
    name = f"{STATE}/stage"
    return BadInput(
        f"{name} contains files that lockgen did not write, and it needs that folder for itself",
        place=Place(name),
        hint=f"Move {name} away and run the command again. Never commit {STATE}.",
    )


def load(root: str) -> Journal:
    """The pending journal, checked against the checkout, the staged files and the tree. Changes nothing.

    ToolFailed if this user's lockgen did not leave it here. A killed writer cannot be the cause, so the user has to
    decide.
    """
    if not _is_folder(os.path.join(root, STATE)):
        raise _refused(f"{STATE} is not a folder")
    data = _read_regular(journal_path(root), owned=True)
    if data is None:
        raise _refused("it is not a regular file")
    try:
        journal = _parse(parse_json(data))
        for path in journal.paths:
            located(root, path)
    except (ValueError, RecursionError, BadInput) as error:
        raise _refused("this version of lockgen does not write such a journal") from error
    if journal.checkout != _checkout(root):
        raise _refused("it was written in another checkout, and came here with a clone, an archive or a copy")
    _check_paths(journal)
    _check_staged(root, journal)
    return journal


def _check_paths(journal: Journal) -> None:
    for path, _ in journal.write:
        if not is_writable(path):
            raise _refused(f"it would write {path}, which lockgen never does")
    for path in journal.remove:
        if not is_removable(path):
            raise _refused(f"it would remove {path}, which lockgen never does")


def _check_staged(root: str, journal: Journal) -> None:
    """Refuse a journal unless every new file is staged or in place, with the recorded digest."""
    stage = _stage_path(root)
    if status_of(stage) is not None and not _is_folder(stage):
        raise _refused(f"{STATE}/stage is not a folder")
    for number, (path, sha256) in enumerate(journal.write):
        source = _staged(root, number)
        # No longer staged: the writer moved it into place before it was killed.
        if status_of(source) is None:
            source = located(root, path)
        data = _read_regular(source)
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            raise _refused(f"the new {path} is neither staged nor in place")


def _parse(document: object) -> Journal:
    match document:
        case {
            "format": 2,
            "checkout": {"inode": int(inode), "ctime_ns": int(ctime_ns)},
            "write": list(write),
            "remove": list(remove),
        }:
            return Journal(Checkout(inode, ctime_ns), tuple(map(_entry, write)), tuple(map(_text, remove)))
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


def _refused(why: str) -> ToolFailed:
    return ToolFailed(
        f"the journal of an interrupted write cannot be trusted, and nothing was changed: {why}",
        place=Place(f"{STATE}/journal.json"),
        hint=f"Remove {STATE}/journal.json to discard that write, check 'git status', and run "
        "'lockgen resolve', which writes every generated file again.",
    )


def _is_folder(path: str) -> bool:
    """Whether ``path`` is a real folder. A link could lead anywhere, so it does not count."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _read_regular(path: str, *, owned: bool = False) -> bytes | None:
    """The bytes of a regular file; None for anything else, links included.

    ``owned``: ToolFailed if it belongs to another user.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise
    try:
        # fstat, not lstat before opening: the path could be replaced in between.
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        if owned and status.st_uid != os.geteuid():
            raise _refused("it belongs to another user")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _mode_for(target: str, data: bytes) -> int | None:
    """The mode of the file that ``data`` replaces. A new script is executable; None for other new files."""
    status = status_of(target)
    if status is not None and stat.S_ISREG(status.st_mode):
        # Without set-user-ID and the like: the new bytes are not what was given that right.
        return stat.S_IMODE(status.st_mode) & 0o777
    return 0o755 if data.startswith(b"#!") else None


def _write(path: str, data: bytes, mode: int | None) -> None:
    """Write a new file. ``mode`` None: 0644 as far as the umask allows."""
    # O_EXCL and O_NOFOLLOW: never write into a file or through a link that another process put there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o644)
    try:
        # fchmod, because the umask changes the mode that is given to open().
        if mode is not None:
            os.fchmod(handle, mode)
        # write() may take only a part, as on a disk that is almost full.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
    except OSError as error:
        raise _at(error, path) from error
    finally:
        os.close(handle)


def _at(error: OSError, path: str) -> OSError:
    """``error`` with a file name: failures of calls on an open file have none."""
    return OSError(error.errno, error.strerror, path)


def _os_error(number: int, path: str) -> OSError:
    """The error with which a call on ``path`` would fail; OSError chooses the subclass by its number."""
    return OSError(number, os.strerror(number), path)


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
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _place(staged: str, target: str, number: int) -> None:
    """Move a staged file into place, unless an interrupted attempt has already done so."""
    if status_of(staged) is None:
        return
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    try:
        os.replace(staged, target)
    except OSError as error:
        # A rename works only within one mount.
        if error.errno != errno.EXDEV:
            raise
        _copy_to_mount(staged, os.path.join(folder, f"{STATE}-{number}"), target)


def _copy_to_mount(staged: str, draft: str, target: str) -> None:
    """As ``os.replace``, onto another mount (a volume inside the project's folder)."""
    with open(staged, "rb") as file:
        data = file.read()
    # An interrupted attempt may have left a part of it.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    _write(draft, data, stat.S_IMODE(os.lstat(staged).st_mode))
    _sync(draft)
    os.replace(draft, target)
    # Last: without the staged file, `_place` takes the target for complete.
    os.unlink(staged)


def _remove(root: str, target: str) -> None:
    """Remove a file and the folders that it leaves empty."""
    # Missing if an interrupted attempt has removed it.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(target)
    for folder in _up_to(root, os.path.dirname(target)):
        if folder == root:
            return
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            # Removed before the write was interrupted; the folders above may still be there.
            continue
        except OSError:
            # Not empty, or a mount point: it is not ours to remove.
            return


def _up_to(root: str, folder: str) -> Iterable[str]:
    """``folder`` and the folders above it, up to ``root``."""
    while folder != root:
        yield folder
        folder = os.path.dirname(folder)
    yield root
