"""The search finds every minimal conflict that brute force finds, whatever conflicts it is given."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from lockgen.conflicts.hitting_sets import Items, Search, hitting_sets, minimal

COUNT = 6


def subsets(items: Items) -> list[Items]:
    return [
        frozenset(part) for part in chain.from_iterable(combinations(sorted(items), n) for n in range(len(items) + 1))
    ]


SETS = st.lists(st.frozensets(st.integers(0, COUNT - 1), min_size=1, max_size=4), max_size=6)


@given(SETS)
def test_hitting_sets_equal_those_of_brute_force(sets: list[Items]) -> None:
    every = [one for one in subsets(frozenset(range(COUNT))) if all(one & other for other in sets)]
    assert hitting_sets(sets) == minimal(every)


@given(SETS, st.data())
def test_every_minimal_conflict_is_found(planted: list[Items], data: st.DataObject) -> None:
    """Sets that contain one of ``planted`` fail; the conflicts that the search is given need not be minimal."""
    search = Search(COUNT)
    asked = 0
    while batch := search.untested(2):
        for items in batch:
            asked += 1
            broken = [conflict for conflict in planted if conflict <= items]
            if not broken:
                search.add_satisfiable(items)
                continue
            core = data.draw(st.sampled_from(broken))
            more = data.draw(st.frozensets(st.sampled_from(sorted(items)), max_size=2))
            search.add_conflict(core | more)
    assert search.complete
    assert asked < 200
    assert search.conflicts() == [(one, True) for one in minimal(planted)]
    assert search.corrections == hitting_sets(planted)


def test_a_search_with_a_missing_answer_is_not_complete() -> None:
    search = Search(3)
    search.add_conflict(frozenset({0, 1}))
    first, second = search.untested(9)
    search.add_satisfiable(first)
    search.add_unknown(second)
    assert search.ended
    assert not search.complete
    assert search.conflicts() == [(frozenset({0, 1}), False)]


def test_an_interrupted_search_proves_conflicts_where_possible() -> None:
    search = Search(3)
    search.add_conflict(frozenset({0, 1}))
    for items in search.untested(9):
        search.add_satisfiable(items)
    assert search.conflicts() == [(frozenset({0, 1}), True)]
