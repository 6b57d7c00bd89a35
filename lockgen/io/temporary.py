"""Temporary folders, the one door. They contain credentials of indexes, so the next run removes those of a killed one.

All of a process are in one folder, which has a file that the process keeps locked. The kernel releases the lock of a
process that ends, however it ends. So a folder whose lock is free belongs to a dead process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lockgen.io.locking import flock, is_removed

PREFIX = "lockgen-"
_LOCK = "lock"


@contextlib.contextmanager
def temporary_folder(prefix: str = "") -> Iterator[Path]:
    """A new private folder, removed at the end."""
    path = create_folder(prefix)
    try:
        yield path
    finally:
        remove_folder(path)


def create_folder(prefix: str = "") -> Path:
    """A new private folder. The caller removes it, or else this process when it ends."""
    with _lock:
        folder = _current()
        try:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=folder.path))
        except FileNotFoundError:
            # A program that cleans /tmp has removed it.
            _folders.remove(folder)
            return Path(tempfile.mkdtemp(prefix=prefix, dir=_current().path))


def remove_folder(path: Path | str) -> None:
    """Remove a folder with all that is in it. What cannot be removed stays."""
    # A build may have made folders read-only.
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
    shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _ProcessFolder:
    """The folder of the process ``owner``; ``handle`` is its locked file."""

    path: str
    owner: int
    handle: int

    def close(self) -> None:
        # A fork must not remove the folder of its parent.
        if self.owner == os.getpid():
            _remove_process_folder(self.path)


_lock = threading.RLock()
_folders: list[_ProcessFolder] = []


def _current() -> _ProcessFolder:
    if not _folders or _folders[-1].owner != os.getpid():
        _sweep(tempfile.gettempdir())
        _folders.append(_created())
        atexit.register(_folders[-1].close)
    return _folders[-1]


def _created() -> _ProcessFolder:
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX)
        name = os.path.join(path, _LOCK)
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        # Another process may sweep the folder before its file is locked.
        if _is_locked(handle) and not is_removed(handle):
            return _ProcessFolder(path, os.getpid(), handle)
        os.close(handle)


class _BusyError(Exception):
    pass


def _is_locked(handle: int) -> bool:
    """Try to lock an open file; False if another process has locked it."""

    def busy() -> None:
        raise _BusyError

    try:
        flock(handle, shared=False, busy=busy)
    except (_BusyError, OSError):
        return False
    return True


def _sweep(parent: str) -> None:
    """Remove the folders that dead processes of this user left in ``parent``."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and _is_own_folder(entry):
                with contextlib.suppress(OSError):
                    _remove_if_dead(entry.path)


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _remove_if_dead(path: str) -> None:
    # Without the file, it is not a folder of this module.
    handle = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISREG(os.fstat(handle).st_mode) and _is_locked(handle):
            _remove_process_folder(path)
    finally:
        os.close(handle)


def _remove_process_folder(path: str) -> None:
    # The lock file is the last: without it, the rest would stay if a child process still writes.
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if name != _LOCK:
                remove_folder(os.path.join(path, name))
        if os.listdir(path) == [_LOCK]:
            os.unlink(os.path.join(path, _LOCK))
            os.rmdir(path)
