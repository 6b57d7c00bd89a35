"""Downloading files of an index: in parts that can be resumed.

A file gets its name only after its sha256 was checked. Until then it is NAME.HASH.part, which a later run completes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lockgen.core.urls import redacted
from lockgen.errors import LockgenError, ToolFailed
from lockgen.io.http import Http
from lockgen.io.http_model import Opened
from lockgen.io.locking import lock_folder

ATTEMPTS = 4
_CHUNK = 64 * 1024
_RESUMABLE = "run the command again: it continues the download"


def is_downloaded(target: Path, sha256: str) -> bool:
    """Whether ``target`` is a file with this sha256.

    Raises:
        ToolFailed: it cannot be read.
    """
    with disk_errors(target):
        return target.is_file() and _sha256(target) == sha256


def download(http: Http, url: str, sha256: str, target: Path, got: Callable[[int], None]) -> None:
    """Download ``url`` to ``target``, and resume a partial download of an earlier run.

    ``got`` receives the number of new bytes, negative if bytes are discarded. What it raises stops the download.

    Raises:
        ToolFailed: the server or the disk fails, or the bytes have another sha256.
    """
    part = _PartialFile(target.with_name(f"{target.name}.{sha256[:12]}.part"), got)
    for attempt in range(1, ATTEMPTS + 1):
        resumed = part.read_existing() > 0
        try:
            part.complete(http, url)
        except _ConnectionLost as error:
            if attempt == ATTEMPTS:
                raise ToolFailed(f"the download of {target.name} was interrupted: {error}", hint=_RESUMABLE) from error
            continue
        if part.sha256 == sha256:
            with disk_errors(target):
                part.path.replace(target)
            return
        part.discard()
        # The kept part may have been at fault. If every byte came from the server, another attempt is useless.
        if not resumed:
            break
    raise ToolFailed(
        f"hash mismatch of {target.name}: {redacted(url)} sends sha256 {part.sha256}",
        hint="the index serves other bytes than those in the lock: run lockgen resolve again and review the diff",
    )


class _ConnectionLost(Exception):
    """The connection broke off; another attempt can complete the file."""


class _PartialFile:
    """A file that is not complete yet."""

    def __init__(self, path: Path, got: Callable[[int], None]) -> None:
        self.path, self._got = path, got
        self._size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read_existing(self) -> int:
        """Read the bytes that are on the disk already; their number."""
        reported = self._size
        self._reset()
        with disk_errors(self.path):
            if self.path.is_file():
                with self.path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        self._add(chunk)
        # An earlier attempt reported its bytes: only the difference is new.
        self._got(self._size - reported)
        return self._size

    def complete(self, http: Http, url: str) -> None:
        """Append the missing bytes.

        Raises:
            _ConnectionLost: not all of them came.
            ToolFailed: the file is not on the server, or the disk fails.
        """
        headers = {"Range": f"bytes={self._size}-"} if self._size else {}
        try:
            with http.opened(url, headers) as answer:
                self._append(http, answer, url)
        except _PermanentFailure as error:
            raise error.fault from error
        except LockgenError as error:
            raise _ConnectionLost(error.faults[0].reason or str(error)) from error

    def discard(self) -> None:
        """Remove the file, and report its bytes as lost."""
        self._got(-self._size)
        with disk_errors(self.path):
            self.path.unlink()
        # The digest stays: the caller reports it.
        self._size = 0

    def _append(self, http: Http, answer: Opened, url: str) -> None:
        if answer.status == 416:
            # The file is complete, or longer than the one on the server. The caller checks its hash.
            return
        if answer.status not in (200, 206):
            name = self.path.name.rsplit(".", 2)[0]
            hint = "check that the index still has it"
            if answer.status in (401, 403):
                hint = f"{http.access_hint(url)}; or {hint}"
            raise _PermanentFailure(ToolFailed(f"{name} is not at {redacted(url)}: HTTP {answer.status}", hint=hint))
        if answer.status == 200 and self._size:
            # A server without ranges sends the whole file again.
            self._got(-self._size)
            self._reset()
        with _permanent_failures(self.path):
            file = self.path.open("ab" if self._size else "wb")
        try:
            while chunk := answer.body.read(_CHUNK):
                with _permanent_failures(self.path):
                    file.write(chunk)
                    # Flushed before it is counted: Ctrl-C must not leave fewer bytes than were reported.
                    file.flush()
                self._add(chunk)
                self._got(len(chunk))
            # Not synced: waiting for the disk takes longer than many downloads, and each use of a file checks its hash.
        finally:
            # A failed write was reported above: close() would only repeat it.
            with contextlib.suppress(OSError):
                file.close()

    def _reset(self) -> None:
        self._size = 0
        self._digest = hashlib.sha256()

    def _add(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size += len(chunk)


class _PermanentFailure(Exception):
    """A failure that another attempt cannot fix."""

    def __init__(self, fault: ToolFailed) -> None:
        super().__init__(str(fault))
        self.fault = fault


@contextlib.contextmanager
def _permanent_failures(path: Path) -> Iterator[None]:
    """Raise _PermanentFailure for errors of the disk, so that they do not look like a lost connection."""
    try:
        with disk_errors(path):
            yield
    except ToolFailed as error:
        raise _PermanentFailure(error) from error


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise ToolFailed with ``path`` for any OSError."""
    try:
        yield
    except OSError as error:
        raise ToolFailed(
            f"cannot write {path}: {error.strerror or error}",
            hint=f"free some space, or use a folder that is writable; {_RESUMABLE}",
        ) from error


@contextlib.contextmanager
def locked_folder(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Create ``folder`` if needed, and lock it. ``busy`` is called before waiting for another process.

    Raises:
        ToolFailed: it cannot be created or written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock_folder(str(folder), shared=False, busy=busy)
    try:
        yield
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """Hard-link ``source`` to ``target``; copy it if the file system does not support hard links.

    Raises:
        ToolFailed: the disk fails.
    """
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(source):
            return
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            target.write_bytes(source.read_bytes())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
