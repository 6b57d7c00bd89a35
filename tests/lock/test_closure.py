"""Closures of random graphs with extras, cycles and diamonds, compared with a naive search."""

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


def naive_closure(packages: dict[str, Package], requirements: tuple[Dependency, ...]) -> set[str]:
    """Add the requirements of every package and extra seen, until nothing is new."""
    seen = {(requirement.name, extra) for requirement in requirements for extra in ("", *requirement.extras)}
    while True:
        more = set(seen)
        for name, extra in seen:
            held = packages[name].extras.get(extra, ()) if extra else packages[name].requires
            more |= {(need.name, e) for need in held for e in ("", *need.extras)}
        if more == seen:
            return {name for name, _ in seen}
        seen = more


@given(graphs, st.lists(needs, min_size=1, max_size=4))
def test_closures_equal_those_of_a_naive_search_in_any_order(
    packages: dict[str, Package], requests: list[tuple[Dependency, ...]]
) -> None:
    # One graph for all: its cache must not change later answers.
    graph = Graph(packages)
    for requirements in requests:
        assert graph.closure(requirements) == naive_closure(packages, requirements)


def test_a_missing_package_is_an_error() -> None:
    packages = {"a": package("a", (Dependency("gone"),), {})}
    with pytest.raises(NoResolution, match="the solution lacks gone") as raised:
        closure(packages, [Dependency("a")])
    assert raised.value.faults[0].hint == "required by a"
