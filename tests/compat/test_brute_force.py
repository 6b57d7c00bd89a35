"""The matrix compared with a brute-force search: the status of every cell, and the number of pins to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.backtracking import Backtracking
from support.budget import examples
from support.families import cpu_family
from support.generated import NAMES, Universe, universes
from support.index import LocalIndex
from support.quiet import Sequential, Silence

from lockgen.compat.cells import Scenario, axes_of, cells_of, groups_of, scenario_of
from lockgen.compat.matrix_search import MatrixSearch
from lockgen.compat.model import CellOutcome, CellStatus
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Request
from lockgen.errors import NoResolution
from lockgen.manifest.reader import parse_manifest


class MemoryCache:
    """A cache for one run."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def recall(self, key: str) -> str | None:
        return self.texts.get(key)

    def keep(self, key: str, text: str) -> None:
        self.texts[key] = text


def solved(universe: Universe, manifest: Manifest) -> tuple[list[Scenario], list[CellOutcome]]:
    assert manifest.compat is not None
    fake = Backtracking(universe.index())
    indexes = {name: universe.explicit(name) for name in manifest.indexes}
    groups = groups_of(manifest, manifest.compat.variants)
    scenarios: list[Scenario] = []
    for cell in cells_of(manifest.compat, axes_of(manifest.compat, {})):
        matching = [group for group in groups if group.variant == cell.at["variant"]]
        scenarios += [scenario_of(manifest, cell, group, {}, indexes) for group in matching]
    matrix = MatrixSearch(fake, fake, indexes, MemoryCache(), Sequential(), Silence(), {})
    outcomes = matrix.outcomes(scenarios)
    assert None not in outcomes
    return scenarios, [outcome for outcome in outcomes if outcome is not None]


def resolves(index: LocalIndex, one: Scenario, dropped: frozenset[str]) -> bool:
    """Whether the images of ``one`` resolve without the pins ``dropped``, from the manifest alone."""
    manifest = one.manifest
    requirements = {requirement.text for requirement in manifest.common}
    for image in manifest.images.values():
        requirements |= {requirement.text for requirement in image.packages}
    pins = manifest.pins_of(one.variant)
    constraints = [f"{name}=={pins[name].version}" for name in sorted(pins.keys() - dropped)]
    request = Request(
        family="brute",
        target=manifest.target,
        requirements=tuple(sorted(requirements)),
        constraints=tuple(constraints),
        routes={},
        indexes={},
        preferences={},
        build=frozenset(),
        exclude_newer=None,
    )
    try:
        Backtracking(index).solve(request)
    except NoResolution:
        return False
    return True


def fewest(index: LocalIndex, one: Scenario) -> int | None:
    """How many free pins have to be dropped; None if dropping all of them is not enough."""
    free = sorted(name for name, pin in one.manifest.pins_of(one.variant).items() if not pin.held)
    for count in range(len(free) + 1):
        if any(resolves(index, one, frozenset(some)) for some in combinations(free, count)):
            return count
    return None


@st.composite
def families(draw: st.DrawFn, universe: Universe) -> str:
    """Two roots and a stage on each. Most packages are pinned to random versions, so that many pins conflict."""
    pinned = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=6, unique=True))
    pins = {name: draw(st.sampled_from(sorted(universe.releases[name]))) for name in pinned}
    axis = pinned[0]
    versions = sorted(universe.releases[axis])
    values = draw(st.lists(st.sampled_from(versions), min_size=1, unique=True))
    root, ml, stage = [draw(packages()) for _ in range(3)]
    held = draw(st.lists(st.sampled_from(pinned[1:]), max_size=1))
    lines = [f'"{name}" = "{version}"' for name, version in pins.items()]
    return "\n".join(
        [
            '[family]\nname = "drawn"\npython = "3.11"',
            '[variants.cpu]\nfrom = "python:3.11-slim"',
            "[pins]",
            *lines,
            f"[bases.root]\npackages = {root}",
            f'[bases.ml]\nfrom = "root"\npackages = {ml}',
            f'[stages.one]\nfrom = "ml"\npackages = {stage}',
            '[stages.two]\nfrom = "root"',
            f'[compat]\n"{axis}" = {values!r}\nheld = {held!r}\n',
        ]
    )


def packages() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


def status_of(count: int | None) -> CellStatus:
    if count is None:
        return CellStatus.NO
    return CellStatus.CHANGES if count else CellStatus.YES


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(st.data())
def test_every_cell_equals_brute_force(data: st.DataObject) -> None:
    universe = data.draw(universes())
    manifest = parse_manifest(data.draw(families(universe)).encode())
    scenarios, outcomes = solved(universe, manifest)
    assert outcomes
    index = universe.index()
    for one, outcome in zip(scenarios, outcomes, strict=True):
        expected = fewest(index, one)
        event(f"{outcome.status}, {expected} to change")
        assert outcome.status is status_of(expected), outcome
        assert len(outcome.changes) == (expected or 0)
        assert bool(outcome.reason) == (outcome.status is not CellStatus.YES)
        if outcome.status is CellStatus.CHANGES:
            held = {name for name, pin in one.manifest.pins_of(one.variant).items() if pin.held}
            assert not held & outcome.changes.keys()
            assert resolves(index, one, frozenset(outcome.changes))
            for name, (old, new) in outcome.changes.items():
                assert (str(one.manifest.pins_of(one.variant)[name].version), outcome.versions[name]) == (old, new)


def known_conflicts() -> Iterator[tuple[str, Mapping[str, tuple[str, ...]], dict[str, str], CellStatus, set[str]]]:
    """Name, releases with their requirements, pins, status of the cell, pins to change."""
    yield "agree", {"a 1": (), "b 1": ("a>=1",)}, {"a": "1", "b": "1"}, CellStatus.YES, set()
    yield (
        "the free pin changes",
        {"a 1": (), "b 1": (), "b 2": ("a>=2",)},
        {"a": "1", "b": "2"},
        CellStatus.CHANGES,
        {"b"},
    )
    yield (
        "no version is compatible",
        {"a 1": (), "b 1": ("a>=2",), "b 2": ("a>=2",)},
        {"a": "1", "b": "2"},
        CellStatus.NO,
        set(),
    )
    chain = {"a 1": (), "b 2": ("a>=2",), "b 1": ("c<2",), "c 2": (), "c 1": ()}
    yield "one change requires another", chain, {"a": "1", "b": "2", "c": "2"}, CellStatus.CHANGES, {"b", "c"}


@pytest.mark.parametrize("case", list(known_conflicts()), ids=lambda case: case[0])
def test_a_known_conflict(
    case: tuple[str, Mapping[str, tuple[str, ...]], dict[str, str], CellStatus, set[str]],
) -> None:
    _, releases, pins, status, moved = case
    found: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for key, asked in releases.items():
        name, version = key.split()
        found.setdefault(name, {})[version] = (asked, ("py3-none-any",))
    universe = Universe(found, {"torch": {}, "torchaudio": {}})
    lines = "\n".join(f'{name} = "{version}"' for name, version in pins.items())
    text = cpu_family("x", f'[pins]\n{lines}\n[bases.base]\npackages = {list(pins)!r}\n[compat]\na = ["1"]\n')
    _, (outcome,) = solved(universe, parse_manifest(text.encode()))
    assert (outcome.status, set(outcome.changes)) == (status, moved)
