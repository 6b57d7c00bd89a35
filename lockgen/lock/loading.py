"""The lock in the project's folder, for commands that only read it."""

from __future__ import annotations

from pathlib import Path

from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.errors import BadInput, Place
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock


def read_lock(root: Path) -> Lock:
    """The lock under ``root``, never half of one that is being written.

    Raises:
        BadInput: there is none, or it is at fault.
    """
    folder = Folder(root)
    with folder.shared():
        data = folder.read(LOCK_PATH)
    if data is None:
        raise BadInput("there is no lock yet", place=Place(LOCK_PATH), hint="run `lockgen resolve`")
    return parse_lock(data, LOCK_PATH)
