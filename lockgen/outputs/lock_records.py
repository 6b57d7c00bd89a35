"""Find which paths belong to lockgen because a lock records them."""

from __future__ import annotations

from collections.abc import Collection

from lockgen.core.layout import LOCK_PATH
from lockgen.errors import BadInput
from lockgen.io.ownership import OwnershipRecords, at_head, generated_on_disk, may_remove
from lockgen.io.workspace import Folder
from lockgen.lock.reader import parse_lock
from lockgen.outputs.generated_files import recorded_paths


def lock_records(folder: Folder) -> OwnershipRecords:
    """The lock on disk, other files with lockgen's header, and the lock at HEAD."""
    # The cheap ones first: only the last starts a process.
    return (
        lambda: _paths_of(folder.read(LOCK_PATH)),
        lambda: _lock_of_generated_files(folder),
        lambda: _paths_of(at_head(folder, LOCK_PATH)),
    )


def _paths_of(data: bytes | None) -> Collection[str]:
    """The paths that a lock records; none if ``data`` is not a lock."""
    if data is None:
        return ()
    try:
        return recorded_paths(parse_lock(data, LOCK_PATH))
    except BadInput:
        return ()


def _lock_of_generated_files(folder: Folder) -> Collection[str]:
    """The lock's own path, if there are other files of lockgen.

    A lock that a merge or a full disk left in pieces no longer shows that it is lockgen's. But lockgen never writes its
    other files without it.
    """
    for path in generated_on_disk(folder):
        if path != LOCK_PATH and may_remove(folder, path):
            return (LOCK_PATH,)
    return ()
