"""Minimal hitting sets, and the search for every minimal conflict that lives on them.

Reiter's duality ("A theory of diagnosis from first principles", 1987): the minimal sets to let go of are the minimal
hitting sets of the conflicts, and the minimal conflicts those of the sets to let go of. So the search asks only for
what is left when a hitting set of the conflicts known so far is taken away. If that holds, the set is one to let go
of; if not, there is a conflict in it that was not known. When every hitting set has been asked for, both lists are
complete.
"""

from __future__ import annotations

from collections.abc import Iterable

Items = frozenset[int]


def minimal(sets: Iterable[Items]) -> list[Items]:
    """Those of ``sets`` that hold no other one; the smaller first, then by their items."""
    found: list[Items] = []
    for one in sorted(set(sets), key=lambda s: (len(s), sorted(s))):
        if not any(other <= one for other in found):
            found.append(one)
    return found


def hitting_sets(conflicts: Iterable[Items]) -> list[Items]:
    """Every minimal set that shares an item with each of ``conflicts`` (Berge's way: one conflict after the other)."""
    found: list[Items] = [frozenset()]
    for conflict in minimal(conflicts):
        hit = [one for one in found if one & conflict]
        more = [one | {item} for one in found if not one & conflict for item in conflict]
        found = minimal([*hit, *more])
    return found


class Search:
    """The state of a search over items 0 to ``count`` - 1.

    It asks nothing itself: `open` says what to ask, and it is told.
    """

    def __init__(self, count: int) -> None:
        self._all: Items = frozenset(range(count))
        self._conflicts: list[Items] = []
        self._corrections: set[Items] = set()
        self._unknown: set[Items] = set()

    @property
    def corrections(self) -> list[Items]:
        """The minimal sets to let go of that are known."""
        return minimal(self._corrections)

    @property
    def cores(self) -> list[Items]:
        """The conflicts as they were told, without those that hold another."""
        return minimal(self._conflicts)

    def open(self, most: int) -> list[Items]:
        """At most ``most`` sets that may hold and were not asked for, the largest first; none when all is known."""
        known = self._corrections | self._unknown
        return [self._all - hit for hit in hitting_sets(self._conflicts) if hit not in known][:most]

    def holds(self, items: Items) -> None:
        """``items`` hold together."""
        self._corrections.add(self._all - items)

    def fails(self, core: Items) -> None:
        """``core`` does not hold together; the smaller, the fewer questions."""
        self._conflicts.append(core)

    def unknown(self, items: Items) -> None:
        """Nobody can tell whether ``items`` hold together."""
        self._unknown.add(self._all - items)

    @property
    def ended(self) -> bool:
        return not self.open(1)

    @property
    def complete(self) -> bool:
        return self.ended and not self._unknown

    def conflicts(self) -> list[tuple[Items, bool]]:
        """Every minimal conflict, and whether it is proved to be minimal and one of all.

        Where the search ended with an answer for each question they are the hitting sets of what has to be let go of;
        else the cores that were told, proved where each of their items alone is known to be the way out.
        """
        if self.complete:
            return [(items, True) for items in hitting_sets(self._corrections) if items]
        holding = [self._all - correction for correction in self._corrections]
        return [(core, all(any(core - {item} <= held for held in holding) for item in core)) for core in self.cores]
