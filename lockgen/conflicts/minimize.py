"""Reduction of a set without a solution to a minimal one, with few resolver calls."""

from __future__ import annotations

from collections.abc import Callable

from lockgen.conflicts.hitting_sets import Items

FailureTest = Callable[[Items], bool]
"""Whether items have no solution."""


def shrink(items: Items, fails: FailureTest) -> Items:
    """A minimal subset of ``items`` that fails, with one test per item. ``items`` must fail."""
    kept = items
    for item in sorted(items):
        if fails(kept - {item}):
            kept -= {item}
    return kept


def minimal_subset(items: Items, fails: FailureTest) -> Items:
    """A minimal subset of ``items`` that fails, with about k log n tests (QuickXplain, Junker 2004).

    ``items`` must fail. Unlike `shrink` it suits large sets with a small conflict.
    """

    def within(background: Items, added: bool, rest: list[int]) -> Items:
        # A background that nothing was added to has been tested before.
        if added and fails(background):
            return frozenset()
        if len(rest) == 1:
            return frozenset(rest)
        middle = len(rest) // 2
        left, right = rest[:middle], rest[middle:]
        second = within(background | set(left), bool(left), right)
        first = within(background | second, bool(second), left)
        return first | second

    if not items:
        return frozenset()
    return within(frozenset(), False, sorted(items))
