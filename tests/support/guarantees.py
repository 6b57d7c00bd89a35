"""Independent checks of the guarantees: they compare the written files with a universe and a family."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from support.generated import TORCH, USABLE_TAGS, Family, Universe
from support.index import metadata, wheel
from support.reader import Line, Written

ENVIRONMENT = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}


def lines_of(universe: Universe, name: str, version: str) -> Iterable[str]:
    if name in TORCH:
        return universe.torch[name][version.partition("+")[0]]
    return universe.releases[spelled(name)][version][0]


def spelled(name: str) -> str:
    return {"zeta-core": "zeta.core"}.get(name, name)


def needed(universe: Universe, asks: Iterable[str], versions: Mapping[str, str]) -> set[str]:
    """The packages that ``asks`` need; AssertionError if a version does not match a bound."""
    todo = [Requirement(text) for text in asks]
    seen: set[tuple[str, str]] = set()
    while todo:
        ask = todo.pop()
        name = canonicalize_name(ask.name)
        assert SpecifierSet(str(ask.specifier)).contains(versions[name], prereleases=True), (str(ask), versions[name])
        for extra in ("", *ask.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in lines_of(universe, name, versions[name]):
                need = Requirement(line)
                if need.marker is None:
                    matches = not extra
                else:
                    matches = need.marker.evaluate({**ENVIRONMENT, "extra": extra})
                    matches &= not (extra and need.marker.evaluate({**ENVIRONMENT, "extra": ""}))
                if matches:
                    todo.append(need)
    return {name for name, _ in seen}


def check_closures(universe: Universe, family: Family, written: Written) -> None:
    """Each closure has exactly the needed packages, extras and markers considered."""
    for image, variant in written.tags():
        closure = written.closure(image, variant)
        asks = [*family.common, *(ask for link in family.chain(image) for ask in family.images[link].asks)]
        assert closure.keys() == needed(universe, asks, {name: line.version for name, line in closure.items()})


def check_hashed(universe: Universe, family: Family, written: Written) -> None:
    """Guarantees 1 and 4: the hashes are those of the files on the right index."""
    for image, variant in written.tags():
        for line in written.closure(image, variant).values():
            assert set(line.hashes) == hashes(universe, family.variants[variant][0], line), line


def hashes(universe: Universe, index: str | None, line: Line) -> set[str]:
    if line.name in TORCH:
        version, _, build = line.version.partition("+")
        assert build == index, f"{line} in a variant of {index}"
        files = [("cp311-cp311-linux_x86_64", universe.torch[line.name][version])]
    else:
        needs, tags = universe.releases[spelled(line.name)][line.version]
        files = [(tag, needs) for tag in tags if tag in USABLE_TAGS]
    found = set()
    for tag, needs in files:
        extras = [] if line.name in TORCH else ["more"]
        text = metadata(spelled(line.name), line.version, needs, extras, None)
        found.add(hashlib.sha256(wheel(spelled(line.name), line.version, tag, text)[1]).hexdigest())
    return found


def check_pins(family: Family, written: Written) -> None:
    for image, variant in written.tags():
        pins = {**family.pins, **family.variants[variant][1]}
        closure = written.closure(image, variant)
        held = {canonicalize_name(name): version for name, version in pins.items()}
        assert {n: v for n, v in held.items() if n in closure} == {
            n: line.version for n, line in closure.items() if n in held
        }


def check_one_version(family: Family, written: Written) -> None:
    """Guarantee 2, in a variant, and between variants except for torch and the effects of their own pins."""
    versions: dict[str, dict[str, set[str]]] = {}
    for image, variant in written.tags():
        for name, line in written.closure(image, variant).items():
            versions.setdefault(variant, {}).setdefault(name, set()).add(line.version)
    assert all(len(found) == 1 for table in versions.values() for found in table.values())
    alike = [table for variant, table in versions.items() if variant != "legacy"]
    for name in {name for table in alike for name in table if name not in TORCH}:
        found = set().union(*(table[name] for table in alike if name in table))
        assert len(found) == 1, f"{name} differs where no variant pins it: {found}"
    commons = [path for path in written.tree if path.startswith("docker/requirements-common.")]
    assert len({written.tree[path] for path in commons}) == len(commons), "a separate file only if it differs"


def check_layers(written: Written) -> None:
    """Guarantee 3."""
    for image, variant in written.tags():
        layers = written.layers(image, variant)
        together = [name for layer in layers for name in layer]
        assert len(together) == len(set(together)), f"twice along the chain of {image}:{variant}"
        assert {n: line for layer in layers for n, line in layer.items()} == written.closure(image, variant)


def check_all(universe: Universe, family: Family, tree: Mapping[str, bytes]) -> None:
    written = Written(tree)
    expected = {(name, variant) for name, image in family.images.items() for variant in image.variants}
    assert set(written.tags()) == expected
    check_closures(universe, family, written)
    check_hashed(universe, family, written)
    check_pins(family, written)
    check_one_version(family, written)
    check_layers(written)
