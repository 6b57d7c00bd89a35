"""Explain why no upgrade resolves: the requirements that no offered release meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lockgen.core.lock import Dependency, Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_specifiers

_LONGEST = 300
"""The most characters of a resolver's reason."""


class _Bound(NamedTuple):
    """A bound on a package, and the requirement that sets it, for people."""

    text: str
    specifier: SpecifierSet


def blocking_requirements(
    name: str, offered: Sequence[Version], lock: Lock, manifest: Manifest, variants: Sequence[str]
) -> list[str]:
    """The requirements that none of ``offered`` (lowest first) meets, or else those that the lowest does not meet."""
    bounds = list(dict.fromkeys([*_locked_bounds(name, lock, variants), *_declared_bounds(name, manifest)]))
    for versions in (offered, offered[:1]):
        blocking = [bound.text for bound in bounds if not _meets_any(versions, bound.specifier)]
        if blocking and versions:
            return blocking
    return []


def _meets_any(versions: Sequence[Version], specifier: SpecifierSet) -> bool:
    return any(specifier.contains(version, prereleases=True) for version in versions)


def _locked_bounds(name: str, lock: Lock, variants: Sequence[str]) -> Iterator[_Bound]:
    for variant in variants:
        for package in lock.by_variant.get(variant, {}).values():
            for dependency in _dependencies(package):
                if dependency.name == name and dependency.specifier:
                    text = f"{package.name} {package.version} requires {name}{dependency.specifier}"
                    yield _Bound(text, parse_specifiers(dependency.specifier))


def _dependencies(package: Package) -> Iterator[Dependency]:
    yield from package.requires
    for dependencies in package.extras.values():
        yield from dependencies


def _declared_bounds(name: str, manifest: Manifest) -> Iterator[_Bound]:
    declared = [("[common]", requirement) for requirement in manifest.common]
    for image in manifest.images.values():
        declared += [(image.name, requirement) for requirement in image.packages]
    for where, requirement in declared:
        specifier = requirement.requirement.specifier
        if requirement.name == name and specifier:
            yield _Bound(f"{where} requires {requirement.text}", specifier)


def shortened(reason: str) -> str:
    """A resolver's reason in one line."""
    text = " ".join(reason.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
