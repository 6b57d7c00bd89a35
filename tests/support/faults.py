"""Faults put into a process's own calls into the file system, and what a folder holds afterwards."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAKING = ("open", "write", "fsync", "fchmod", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "pwrite")
"""The calls by which lockgen changes a disk."""

Act = Callable[[str, tuple[Any, ...]], None]


@contextmanager
def at_call(
    number: int | None, before: Act | None = None, *, after: Act | None = None, names: tuple[str, ...] = MAKING
) -> Iterator[list[str]]:
    """Runs ``before`` or ``after`` at the ``number``th of these calls (from 1; None: each); yields the calls so far."""
    made: list[str] = []
    originals = {name: getattr(os, name) for name in names}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if name == "close" and _flags(arguments[0]) & os.O_ACCMODE != os.O_WRONLY:
                return originals[name](*arguments)  # a lock or a folder: closing these cannot fail
            made.append(name)
            hit = number is None or len(made) == number
            if hit and before is not None:
                before(name, arguments)
            result = originals[name](*arguments, **named)
            if hit and after is not None:
                after(name, arguments)
            return result

        return call

    for name in names:
        setattr(os, name, wrapped(name))
    try:
        yield made
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def _flags(handle: int) -> int:
    return fcntl.fcntl(handle, fcntl.F_GETFL)


def snapshot(root: str | Path) -> dict[str, bytes | int]:
    """Everything under ``root`` but lockgen's own folder: files as bytes, links by their target, folders as -1, devices
    as -2.
    """
    found: dict[str, bytes | int] = {}
    for here, folders, files in os.walk(root):
        if ".lockgen" in folders:
            folders.remove(".lockgen")
        for name in folders + files:
            path = os.path.join(here, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                found[os.path.relpath(path, root)] = b"-> " + os.readlink(path).encode()
            elif stat.S_ISREG(mode):
                found[os.path.relpath(path, root)] = Path(path).read_bytes()
            else:
                found[os.path.relpath(path, root)] = -1 if stat.S_ISDIR(mode) else -2
    return found


def state(root: str | Path) -> set[str]:
    """The names in lockgen's own folder."""
    folder = Path(root, ".lockgen")
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
