"""The two locks of a project's folder, and the recovery of a write that was cut off.

The *run* lock, on the file ``.lockgen/lock``, is held by a command that writes, as long as it runs: two such commands
never interleave. The *tree* lock, on the root folder itself, is held exclusively while files are moved into place and
shared while they are read. So a reader never sees a part of a new tree, does not wait for a long resolve, and needs no
permission to write.

A writer takes the run lock first and then the tree lock: taken in any other order, two commands could wait for each
other. A writer that was killed leaves a journal, which the next command completes before it reads a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lockgen.core.words import counted
from lockgen.errors import BadInput, Place, ToolFailed
from lockgen.io import locking
from lockgen.io.safe_paths import STATE, failure, status_of

if TYPE_CHECKING:
    from lockgen.core.ports import Progress

NOTHING_CHANGED = "could not write the new files; no files were changed"


class FolderLocks:
    """The locks that one `Folder` holds. They nest: a lock that is held already is not taken again."""

    def __init__(self, root: str, progress: Progress | None) -> None:
        self._root = root
        self._progress = progress
        self._run: int | None = None
        self._is_reading = False

    @contextmanager
    def writing(self, *, wait: bool) -> Iterator[None]:
        """Hold the run lock; see `Folder.locked`."""
        if self._is_reading:
            # flock would let this process wait for its own shared lock.
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
    def reading(self) -> Iterator[None]:
        """Hold the tree lock, shared; see `Folder.shared`."""
        # A writer needs no tree lock to read: no other command may replace files while it has the run lock.
        if self._run is not None or self._is_reading:
            yield
            return
        handle = self._lock_settled_tree()
        try:
            self._is_reading = True
            yield
        finally:
            self._is_reading = False
            os.close(handle)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Hold the tree lock exclusively: no reader is left, and none begins."""
        handle = self._lock_tree(shared=False)
        try:
            yield
        finally:
            os.close(handle)

    def require_run_lock(self) -> None:
        """Raise ToolFailed if the file of the run lock was removed: another writer may have made a new one."""
        if self._run is None or not locking.is_removed(self._run):
            return
        raise ToolFailed(
            f"{STATE}/lock was removed while lockgen was running; no files were changed",
            hint="Run the command again.",
        )

    # -- recovery ----------------------------------------------------------------

    def recover(self) -> list[str]:
        """Complete the write of a killed command, or discard what it staged; see `Folder.recover`."""
        completed = self._complete() if self._has("journal.json") else []
        if self._has("stage"):
            self._discard_leftovers()
        return completed

    def _complete(self) -> list[str]:
        # Imported here: seldom needed, and json and hashlib take time.
        from lockgen.io import journal

        try:
            with self.moving():
                # Another command may have completed it while this one waited for the lock.
                if not journal.pending(self._root):
                    return []
                left = journal.load(self._root)
                journal.restage(self._root, left)
                journal.roll_forward(self._root, left)
                journal.discard(self._root)
        except OSError as error:
            message = "an earlier lockgen command was interrupted, and its write could not be completed"
            raise failure(error, self._root, message) from error
        self._note(f"Completed the write of an interrupted lockgen command ({counted(len(left.paths), 'file')}).")
        return left.paths

    def _has(self, name: str) -> bool:
        try:
            return status_of(os.path.join(self._root, STATE, name)) is not None
        except OSError as error:
            raise failure(error, self._root, f"could not read {STATE}") from error

    def _discard_leftovers(self) -> None:
        """Remove staged files, unless they belong to a writer that is still running."""
        from lockgen.io import journal

        if self._run is not None:
            journal.discard(self._root)
            return
        try:
            handle = self._lock_run(wait=False)
        except ToolFailed:
            # Another writer, or a read-only folder. Leftovers do no harm: the next writer removes them.
            return
        try:
            journal.discard(self._root)
        finally:
            os.close(handle)

    # -- locks -------------------------------------------------------------------

    def _lock_settled_tree(self) -> int:
        """The shared tree lock, taken at a time when no journal is pending.

        The journal has to be looked for under the lock: no writer can commit one while a reader holds it.
        """
        while True:
            handle = self._lock_tree(shared=True)
            try:
                is_settled = not self._has("journal.json")
            except BaseException:
                os.close(handle)
                raise
            if is_settled:
                return handle
            # To complete the journal needs the exclusive lock, which waits for all shared ones: give this one up.
            os.close(handle)
            self._complete()

    def _lock_tree(self, *, shared: bool) -> int:
        def busy() -> None:
            other = "has written its files" if shared else "has read its files"
            self._note(f"Waiting until another lockgen command {other}.")

        try:
            return locking.lock_folder(self._root, shared=shared, busy=busy)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._no_folder() from error
        except OSError as error:
            raise failure(error, self._root, "could not lock the project's folder") from error

    def _lock_run(self, wait: bool) -> int:
        from lockgen.io import journal

        def busy(holder: str | None) -> None:
            other = f"another lockgen command (process {holder})" if holder else "another lockgen command"
            if not wait:
                raise ToolFailed(
                    f"{other} is running in this folder",
                    place=Place(f"{STATE}/lock"),
                    hint="Wait until it has finished, or stop it.",
                )
            self._note(f"Waiting for {other} to finish in this folder.")

        # Otherwise the failure would be one of writing to .lockgen, whose hint would mislead.
        if not os.path.isdir(self._root):
            raise self._no_folder()
        try:
            journal.prepare(self._root)
            return locking.lock_file(os.path.join(self._root, STATE, "lock"), busy)
        except OSError as error:
            raise failure(error, self._root, NOTHING_CHANGED) from error

    def _no_folder(self) -> BadInput:
        return BadInput(f"the folder {self._root} does not exist", hint="Check the path of the project.")

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress.note(text)
