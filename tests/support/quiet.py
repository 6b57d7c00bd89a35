"""Ports without effects: no output, no threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Silence:
    """ports.Progress without output."""

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class Sequential:
    """ports.Parallel without threads."""

    workers = 1

    def each(self, work: Callable[[Item], Result], items: Sequence[Item], *, long: bool = False) -> list[Result]:
        return [work(item) for item in items]
