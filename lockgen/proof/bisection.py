"""The newest of several versions that passes a test, with few tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Tested = TypeVar("Tested")


def newest_passing(versions: Sequence[Tested], passes: Callable[[Tested], bool]) -> Tested | None:
    """The last of ``versions`` that passes; None if none does. ``versions`` are in order, the oldest first.

    It is assumed that after the first version that fails, all fail: then n versions need about log2(n) tests. Where
    that is wrong, the result is not the newest one, but it was tested and it passes.
    """
    found: Tested | None = None
    low, high = 0, len(versions)
    while low < high:
        middle = (low + high) // 2
        if passes(versions[middle]):
            found = versions[middle]
            low = middle + 1
        else:
            high = middle
    return found
