"""Compare the files that follow from a lock with the disk."""

from __future__ import annotations

from typing import NamedTuple

from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.errors import BadInput
from lockgen.io.ownership import may_remove, refuse_foreign
from lockgen.io.workspace import Folder, Look
from lockgen.outputs.extra_files import extra_files
from lockgen.outputs.generated_files import GeneratedFiles, Tree
from lockgen.outputs.lock_records import lock_records


class PendingFiles(NamedTuple):
    """``tree`` are the generated files. ``wanted`` adds new programs of stages, and None for files to remove.

    ``extra`` are further files at paths that lockgen writes: they may be the user's, so they stay.
    """

    tree: Tree
    wanted: dict[str, bytes | None]
    extra: list[str]

    def changed(self, folder: Folder) -> list[str]:
        """The paths of ``wanted`` that differ from the disk."""
        look = folder.look()
        return sorted(path for path, data in self.wanted.items() if look.read(path) != data)


def pending_files(folder: Folder, manifest: Manifest, lock: Lock) -> PendingFiles:
    """Compare the files that follow from ``lock`` with the disk.

    Raises:
        BadInput: files that are not lockgen's are in the way.
    """
    files = GeneratedFiles(manifest, lock)
    tree = files.tree()
    # A stage's program is generated once; from then on it is the team's.
    starters = files.starters()
    wanted: dict[str, bytes | None] = dict(tree)
    look = folder.look()
    wanted.update({path: starters[path] for path in starters if not _exists(look, path)})
    # Before the files to remove: those are lockgen's, by their header.
    refuse_foreign(folder, wanted, lock_records(folder))
    extra = extra_files(folder, tree)
    stale = [path for path in extra if may_remove(folder, path)]
    wanted.update(dict.fromkeys(stale))
    return PendingFiles(tree, wanted, [path for path in extra if path not in wanted])


def _exists(look: Look, path: str) -> bool:
    """Whether there is a file. False also for anything else at ``path``, which `refuse_foreign` then refuses."""
    try:
        return look.read(path) is not None
    except BadInput:
        return False
