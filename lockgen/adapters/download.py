"""Files of an index to disk: in parts that can be resumed, and never under their name before their hash is right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from lockgen.adapters.http import Http
from lockgen.errors import ToolFailed
from lockgen.model.urls import redacted

_CHUNK = 1024 * 1024


def download(http: Http, url: str, sha256: str, target: Path, got: Callable[[int], None]) -> bool:
    """Brings ``url`` to ``target``; False where it was there already. ``got`` is told of the bytes as they come.

    Raises:
        ToolFailed: the server fails, or sends other bytes than those of ``sha256``.
    """
    if target.is_file() and _sha256(target) == sha256:
        return False
    part = target.with_name(f"{target.name}.{sha256[:12]}.part")
    digest = hashlib.sha256()
    have = 0
    if part.is_file():
        with part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                have += len(chunk)
        got(have)
    headers = {"Range": f"bytes={have}-"} if have else {}
    with http.opened(url, headers) as answer:
        if answer.status == 200 and have:  # a server without ranges sends all of it
            digest, have = hashlib.sha256(), 0
        elif answer.status not in (200, 206, 416):
            raise ToolFailed(
                f"{target.name} is not at {redacted(url)}: HTTP {answer.status}", hint="is it still there?"
            )
        with part.open("ab" if have else "wb") as file:
            while answer.status != 416 and (chunk := answer.body.read(_CHUNK)):
                digest.update(chunk)
                file.write(chunk)
                got(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        part.unlink()
        raise ToolFailed(
            f"hash mismatch of {target.name}: {redacted(url)} sends sha256 {digest.hexdigest()}",
            hint="the index serves other bytes than the lock's, or the answer was cut off: run it again",
        )
    part.replace(target)
    return True


def link(source: Path, target: Path) -> None:
    """A second name for a file, a copy where the disk has no links."""
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
