"""Closures of random graphs with extras, cycles and diamonds, compared with a naive search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.core.lock import Dependency, File, Package
from lockgen.errors import NoResolution
from lockgen.lock.closure import Graph, closure, nodes

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


def test_a_missing_package_names_all_that_require_it() -> None:
    packages = {
        "b": package("b", (Dependency("gone"),), {}),
        "a": package("a", (Dependency("b"),), {"x": (Dependency("other"), Dependency("gone"))}),
        "c": package("c", (Dependency("a"),), {}),
    }
    with pytest.raises(NoResolution) as raised:
        closure(packages, [Dependency("c")])
    assert raised.value.faults[0].hint == "required by a, b"


def test_a_missing_package_of_an_image() -> None:
    with pytest.raises(NoResolution, match="the solution lacks gone") as raised:
        closure({}, [Dependency("gone")])
    assert raised.value.faults[0].hint == "required by an image"


def test_nodes_are_each_package_and_each_requested_extra() -> None:
    requirements = [Dependency("a", ("x", "y")), Dependency("b")]
    assert nodes(requirements) == [("a", ""), ("a", "x"), ("a", "y"), ("b", "")]


def test_the_requirements_of_a_node() -> None:
    graph = Graph({"a": package("a", (Dependency("b"),), {"x": (Dependency("c"),)})})
    assert graph.requirements(("a", "")) == (Dependency("b"),)
    assert graph.requirements(("a", "x")) == (Dependency("c"),)
    assert graph.requirements(("a", "unknown")) == ()


def test_a_cycle_that_is_entered_at_each_of_its_packages() -> None:
    names = ("a", "b", "c")
    packages = {
        name: package(name, (Dependency(after), Dependency(f"own-{name}")), {})
        for name, after in zip(names, ("b", "c", "a"), strict=True)
    }
    packages |= {f"own-{name}": package(f"own-{name}", (), {}) for name in names}
    graph = Graph(packages)
    for name in names:
        assert graph.closure([Dependency(name)]) == packages.keys()


def test_a_chain_that_is_deeper_than_the_stack() -> None:
    packages = {f"p{n}": package(f"p{n}", (Dependency(f"p{n + 1}"),), {}) for n in range(5000)}
    packages["p5000"] = package("p5000", (), {})
    assert closure(packages, [Dependency("p0")]) == packages.keys()
