"""Locks between processes (flock). The kernel releases the locks of a process that is killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable


def flock(handle: int, *, shared: bool, busy: Callable[[], None]) -> None:
    """Lock an open file or folder; call ``busy`` once before waiting (``busy`` may raise instead)."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        # Without waiting first, only to learn whether a note is needed.
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        busy()
        fcntl.flock(handle, kind)


def lock_folder(folder: str, *, shared: bool, busy: Callable[[], None]) -> int:
    """An open handle of ``folder``, locked. It creates no file, so readers can lock a read-only folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flock(handle, shared=shared, busy=busy)
    except BaseException:
        os.close(handle)
        raise
    return handle


def lock_file(path: str, busy: Callable[[str | None], None]) -> int:
    """An open handle of the file ``path``, locked exclusively; the id of this process is written into it.

    ``busy`` receives the holder's id, None if it is unknown.
    """
    while True:
        # O_NOFOLLOW: the id must not be written into a file that a link leads to.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            flock(handle, shared=False, busy=lambda: busy(_holder(path)))
            # If another process removed the file meanwhile, a third may lock a new one: this lock protects nothing.
            if not is_removed(handle):
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
    except OSError:
        # A full disk. The lock still works; others only do not see the holder's id.
        return
