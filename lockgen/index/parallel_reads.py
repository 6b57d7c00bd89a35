"""Many reads from an index at once, with the faults of all of them in one error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lockgen.core.index import IndexFile
from lockgen.errors import FlatIndex, LockgenError, NoResolution, ToolFailed
from lockgen.io.stopping import thread_pool

WORKERS = 16
"""Concurrent requests to one index."""

Answer = TypeVar("Answer")


def read_all(files: Sequence[IndexFile], read: Callable[[IndexFile], Answer]) -> dict[str, Answer]:
    """The results of ``read`` for all files, by file name.

    Raises:
        NoResolution: every failure was one; with one fault for each file that failed.
        ToolFailed: some other read failed; with one fault for each file that failed.
    """
    by_name = {file.name: file for file in files}
    return read_each(by_name, lambda name: read(by_name[name]))


def read_each(names: Iterable[str], read: Callable[[str], Answer]) -> dict[str, Answer]:
    """The results of ``read`` for all names.

    Raises:
        NoResolution: every failure was one; with one fault for each name that failed.
        ToolFailed: some other read failed; with one fault for each name that failed.
    """
    found, failed = try_each(names, read)
    if failed:
        errors = failed.values()
        kind = NoResolution if all(isinstance(error, NoResolution) for error in errors) else ToolFailed
        faults = [fault for error in errors for fault in error.faults]
        # Several files can fail for the same reason, such as their index being down.
        raise kind.of(dict.fromkeys(faults))
    return found


def try_each(names: Iterable[str], read: Callable[[str], Answer]) -> tuple[dict[str, Answer], dict[str, LockgenError]]:
    """The results of ``read`` by name, and the error of each name that failed.

    Raises:
        FlatIndex: the same for all names.
    """
    found: dict[str, Answer] = {}
    failed: dict[str, LockgenError] = {}
    with thread_pool(WORKERS) as pool:
        answers = {name: pool.submit(read, name) for name in names}
        for name, answer in answers.items():
            try:
                found[name] = answer.result()
            except FlatIndex:
                raise
            except LockgenError as error:
                failed[name] = error
    return found, failed
