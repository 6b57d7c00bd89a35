"""Which differences between two variants no pin explains, and how many solves that takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from lockgen.lock.agreement import Names, OtherVersions, unexplained

NAMES = tuple("abcdefgh")
CONFLICTS = st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=4)
"""Packages of which a variant cannot have the other's version all at once."""

EXCLUDED = st.lists(st.sampled_from(NAMES), max_size=3)


class Variant:
    """Fits all packages that contain none of ``conflicts``. Counts the solves."""

    def __init__(self, conflicts: Sequence[set[str]], excluded: Sequence[str] = ()) -> None:
        self.conflicts = [*conflicts, *({name} for name in excluded)]
        self.others = OtherVersions(frozenset(excluded), self.solve)
        self.solves = 0

    def solve(self, names: Names) -> bool:
        self.solves += 1
        return not any(conflict <= set(names) for conflict in self.conflicts)


@given(CONFLICTS, CONFLICTS, EXCLUDED, EXCLUDED)
def test_a_package_is_unexplained_if_neither_variant_can_have_the_other_version(
    one: list[set[str]], two: list[set[str]], out_of_one: list[str], out_of_two: list[str]
) -> None:
    first, second = Variant(one, out_of_one), Variant(two, out_of_two)
    expected = [name for name in NAMES if {name} in first.conflicts and {name} in second.conflicts]
    assert list(unexplained(NAMES, first.others, second.others)) == expected


def test_one_solve_is_enough_if_all_fit_together() -> None:
    first, second = Variant([]), Variant([])
    assert unexplained(NAMES, first.others, second.others) == ()
    assert (first.solves, second.solves) == (1, 0)


def test_two_solves_are_enough_if_the_other_variant_has_the_pin() -> None:
    first, second = Variant([{name} for name in NAMES]), Variant([])
    assert unexplained(NAMES, first.others, second.others) == ()
    assert (first.solves, second.solves) == (1, 1)


def test_what_a_requirement_excludes_takes_no_solve() -> None:
    first, second = Variant([], "bd"), Variant([], "bdf")
    assert unexplained(NAMES, first.others, second.others) == ("b", "d")
    assert (first.solves, second.solves) == (1, 0)


def test_one_misfit_among_many_takes_few_solves() -> None:
    names = [f"package-{number}" for number in range(64)]
    first, second = Variant([{"package-9"}]), Variant([{"package-9"}])
    assert unexplained(names, first.others, second.others) == ("package-9",)
    assert first.solves + second.solves <= 16


def test_packages_that_only_exclude_each_other_are_explained() -> None:
    pairs = [set(pair) for pair in combinations(NAMES, 2)]
    first, second = Variant(pairs), Variant(pairs)
    assert unexplained(NAMES, first.others, second.others) == ()
