"""Reading the lock in the project's folder, for commands that do not change it."""

from __future__ import annotations

from pathlib import Path

from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.errors import BadInput, Place
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock

NO_LOCK = "the lock does not exist yet"


def missing_lock() -> BadInput:
    """The error for a project without a lock."""
    return BadInput(NO_LOCK, place=Place(LOCK_PATH), hint="run `lockgen resolve`")


def read_lock(root: Path) -> Lock:
    """The lock under ``root``.

    Raises:
        BadInput: the lock is missing or invalid.
    """
    folder = Folder(root)
    # Without the shared lock, another process could be replacing the file while it is read.
    with folder.shared():
        data = folder.read(LOCK_PATH)
    if data is None:
        raise missing_lock()
    return parse_lock(data, LOCK_PATH)
