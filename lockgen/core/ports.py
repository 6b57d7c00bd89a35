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
        """Writes (bytes) or removes (None) all of it or nothing; returns the paths that changed."""
        ...


class Cache(Protocol):
    """Answers of earlier runs, by key. What cannot be read is as if it were not there."""

    def recall(self, key: str) -> str | None: ...

    def keep(self, key: str, text: str) -> None: ...


class Progress(Protocol):
    """Where long work says what it is doing."""

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class Parallel(Protocol):
    """Work on several things at once. ``workers`` is how many."""

    workers: int

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        """The results in the order of ``items``; raises what ``work`` raised first.

        ``long`` is work that asks one question after the other: one more is begun then, as a last one that is left
        alone would leave all other cores idle.
        """
        ...
