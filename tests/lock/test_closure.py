"""Closures over any graph: extras, circles, diamonds; compared with the plainest walk there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.core.lock import Dependency, File, Package
from lockgen.errors import NoResolution
from lockgen.lock.closure import Graph, closure

NAMES = ("a", "b", "c", "d", "e", "f")
needs = st.lists(
    st.builds(Dependency, st.sampled_from(NAMES), st.sampled_from([(), (), ("x",), ("x", "y")])), max_size=3
).map(tuple)


def package(name: str, requires: tuple[Dependency, ...], extras: dict[str, tuple[Dependency, ...]]) -> Package:
    return Package(name, "1", None, ("v",), (File(f"{name}-1-py3-none-any.whl", "0" * 64),), requires, extras)


graphs = st.fixed_dictionaries(
    {name: st.builds(package, st.just(name), needs, st.fixed_dictionaries({"x": needs, "y": needs})) for name in NAMES}
)


def plainly(packages: dict[str, Package], asks: tuple[Dependency, ...]) -> set[str]:
    """Every need of every package and extra seen, over and over until nothing is new."""
    seen = {(ask.name, extra) for ask in asks for extra in ("", *ask.extras)}
    while True:
        more = set(seen)
        for name, extra in seen:
            held = packages[name].extras.get(extra, ()) if extra else packages[name].requires
            more |= {(need.name, e) for need in held for e in ("", *need.extras)}
        if more == seen:
            return {name for name, _ in seen}
        seen = more


@given(graphs, st.lists(needs, min_size=1, max_size=4))
def test_closures_are_what_a_plain_walk_finds_in_any_order(
    packages: dict[str, Package], questions: list[tuple[Dependency, ...]]
) -> None:
    graph = Graph(packages)  # one graph for all: what it remembers must not leak into the next answer
    for asks in questions:
        assert graph.closure(asks) == plainly(packages, asks)


def test_a_package_that_is_not_there() -> None:
    packages = {"a": package("a", (Dependency("gone"),), {})}
    with pytest.raises(NoResolution, match="the solution lacks gone") as raised:
        closure(packages, [Dependency("a")])
    assert raised.value.faults[0].hint == "required by a"
