"""The guarantees as properties of generated families, verified by an independent auditor."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from support import guarantees
from support.budget import examples
from support.generated import NAMES, TORCH, VERSIONS, Family, Image, Universe, families, resolve, universes
from support.reader import Written

from lockgen.errors import NoResolution

Drawn = tuple[Universe, Family]
drawn: st.SearchStrategy[Drawn] = universes().flatmap(lambda u: st.tuples(st.just(u), families(u)))
many = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def resolved(universe: Universe, text: str, old: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The generated files. Examples without a solution are discarded."""
    try:
        return resolve(universe, text, old)
    except NoResolution:
        event("no solution")
        assume(False)
        raise


@pytest.mark.slow
@many
@given(drawn)
def test_every_guarantee_holds(drawn: Drawn) -> None:
    universe, family = drawn
    tree = resolved(universe, family.toml())
    event(f"{len(family.variants)} variants")
    guarantees.check_all(universe, family, tree)


@pytest.mark.slow
@many
@given(drawn, st.integers(1, 1000))
def test_order_spelling_and_comments_do_not_matter(drawn: Drawn, shuffle: int) -> None:
    universe, family = drawn
    tree = resolved(universe, family.toml())
    assert resolve(universe, family.toml(shuffle)) == tree


@pytest.mark.slow
@many
@given(drawn)
def test_a_second_resolve_changes_nothing_after_new_releases(drawn: Drawn) -> None:
    universe, family = drawn
    tree = resolved(universe, family.toml())
    assert resolve(universe, family.toml(), tree) == tree
    releases = {name: {**versions, "3.0": ((), ("py3-none-any",))} for name, versions in universe.releases.items()}
    assert resolve(Universe(releases, universe.torch), family.toml(), tree) == tree


def test_a_pin_of_one_variant_does_not_affect_another_variant() -> None:
    """Found by the property above: every other variant preferred the legacy pin, until its next lock."""
    one, two = (("gamma",), ("py3-none-any",)), ((), ("py3-none-any",))
    releases = {name: {"1.0": two} for name in NAMES} | {"beta-lib": {"1.0": one, "2.0": two}}
    universe = Universe(releases, {"torch": {"2.4": ()}, "torchaudio": {"2.4": ("torch==2.4",)}})
    base = {"root": Image(None, ("cuda", "legacy"), ())}
    family = Family(
        {"cuda": ("cu121", {"torch": "2.4+cu121"}), "legacy": (None, {"beta-lib": "1.0"})}, {}, ("beta-lib",), base
    )
    tree = resolve(universe, family.toml())
    written = Written(tree)
    assert {n: line.version for n, line in written.closure("root", "cuda").items()} == {"beta-lib": "2.0"}
    assert {n: line.version for n, line in written.closure("root", "legacy").items()} == {
        "beta-lib": "1.0",
        "gamma": "1.0",
    }
    later = Universe({**releases, "gamma": {"1.0": two, "3.0": two}}, universe.torch)
    assert resolve(later, family.toml(), tree) == tree


def related(universe: Universe, name: str) -> set[str]:
    """Every package that ``name`` could affect: its component of the undirected graph of all requirements."""
    edges: dict[str, set[str]] = {}
    everything = [(n, lines) for n, versions in universe.releases.items() for lines, _ in versions.values()]
    everything += [(n, lines) for n, versions in universe.torch.items() for lines in versions.values()]
    for asker, lines in everything:
        for line in lines:
            need = next(n for n in (*NAMES, *TORCH) if line.startswith(n) and line[len(n) :][:1] not in {"-", "a"})
            edges.setdefault(asker, set()).add(need)
            edges.setdefault(need, set()).add(asker)
    found, todo = {name}, [name]
    while todo:
        fresh = edges.get(todo.pop(), set()) - found
        found |= fresh
        todo += fresh
    return {canonicalize_name(one) for one in found}


@pytest.mark.slow
@many
@given(drawn, st.sampled_from(NAMES), st.sampled_from(VERSIONS))
def test_a_changed_pin_changes_no_unrelated_package(drawn: Drawn, name: str, version: str) -> None:
    universe, family = drawn
    assume(version in universe.releases[name])
    before = resolved(universe, family.toml())
    changed = family.with_pin(name, version)
    after = resolved(universe, changed.toml(), before)
    guarantees.check_all(universe, changed, after)
    touched = related(universe, name)
    event(f"{len(touched)} related")
    old, new = Written(before), Written(after)
    for image, variant in new.tags():
        then, now = old.closure(image, variant), new.closure(image, variant)
        assert {n: line for n, line in then.items() if n not in touched} == {
            n: line for n, line in now.items() if n not in touched
        }


def test_the_auditor_finds_broken_guarantees() -> None:
    """An auditor that accepts everything would prove nothing."""
    releases = {name: {"1.0": ((), ("py3-none-any",))} for name in NAMES}
    universe = Universe(releases, {name: {"2.5": ()} for name in TORCH})
    root = Image(None, ("cpu",), ("gamma",))
    family = Family({"cpu": ("cpu", {"torch": "2.5+cpu"})}, {}, ("alpha",), {"root": root})
    good = resolve(universe, family.toml())
    guarantees.check_all(universe, family, good)
    layer, whole = "docker/root/requirements-root.txt", "locks/cpu/root.txt"
    wrong = [
        {layer: b""},
        {layer: good["docker/requirements-common.txt"]},
        {whole: good[whole].replace(b"gamma==1.0", b"gamma==2.0")},
        {whole: good[whole] + good[whole].splitlines(keepends=True)[-1].replace(b"sha256:", b"sha256:0")},
        {whole: good[whole].replace(b"gamma", b"delta"), layer: good[layer].replace(b"gamma", b"delta")},
    ]
    for change in wrong:
        with pytest.raises((AssertionError, KeyError)):
            guarantees.check_all(universe, family, {**good, **change})
