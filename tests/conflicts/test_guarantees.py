"""explain and repair against brute force: random pins on random indexes, with every subset given to a resolver in
memory.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from support.backtracking import Backtracking
from support.budget import examples
from support.families import cpu_family
from support.index import LocalIndex
from support.quiet import Sequential, Silence

from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.constraints import Constraints
from lockgen.conflicts.model import Proposal
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.repair_search import RepairSearch
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Request
from lockgen.errors import NoResolution
from lockgen.manifest.reader import parse_manifest

NAMES = ("ape", "bee", "cat", "dog", "eel")
VERSIONS = ("1.0", "2.0", "3.0")


class Listed:
    """ports.Releases of VERSIONS."""

    def usable(self, name: str, request: Request) -> Sequence[str]:
        return VERSIONS


def universe(chance: random.Random) -> LocalIndex:
    index = LocalIndex()
    for name in NAMES:
        for version in VERSIONS:
            others = chance.sample([other for other in NAMES if other != name], chance.choice((0, 1, 1, 2)))
            index.add(
                name, version, [f"{o}{chance.choice(('>=', '<=', '=='))}{chance.choice(VERSIONS)}" for o in others]
            )
    return index


def family(chance: random.Random) -> Manifest:
    """Pins for some packages, bounds on others; at most one pin is held."""
    pins = {name: chance.choice(VERSIONS) for name in chance.sample(NAMES, 3)}
    held = chance.choice((*pins, None))
    lines = [
        f'{name} = {{ version = "{version}", held = true }}' if name == held else f'{name} = "{version}"'
        for name, version in pins.items()
    ]
    asks = [f'"{n}{chance.choice(("", "", ">=2.0", "<3.0"))}"' for n in chance.sample(NAMES, 4)]
    tables = f"[pins]\n{chr(10).join(lines)}\n[bases.base]\npackages = [{', '.join(asks)}]\n"
    return parse_manifest(cpu_family("f", tables).encode())


def holds(resolver: Backtracking, request: Request) -> bool:
    try:
        resolver.solve(request)
    except NoResolution:
        return False
    return True


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(st.integers(0, 10**9))
def test_explain_finds_every_minimal_conflict_and_repair_the_fewest_changes(seed: int) -> None:
    chance = random.Random(seed)
    index, manifest = universe(chance), family(chance)
    resolver = Backtracking(index)
    elements = Constraints(manifest, ["cpu"], {})
    failing = [
        set(some)
        for size in range(len(elements.all) + 1)
        for some in combinations(elements.all, size)
        if not holds(resolver, elements.request(some))
    ]
    least = [some for some in failing if not any(other < some for other in failing)]

    explainer = ConflictSearch(Oracle(resolver, resolver), manifest, {}, Sequential(), Silence())
    found = explainer.diagnose(["cpu"])
    assert found.complete
    assert sorted(map(sorted, least)) == sorted(sorted(conflict.constraints) for conflict in found.conflicts)
    assert all(conflict.proved_minimal for conflict in found.conflicts)

    movable = [element for element in elements.all if not element.held and element.kind != "ask"]
    whole = [
        size
        for size in range(len(movable) + 1)
        for some in combinations(movable, size)
        if holds(resolver, elements.request(set(elements.all) - set(some), whole=True))
    ]
    repairs = RepairSearch(explainer, Listed(), {}, ["cpu"]).run()
    if not least or not whole:
        assert repairs.proposals == ()
    else:
        first = repairs.proposals[0]
        assert len(first.moves) <= min(whole)
        moved = {move.constraint for move in first.moves}
        assert not any(element.held for element in moved)
        kept = elements.request(set(elements.all) - moved, whole=True)
        exact = [f"{move.constraint.name}=={move.to}" for move in first.moves if move.to is not None]
        assert holds(resolver, _with(kept, exact))
        assert nearer(resolver, kept, first) == []


def nearer(resolver: Backtracking, kept: Request, proposal: Proposal) -> list[str]:
    """Nearer versions that would have resolved, one package after the other in the order of the search."""
    found: list[str] = []
    bounds: list[str] = []
    for move in sorted(proposal.moves, key=lambda move: move.constraint.name):
        if move.to is None or move.constraint.version is None:
            continue
        home, far = VERSIONS.index(move.constraint.version), VERSIONS.index(move.to)
        near = [version for n, version in enumerate(VERSIONS) if abs(n - home) < abs(far - home)]
        tried = [f"{move.constraint.name}=={version}" for version in near]
        found += [text for text in tried if holds(resolver, _with(kept, [*bounds, text]))]
        bounds.append(f"{move.constraint.name}=={move.to}")
    return found


def _with(request: Request, constraints: list[str]) -> Request:
    from dataclasses import replace

    return replace(
        request, constraints=tuple(sorted({*request.constraints, *(str(Requirement(c)) for c in constraints)}))
    )
