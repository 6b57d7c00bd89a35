"""The project's folder on disk: files are read from it, and replaced all at once or not at all.

Two locks. The *run* lock, the file ``.lockgen/lock``, is held by a command that writes, as long as it runs:
two of them never interleave. The *tree* lock, on the root folder itself, is held alone while files are moved
into place and shared while they are read: a reader never sees a part of a new tree, does not wait for a long
resolve, and needs to write nothing. A writer takes the run lock first. A writer that was killed leaves a
journal, which the next command completes before it looks at a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.io import locking
from lockgen.io.safe_paths import STATE, failure, file_above, is_name, located, located_folder, read_file, status_of

if TYPE_CHECKING:  # journal (json, hashlib) is imported where something is written or left to complete
    from lockgen.core.ports import Progress
    from lockgen.io.journal import Journal

_UNCHANGED = "could not write the new files, nothing was changed"


class Folder:
    """A project's root folder, for one thread. Paths are relative, with forward slashes.

    Of two Folders of one root in one process the second waits for the first for ever: make one and share it.
    """

    def __init__(self, root: str | os.PathLike[str], progress: Progress | None = None) -> None:
        self.root = os.path.realpath(root)
        self._progress = progress
        self._run: int | None = None
        self._reading = False

    def read(self, path: str) -> bytes | None:
        """A file's bytes, None if it is not there. A symlink is followed as long as it stays in the root.

        BadInput for a folder or a link that leads out, ToolFailed if it cannot be read.
        """
        try:
            return read_file(self.root, path)
        except OSError as error:
            raise failure(error, self.root, f"could not read {path}") from error

    def is_link(self, path: str) -> bool:
        """Whether a symlink is at ``path``, wherever it leads."""
        return os.path.islink(located(self.root, path))

    def file_above(self, path: str) -> str | None:
        """The first part of ``path`` that should be a folder and is something else; None if there is none."""
        try:
            return file_above(self.root, path)
        except OSError as error:
            raise failure(error, self.root, f"could not look for {path}") from error

    def listing(self, folder: str, pattern: str = "*") -> list[str]:
        """The files at any depth under ``folder`` whose own name matches ``pattern``, sorted. "" is the root.

        Symlinks to folders, ``.git``, ``.lockgen`` and names that lockgen never writes are left out. Empty if
        there is no such folder; ToolFailed if one cannot be read.
        """
        from fnmatch import fnmatchcase

        top = located_folder(self.root, folder)
        found: list[str] = []
        try:
            for here, folders, names in os.walk(top, onerror=_raise_unless_missing):
                folders[:] = [name for name in folders if is_name(name)]
                base = os.path.relpath(here, top)
                prefix = "/".join(part for part in (folder, "" if base == "." else base) if part)
                paths = (f"{prefix}/{name}" if prefix else name for name in names if fnmatchcase(name, pattern))
                found.extend(path for path in paths if is_name(path))
        except OSError as error:
            raise failure(error, self.root, f"could not list {folder or 'the folder'}") from error
        return sorted(found)

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Keeps other writers out. May be nested.

        Completes what a killed command left. Waits for a holder, with a note; ToolFailed at once if ``wait``
        is False.
        """
        if self._reading:
            raise RuntimeError("locked() inside shared() would wait for itself")
        if self._run is not None:
            yield
            return
        handle = self._lock_run(wait)
        try:
            self._run = handle
            self.recover()
            yield
        finally:
            self._run = None
            os.close(handle)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Every file read inside is of one tree. May be nested, and used inside ``locked``. Works where
        nothing can be written, unless a killed command's write has to be completed first (ToolFailed).
        """
        if self._run is not None or self._reading:
            yield
            return
        handle = self._settled()
        try:
            self._reading = True
            yield
        finally:
            self._reading = False
            os.close(handle)

    def recover(self) -> list[str]:
        """Completes a killed command's write and clears what it staged in vain; the paths completed, sorted.

        ``locked`` and ``shared`` do this themselves.
        """
        completed = self._complete() if self._has("journal.json") else []
        if self._has("stage"):
            self._discard_leftovers()
        return completed

    def replace(self, tree: Mapping[str, bytes | None]) -> list[str]:
        """Writes (bytes) or removes (None) all of ``tree`` or nothing; the paths that changed, sorted.

        Files that hold these bytes already are not touched. A file keeps its mode; a symlink is replaced by
        a file (what it points at stays), unless the whole tree, read through it, is there already. Folders
        left empty by a removal go too.

        BadInput for a path that leads out of the root or where a folder is in the way, ToolFailed for the
        disk. After either nothing has changed, but for a failure while files are moved into place: its
        message says that the next command completes the write.
        """
        from lockgen.io import preflight

        with self.locked():
            if self._run is not None and locking.is_removed(self._run):
                raise ToolFailed(
                    f"{STATE}/lock was removed while lockgen was running, nothing was changed",
                    hint="Run the command again.",
                )
            self.recover()
            try:
                changed = preflight.changes(self.root, tree)
            except OSError as error:
                raise failure(error, self.root, _UNCHANGED) from error
            if changed:
                self._apply(changed)
            return sorted(changed)

    def put(self, path: str, data: bytes) -> None:
        """Writes one file of any name, whole or not at all: for a path that the user named on the command line.

        No journal is needed for one file, so none has to be trusted with such a path. BadInput and ToolFailed as for
        ``replace``.
        """
        from lockgen.io import journal, preflight

        with self.locked():
            try:
                if preflight.changes(self.root, {path: data}):
                    with self._tree_alone():
                        journal.put(self.root, path, data)
            except OSError as error:
                raise failure(error, self.root, _UNCHANGED, needed=len(data)) from error
            finally:
                journal.discard(self.root)

    def _apply(self, changed: Mapping[str, bytes | None]) -> None:
        from lockgen.io import journal

        needed = 2 * sum(len(data) for data in changed.values() if data is not None)  # files and archive
        try:
            staged = journal.stage(self.root, changed)
            with self._tree_alone():
                self._commit(staged)
        except OSError as error:
            raise failure(error, self.root, _UNCHANGED, needed=needed) from error
        finally:
            journal.discard(self.root)

    def _commit(self, staged: Journal) -> None:
        from lockgen.io import journal

        try:
            try:
                journal.commit(self.root, staged)
                journal.roll_forward(self.root, staged)
            except (KeyboardInterrupt, SystemExit):
                if journal.pending(self.root):  # too late to go back: finish, then stop
                    journal.roll_forward(self.root, staged)
                raise
        except OSError as error:
            if not journal.pending(self.root):
                raise
            message = "could not move every new file into place; the next lockgen command completes it"
            raise failure(error, self.root, message) from error

    def _complete(self) -> list[str]:
        """Completes a journal, if there (still) is one."""
        from lockgen.io import journal

        try:
            with self._tree_alone():
                if not journal.pending(self.root):
                    return []
                left = journal.load(self.root)
                journal.restage(self.root, left)
                journal.roll_forward(self.root, left)
                journal.discard(self.root)
        except OSError as error:
            message = "an earlier lockgen command was cut off, and what it left could not be completed"
            raise failure(error, self.root, message) from error
        self._note(f"Completed the write of a lockgen command that was cut off ({len(left.paths)} files).")
        return left.paths

    def _has(self, name: str) -> bool:
        try:
            return status_of(os.path.join(self.root, STATE, name)) is not None
        except OSError as error:
            raise failure(error, self.root, f"could not look into {STATE}") from error

    def _discard_leftovers(self) -> None:
        """Clears staged files, unless they are those of a writer at work."""
        from lockgen.io import journal

        if self._run is not None:
            journal.discard(self.root)
            return
        try:
            handle = self._lock_run(wait=False)
        except ToolFailed:  # another writer, or a read-only folder: leftovers do no harm
            return
        try:
            journal.discard(self.root)
        finally:
            os.close(handle)

    def _settled(self) -> int:
        """The tree lock, shared, taken when no journal is there. None can come while it is held."""
        while True:
            handle = self._lock_tree(shared=True)
            try:
                settled = not self._has("journal.json")
            except BaseException:
                os.close(handle)
                raise
            if settled:
                return handle
            os.close(handle)
            self._complete()

    @contextmanager
    def _tree_alone(self) -> Iterator[None]:
        handle = self._lock_tree(shared=False)
        try:
            yield
        finally:
            os.close(handle)

    def _lock_tree(self, *, shared: bool) -> int:
        def busy() -> None:
            other = "writes its files" if shared else "has read its files"
            self._note(f"Waiting until another lockgen command {other}.")

        try:
            return locking.lock_folder(self.root, shared=shared, busy=busy)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadInput(f"there is no folder {self.root}", hint="Check the path of the project.") from error
        except OSError as error:
            raise failure(error, self.root, "could not lock the project's folder") from error

    def _lock_run(self, wait: bool) -> int:
        from lockgen.io import journal

        def busy(holder: str | None) -> None:
            other = f"another lockgen command (process {holder})" if holder else "another lockgen command"
            if not wait:
                raise ToolFailed(
                    f"{other} is at work in this folder",
                    place=Place(f"{STATE}/lock"),
                    hint="Wait until it has ended, or end it.",
                )
            self._note(f"Waiting for {other} to finish in this folder.")

        if not os.path.isdir(self.root):
            raise BadInput(f"there is no folder {self.root}", hint="Check the path of the project.")
        try:
            journal.prepare(self.root)
            return locking.lock_file(os.path.join(self.root, STATE, "lock"), busy)
        except OSError as error:
            raise failure(error, self.root, _UNCHANGED) from error

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.note(text)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
