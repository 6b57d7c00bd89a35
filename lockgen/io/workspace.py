"""The project's folder on disk: files are read from it, and replaced all at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lockgen.io.folder_locks import NOTHING_CHANGED, FolderLocks
from lockgen.io.safe_paths import Locator, failure, is_name, located_folder, read_file

if TYPE_CHECKING:  # the journal needs json and hashlib: it is imported only where something is written
    from lockgen.core.ports import Progress
    from lockgen.io.journal import Journal


class Look:
    """The files of a project at one time: the folders above them are looked at once, so keep it for one step only."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._locator = Locator(root)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if it does not exist. A symlink is followed as long as it stays in the root.

        BadInput for a folder or a link that leads out, ToolFailed if it cannot be read.
        """
        try:
            return read_file(self._locator, path)
        except OSError as error:
            raise failure(error, self._root, f"could not read {path}") from error

    def is_link(self, path: str) -> bool:
        """Whether a symlink is at ``path``, wherever it leads."""
        return os.path.islink(self._locator.located(path))

    def file_above(self, path: str) -> str | None:
        """The first part of ``path`` that should be a folder but is not; None if there is none."""
        try:
            return self._locator.file_above(path)
        except OSError as error:
            raise failure(error, self._root, f"could not access {path}") from error


class Folder:
    """A project's root folder, for one thread. Paths are relative, with forward slashes.

    Of two Folders of one root in one process the second would wait for the first for ever: make one and share it.
    """

    def __init__(self, root: str | os.PathLike[str], progress: Progress | None = None) -> None:
        # Resolved once: a relative root would change its meaning with the working directory.
        self.root = os.path.realpath(root)
        self._locks = FolderLocks(self.root, progress)

    # -- reading -----------------------------------------------------------------

    def has_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder."""
        return os.path.isdir(os.path.join(self.root, path))

    def read(self, path: str) -> bytes | None:
        """See `Look.read`."""
        return self.look().read(path)

    def is_link(self, path: str) -> bool:
        """See `Look.is_link`."""
        return self.look().is_link(path)

    def look(self) -> Look:
        """One look at many paths."""
        return Look(self.root)

    def listing(self, folder: str, pattern: str = "*") -> list[str]:
        """The files at any depth under ``folder`` whose own name matches ``pattern``, sorted. "" is the root.

        Symlinks to folders, ``.git``, ``.lockgen`` and names that lockgen never writes are left out. Empty if the
        folder does not exist; ToolFailed if one cannot be read.
        """
        from fnmatch import fnmatchcase

        try:
            paths = list(_walk(located_folder(self.root, folder), folder))
        except OSError as error:
            raise failure(error, self.root, f"could not list {folder or 'the folder'}") from error
        return sorted(path for path in paths if fnmatchcase(path.rpartition("/")[2], pattern))

    # -- locks -------------------------------------------------------------------

    def locked(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Keep other writers out. May be nested, but not inside ``shared``.

        Completes what a killed command left. Waits while another command holds the lock, with a note; ToolFailed at
        once if ``wait`` is False.
        """
        return self._locks.writing(wait=wait)

    def shared(self) -> AbstractContextManager[None]:
        """All files read inside belong to one tree. May be nested, and used inside ``locked``.

        Works in a read-only folder, unless a killed command's write has to be completed first (ToolFailed).
        """
        return self._locks.reading()

    def recover(self) -> list[str]:
        """Complete a killed command's write and discard staged files that it never committed.

        Returns the completed paths, sorted. ``locked`` and ``shared`` do this themselves.
        """
        return self._locks.recover()

    # -- writing -----------------------------------------------------------------

    def replace(self, tree: Mapping[str, bytes | None]) -> list[str]:
        """Write (bytes) or remove (None) all of ``tree`` or nothing; the paths that changed, sorted.

        Files with these bytes already are not touched. A file keeps its mode; a symlink is replaced by a file (its
        target stays), unless the whole tree, read through it, has the wanted bytes already. Folders that a removal
        leaves empty are removed too.

        BadInput for a path that leads out of the root or where a folder is in the way, ToolFailed for the disk. After
        either nothing has changed, except for a failure while files are moved into place: its message says that the
        next command completes the write.
        """
        from lockgen.io import preflight

        with self.locked():
            self._locks.require_run_lock()
            # Nested: an outer `locked` recovered long ago, and this process itself may have failed half-way since.
            self.recover()
            try:
                changed = preflight.changes(self.root, tree)
            except OSError as error:
                raise failure(error, self.root, NOTHING_CHANGED) from error
            if changed:
                self._apply(changed)
            return sorted(changed)

    def put(self, path: str, data: bytes) -> None:
        """Write one file of any name, whole or not at all: for a path that the user named on the command line.

        One file needs no journal, so no journal has to be trusted with such a path. BadInput and ToolFailed as for
        ``replace``.
        """
        from lockgen.io import journal, preflight

        with self.locked():
            try:
                if preflight.changes(self.root, {path: data}):
                    with self._locks.moving():
                        journal.put(self.root, path, data)
            except OSError as error:
                raise failure(error, self.root, NOTHING_CHANGED, needed=len(data)) from error
            finally:
                journal.discard(self.root)

    def _apply(self, changed: Mapping[str, bytes | None]) -> None:
        from lockgen.io import journal

        # The files, and the archive of their bytes.
        needed = 2 * sum(len(data) for data in changed.values() if data is not None)
        try:
            # Staged before the tree lock: readers need not wait while bytes are flushed to the disk.
            staged = journal.stage(self.root, changed)
            with self._locks.moving():
                self._commit(staged)
        except OSError as error:
            raise failure(error, self.root, NOTHING_CHANGED, needed=needed) from error
        finally:
            journal.discard(self.root)

    def _commit(self, staged: Journal) -> None:
        from lockgen.io import journal

        try:
            try:
                journal.commit(self.root, staged)
                journal.roll_forward(self.root, staged)
            except (KeyboardInterrupt, SystemExit):
                # After the commit it is too late to go back: finish, then stop.
                if journal.pending(self.root):
                    journal.roll_forward(self.root, staged)
                raise
        except OSError as error:
            # Without a journal nothing was moved: the caller reports that nothing changed.
            if not journal.pending(self.root):
                raise
            message = "could not move every new file into place; the next lockgen command will complete it"
            raise failure(error, self.root, message) from error


def _walk(top: str, folder: str) -> Iterator[str]:
    """The path of every file under ``top`` that lockgen could have written; ``folder`` is the path of ``top``."""
    for here, folders, names in os.walk(top, onerror=_raise_unless_missing):
        # In place: os.walk enters only the folders that are left in its list.
        folders[:] = [name for name in folders if is_name(name)]
        below = os.path.relpath(here, top)
        parts = [part for part in (folder, below) if part not in ("", ".")]
        for name in names:
            path = "/".join([*parts, name])
            if is_name(path):
                yield path


def _raise_unless_missing(error: OSError) -> None:
    # Another command may remove a folder between its listing and the visit.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
