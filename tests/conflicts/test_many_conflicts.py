"""A search among several separate conflicts ends soon after it has found them."""

from __future__ import annotations

from support.backtracking import Backtracking
from support.families import cpu_family
from support.index import LocalIndex
from support.quiet import Sequential, Silence

from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.hitting_sets import Search, hitting_sets
from lockgen.conflicts.oracle import Oracle
from lockgen.core.manifest import Manifest
from lockgen.manifest.reader import parse_manifest

CONFLICTS, SIZE, OTHERS = 4, 3, 30
PATIENCE = 20


def universe() -> LocalIndex:
    """Each package of a group excludes one version of `shared`, and together they exclude all."""
    index = LocalIndex()
    for group in range(CONFLICTS):
        for number in range(SIZE):
            index.add(f"shared{group}", f"{number}.0")
            index.add(f"part{group}{number}", "1.0", [f"shared{group}!={number}.0"])
            index.add(f"part{group}{number}", "2.0", [f"shared{group}"])
    for number in range(OTHERS):
        index.add(f"other{number}", "1.0")
    return index


def family() -> Manifest:
    parts = [f"part{group}{number}" for group in range(CONFLICTS) for number in range(SIZE)]
    names = parts + [f"other{number}" for number in range(OTHERS)]
    pins = "\n".join(f'{name} = "1.0"' for name in names)
    packages = ", ".join(f'"{name}"' for name in names)
    text = cpu_family("f", f"[pins]\n{pins}\n[bases.base]\npackages = [{packages}]\n")
    return parse_manifest(text.encode())


def test_the_search_ends_when_it_finds_no_further_conflict() -> None:
    resolver = Backtracking(universe())
    oracle = Oracle(resolver, resolver)
    search = ConflictSearch(oracle, family(), {}, Sequential(), Silence(), patience=PATIENCE)
    found = search.diagnose(["cpu"])
    assert len(found.conflicts) == CONFLICTS
    assert not found.complete
    # A complete search makes thousands: one for each way to drop an item of every conflict.
    assert oracle.asked < PATIENCE + 100, oracle.asked


def test_few_hitting_sets_of_many_conflicts() -> None:
    """All of them would be ten to the power of twelve."""
    conflicts = [frozenset(range(10 * number, 10 * number + 10)) for number in range(12)]
    some = hitting_sets(conflicts, 50)
    assert len(some) == 50
    assert all(items & conflict for items in some for conflict in conflicts)
    search = Search(120, 50)
    for conflict in conflicts:
        search.add_conflict(conflict)
    for items in search.untested(50):
        search.add_satisfiable(items)
    assert not search.ended
    assert not search.complete
