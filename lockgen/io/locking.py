"""Locks between processes (flock). A holder that is killed frees its locks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable


def flock(handle: int, *, shared: bool, busy: Callable[[], None]) -> None:
    """Locks an open file or folder; calls ``busy`` once before it waits (``busy`` may raise instead)."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        busy()
        fcntl.flock(handle, kind)


def lock_folder(folder: str, *, shared: bool, busy: Callable[[], None]) -> int:
    """An open handle of ``folder``, locked. No file is made, so readers can lock a read-only folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flock(handle, shared=shared, busy=busy)
    except BaseException:
        os.close(handle)
        raise
    return handle


def lock_file(path: str, busy: Callable[[str | None], None]) -> int:
    """An open handle of the file ``path``, locked for this process alone, whose id is written into it.

    ``busy`` is given the holder's id, None if it is not known.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            flock(handle, shared=False, busy=lambda: busy(_holder(path)))
            if not is_removed(handle):  # else another process removed the file meanwhile: the lock protects nothing
                _sign(handle)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def is_removed(handle: int) -> bool:
    """Whether the open file has no name any more."""
    return os.fstat(handle).st_nlink == 0


def _holder(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            text = file.read(20).strip()
    except OSError:
        return None
    return text.decode() if text.isdigit() else None


def _sign(handle: int) -> None:
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, b"%d\n" % os.getpid(), 0)
    except OSError:  # a full disk: the lock holds, only its holder's name is not known to others
        return
