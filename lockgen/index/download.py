"""Files of an index to disk: in parts that can be resumed, and never under their name before their hash is right."""

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
_STAYS = "what came so far stays: run it again, and only the rest is fetched"


def is_there(target: Path, sha256: str) -> bool:
    """Whether ``target`` is the file of ``sha256``.

    Raises:
        ToolFailed: it cannot be read.
    """
    with on_disk(target):
        return target.is_file() and _sha256(target) == sha256


def download(http: Http, url: str, sha256: str, target: Path, got: Callable[[int], None]) -> None:
    """Brings ``url`` to ``target``. ``got`` is told of the bytes as they come; what it raises stops the download.

    What was cut off is kept beside ``target`` and goes on where it ended, in this run or a later one.

    Raises:
        ToolFailed: the server fails, or sends other bytes than those of ``sha256``; or the disk does.
    """
    part = _RangePart(target.with_name(f"{target.name}.{sha256[:12]}.part"), got)
    for attempt in range(1, ATTEMPTS + 1):
        kept = part.read()
        try:
            part.complete(http, url)
        except _Broken as error:
            if attempt == ATTEMPTS:
                raise ToolFailed(f"{target.name} was cut off: {error}", hint=_STAYS) from error
            continue
        if part.sha256 == sha256:
            with on_disk(target):
                part.path.replace(target)
            return
        got(-part.size)
        with on_disk(part.path):
            part.path.unlink()
        if not kept:  # all of it came from the server; else what was kept may have been at fault
            break
    raise ToolFailed(
        f"hash mismatch of {target.name}: {redacted(url)} sends sha256 {part.sha256}",
        hint="the index serves other bytes than the lock's: resolve again, and look at what changed",
    )


class _Broken(Exception):
    """The connection, in the middle."""


class _RangePart:
    """A file that is not whole yet."""

    def __init__(self, path: Path, got: Callable[[int], None]) -> None:
        self.path, self._got = path, got
        self.size = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self) -> int:
        """How many bytes are there already."""
        before, self.size, self._digest = self.size, 0, hashlib.sha256()
        with on_disk(self.path):
            if self.path.is_file():
                with self.path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        self._digest.update(chunk)
                        self.size += len(chunk)
        self._got(self.size - before)
        return self.size

    def complete(self, http: Http, url: str) -> None:
        """Adds what is missing.

        Raises:
            _Broken: not all of it came.
            ToolFailed: it is not there, or the disk fails.
        """
        headers = {"Range": f"bytes={self.size}-"} if self.size else {}
        try:
            with http.opened(url, headers) as answer:
                self._append(answer, url)
        except _Local as error:
            raise error.fault from error
        except LockgenError as error:
            raise _Broken(error.faults[0].reason or str(error)) from error

    def _append(self, answer: Opened, url: str) -> None:
        if answer.status == 416:  # nothing is missing, or what is there is no part of it: its hash tells
            return
        if answer.status not in (200, 206):
            raise _Local(
                ToolFailed(
                    f"{self.path.name.rsplit('.', 2)[0]} is not at {redacted(url)}: HTTP {answer.status}",
                    hint="is it still there?",
                )
            )
        if answer.status == 200 and self.size:  # a server without ranges sends all of it
            self._got(-self.size)
            self.size, self._digest = 0, hashlib.sha256()
        with _local(), on_disk(self.path):
            file = self.path.open("ab" if self.size else "wb")
        try:
            while chunk := answer.body.read(_CHUNK):
                with _local(), on_disk(self.path):
                    file.write(chunk)
                    file.flush()
                self._digest.update(chunk)
                self.size += len(chunk)
                self._got(len(chunk))
            with _local(), on_disk(self.path):
                os.fsync(file.fileno())
        finally:
            with contextlib.suppress(OSError):  # what could not be written was told
                file.close()


class _Local(Exception):
    """Not the connection's fault: no second attempt helps."""

    def __init__(self, fault: ToolFailed) -> None:
        super().__init__(str(fault))
        self.fault = fault


@contextlib.contextmanager
def _local() -> Iterator[None]:
    try:
        yield
    except ToolFailed as error:
        raise _Local(error) from error


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Raises ToolFailed where the disk does not let us."""
    try:
        yield
    except OSError as error:
        raise ToolFailed(
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"free some space, or name a folder that can be written; {_STAYS}",
        ) from error


@contextlib.contextmanager
def alone_in(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """``folder``, made where it is missing, for this process alone; ``busy`` is called before it waits for another.

    Raises:
        ToolFailed: it cannot be made or written.
    """
    with on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock_folder(str(folder), shared=False, busy=busy)
    try:
        yield
    finally:
        os.close(handle)


def link(source: Path, target: Path) -> None:
    """A second name for a file, a copy where the disk has no links.

    Raises:
        ToolFailed: the disk fails.
    """
    with on_disk(target):
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
