"""The state of all files that `check` reads, as digests. With the same snapshot it finds the same again.

These are versions.toml, the folders that lockgen writes, recorded indexes, lockgen's own code, and which of the folders
in `copy` exist. This module imports little: commands read a snapshot to find out that they have nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lockgen.core.documents import parse_toml_once
from lockgen.core.layout import IGNORE
from lockgen.errors import LockgenError
from lockgen.io.own_code import own_code
from lockgen.io.workspace import Folder

_VERSIONS = "versions.toml"
_FOLDERS = ("docker", "locks")


@dataclass(frozen=True)
class Snapshot:
    """``files`` has the sha256 of each file of the project; ``rest`` is everything else that counts, as text."""

    files: Mapping[str, str]
    rest: str

    @property
    def key(self) -> str:
        """One digest of everything."""
        # No path contains a zero byte, so that two neighbours cannot be read as one.
        lines = [f"{path}\0{digest}\n" for path, digest in sorted(self.files.items())]
        text = self.rest + "".join(lines)
        return hashlib.sha256(os.fsencode(text)).hexdigest()

    def after(self, written: Mapping[str, bytes | None]) -> Snapshot:
        """The snapshot of the same project with the bytes in ``written``; None stands for a removed file."""
        files = dict(self.files)
        for path, data in written.items():
            if data is None:
                files.pop(path, None)
            else:
                files[path] = _digest(data)
        return Snapshot(files, self.rest)


def read_snapshot(folder: Folder, known: Mapping[str, str] | None = None) -> Snapshot | None:
    """The present state. ``known`` has digests of files that need not be read, by path.

    None if a file cannot be read or is not a regular file: a command without a snapshot reports that better.
    """
    root = Path(folder.root)
    known = known or {}
    files: dict[str, str] = {}
    try:
        with folder.shared():
            versions = _read(root / _VERSIONS)
            recorded, copied = _named_folders(versions)
            files[_VERSIONS] = _digest(versions)
            if os.path.lexists(root / IGNORE):
                files[IGNORE] = _file(root / IGNORE)
            for name in [*_FOLDERS, *recorded]:
                for path in _paths(root / name):
                    below = path.removeprefix(folder.root).lstrip("/")
                    # Recorded indexes are usually below one of lockgen's folders.
                    if below not in files:
                        files[below] = known.get(below) or _file(path)
    except (OSError, LockgenError, _NotRegular):
        return None
    missing = [name for name in copied if not folder.has_folder(name)]
    # The Python version counts, too: the code may behave differently under another one.
    rest = repr([own_code(), sys.version, folder.root, missing])
    return Snapshot(files, rest)


# A command that writes reads two snapshots, mostly of the same text.
@lru_cache(maxsize=1)
def _named_folders(versions: bytes) -> tuple[list[str], list[str]]:
    """The folders of recorded indexes, which may be anywhere in the project, and those in `copy`."""
    try:
        document = parse_toml_once(versions.decode())
        recorded = [table["recorded"] for table in _tables(document, "index") if "recorded" in table]
        copied = [name for kind in ("bases", "stages") for table in _tables(document, kind) for name in _copy(table)]
        return sorted(set(map(str, recorded))), sorted(set(map(str, copied)))
    except (TypeError, AttributeError, ValueError):
        return [], []  # an invalid file never passes


def _tables(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return list(document.get(name, {}).values())


def _copy(table: dict[str, Any]) -> list[str]:
    return list(table.get("copy", []))


class _NotRegular(Exception):
    """A link, a FIFO or a device: what these lead to can change without a byte of their own."""


def _paths(top: Path) -> Iterator[str]:
    """The paths of all files under ``top``, without bytecode. The order is the same on all file systems."""
    if not os.path.lexists(top):
        return
    if os.path.islink(top):
        raise _NotRegular(top)
    pending = [str(top)]
    while pending:
        with os.scandir(pending.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path
            elif entry.name != "__pycache__":
                pending.append(entry.path)


def _file(path: str | Path) -> str:
    return _digest(_read(path))


def _read(path: str | Path) -> bytes:
    # Opening a FIFO would wait for a process that writes to it.
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise _NotRegular(path)
    with open(path, "rb") as file:
        return file.read()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
