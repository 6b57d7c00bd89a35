"""Which of the packages that two variants have in different versions differ for no pin (guarantee 2).

Without their own pins, the variants could have the same version of a package: then a pin is the cause of the
difference. Each such question is a solve, which takes pip-compile several seconds. So one solve is for many packages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

Names = tuple[str, ...]


class OtherVersions(NamedTuple):
    """The versions of the other variant, as seen by one variant without its own pins.

    A requirement of its images excludes those of ``excluded``. ``solve`` returns whether the variant can have all
    these packages in the other's versions.
    """

    excluded: frozenset[str]
    solve: Callable[[Names], bool]

    def fit(self, names: Names) -> bool:
        """Whether the variant can have all of ``names`` at once."""
        return self.excluded.isdisjoint(names) and self.solve(names)

    def misfits(self, names: Names) -> Names:
        """Those of ``names`` that the variant cannot have, each alone."""
        admitted = tuple(name for name in names if name not in self.excluded)
        found = set(names) - set(admitted)
        if admitted and not self.solve(admitted):
            found.update(self._halved(admitted))
        return tuple(name for name in names if name in found)

    def _halved(self, names: Names) -> list[str]:
        """The misfits among ``names``, which do not fit together."""
        if len(names) == 1:
            return list(names)
        middle = len(names) // 2
        found = []
        for half in (names[:middle], names[middle:]):
            # What fits together also fits alone. But what does not fit together may still fit alone: a pin of one
            # package may decide the version of another.
            if not self.solve(half):
                found += self._halved(half)
        return found


def unexplained(names: Sequence[str], first: OtherVersions, second: OtherVersions) -> Names:
    """Those of ``names`` for which neither variant can have the other's version."""
    differing = tuple(names)
    # Most differences have a cause, and then one or two solves show that.
    if not differing or first.fit(differing) or second.fit(differing):
        return ()
    return second.misfits(first.misfits(differing))
