"""Minimal hitting sets, and the search for all minimal conflicts that is built on them.

The search uses Reiter's duality ("A theory of diagnosis from first principles", 1987). A correction is a set of items
to drop so that the others are satisfiable. The minimal corrections are the minimal hitting sets of the conflicts, and
the minimal conflicts are the minimal hitting sets of the corrections.

So the search only tests what is left after a hitting set of the known conflicts is dropped. If that is satisfiable, the
hitting set is a correction. If not, what is left contains an unknown conflict. When every hitting set has been tested,
both lists are complete.
"""

from __future__ import annotations

from collections.abc import Iterable

Items = frozenset[int]


def minimal(sets: Iterable[Items]) -> list[Items]:
    """The sets that contain no other one of ``sets``, ordered by size and then by their items."""
    found: list[Items] = []
    # By size, so that every subset of a set has been seen before the set itself.
    for candidate in sorted(set(sets), key=_by_size):
        if not any(known <= candidate for known in found):
            found.append(candidate)
    return found


def _by_size(items: Items) -> tuple[int, list[int]]:
    return len(items), sorted(items)


def hitting_sets(conflicts: Iterable[Items], most: int | None = None) -> list[Items]:
    """Every minimal set that shares an item with each of ``conflicts`` (Berge's algorithm).

    With ``most``, only so many of them: there are as many as the product of the sizes of separate conflicts.
    """
    found: list[Items] = [frozenset()]
    for conflict in minimal(conflicts):
        extended: list[Items] = []
        for candidate in found:
            if candidate & conflict:
                extended.append(candidate)
            else:
                extended += [candidate | {item} for item in conflict]
        # Without this reduction after each conflict the list would grow exponentially.
        found = _spread(minimal(extended), most)
    return found


def _spread(sets: list[Items], most: int | None) -> list[Items]:
    """At most ``most`` of ``sets``, from everywhere in the list: neighbours differ in one item only."""
    if most is None or len(sets) <= most:
        return sets
    return [sets[number * len(sets) // most] for number in range(most)]


class Search:
    """State of a search over the items 0 to ``count`` - 1.

    The search calls no resolver: `untested` returns the sets to test, and the caller records each result.
    With ``most`` hitting sets at a time, a search among many conflicts need not end, but each step is quick.
    """

    def __init__(self, count: int, most: int | None = None) -> None:
        self._most = most
        self._all: Items = frozenset(range(count))
        self._conflicts: list[Items] = []
        self._corrections: set[Items] = set()
        self._unknown: set[Items] = set()

    @property
    def corrections(self) -> list[Items]:
        """The known minimal corrections."""
        return minimal(self._corrections)

    @property
    def cores(self) -> list[Items]:
        """The recorded conflicts, without those that contain another one."""
        return minimal(self._conflicts)

    def untested(self, most: int) -> list[Items]:
        """At most ``most`` sets to test, the largest first; none if the search has ended."""
        known = self._corrections | self._unknown
        dropped = [items for items in hitting_sets(self._conflicts, self._most) if items not in known]
        if self._most is not None:
            dropped = _spread(dropped, most)
        return [self._all - items for items in dropped[:most]]

    def add_satisfiable(self, items: Items) -> None:
        """Record that ``items`` have a solution."""
        self._corrections.add(self._all - items)

    def add_conflict(self, core: Items) -> None:
        """Record that ``core`` has no solution. The smaller it is, the fewer tests follow."""
        self._conflicts.append(core)

    def add_unknown(self, items: Items) -> None:
        """Record that it is unknown whether ``items`` have a solution."""
        self._unknown.add(self._all - items)

    @property
    def ended(self) -> bool:
        """Whether every hitting set of the known conflicts has been tested."""
        if self._most is not None and len(hitting_sets(self._conflicts, self._most)) >= self._most:
            return False  # there may be more of them
        return not self.untested(1)

    @property
    def complete(self) -> bool:
        """Whether the search has ended with an answer to every test."""
        return self.ended and not self._unknown

    def conflicts(self) -> list[tuple[Items, bool]]:
        """The conflicts, each with whether it is proved to be minimal.

        A complete search has all of them: the hitting sets of the corrections. Otherwise these are the recorded
        conflicts, and one is proved if it is known to have a solution without any one of its items.
        """
        if self.complete:
            # Without any conflict, the only hitting set is the empty one.
            return [(items, True) for items in hitting_sets(self._corrections) if items]
        return [(core, self._is_minimal(core)) for core in self.cores]

    def _is_minimal(self, core: Items) -> bool:
        satisfiable = [self._all - correction for correction in self._corrections]
        for item in core:
            rest = core - {item}
            # Every subset of a satisfiable set is satisfiable.
            if not any(rest <= items for items in satisfiable):
                return False
        return True
