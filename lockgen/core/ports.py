"""Ports to the project folder, caches, progress output and threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workspace(Protocol):
    """The project's folder. Paths are relative, with forward slashes."""

    def read(self, path: str) -> bytes | None: ...

    def replace(self, tree: Mapping[str, bytes | None]) -> list[str]:
        """Write (bytes) or remove (None) all of ``tree`` or nothing; return the changed paths."""
        ...


class Cache(Protocol):
    """Answers of earlier runs, by key. An unreadable entry counts as missing."""

    def recall(self, key: str) -> str | None: ...

    def keep(self, key: str, text: str) -> None: ...


class Progress(Protocol):
    """Receives the messages of long operations: a ``step`` may be overwritten, a ``note`` stays."""

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class Parallel(Protocol):
    """Runs work on several items at the same time. ``workers`` is the limit."""

    workers: int

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        """The results in the order of ``items``; raises the first error of ``work``.

        ``long``: each item makes many resolver calls in sequence. Then one more item is started at the same time,
        because a last item that runs alone would leave all other cores idle.
        """
        ...
