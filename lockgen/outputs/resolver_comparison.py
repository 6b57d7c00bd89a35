"""Compare a lock that pip-compile resolved with what uv would have locked, and note the differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lockgen.core.lock import Dependency, Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.core.resolution import Resolver
from lockgen.errors import NoResolution, ToolFailed
from lockgen.lock.engine import Engine
from lockgen.outputs.resolution_options import REFERENCE

VersionVariants = dict[str, tuple[str, ...]]
"""The versions of one package, with the variants of each."""


def note_differences(
    engine: Engine,
    reference: Resolver,
    manifest: Manifest,
    inputs: Mapping[str, str],
    old: Lock | None,
    lock: Lock,
) -> None:
    """Note how ``lock``, resolved by ``engine``, differs from uv's (``reference``) for the same inputs, if it does.

    Both meet every bound. If several versions fit, each resolver decides the packages in its own order (pip:
    resolvelib's, uv: PubGrub's). uv needs seconds where pip-compile needs half a minute.
    """
    name, progress = engine.resolver.name, engine.progress
    progress.step(f"comparing with {REFERENCE}")
    try:
        other = replace(engine, resolver=reference).resolve(manifest, inputs, old)
    except NoResolution as error:
        progress.note(f"{name} found a solution, {REFERENCE} did not: {error.faults[0].reason or error}")
        return
    except ToolFailed as error:
        # The lock is right without the comparison.
        progress.note(f"the comparison with {REFERENCE} failed: {error}")
        return
    lines = differences(lock, other, name)
    if lines:
        head = f"{name} and {REFERENCE} choose different versions; those of {name} are locked:"
        progress.note("\n".join([head, *lines]))


def differences(lock: Lock, other: Lock, name: str) -> list[str]:
    """A line for each package that the two locks have in different versions, with the requirements for it."""
    mine = _versions(lock)
    theirs = _versions(other)
    lines = []
    for package in sorted(mine.keys() | theirs.keys()):
        my_versions = mine.get(package)
        their_versions = theirs.get(package)
        if my_versions == their_versions:
            continue
        my_choice = f"{_shown(my_versions)} by {name}"
        their_choice = f"{_shown(their_versions)} by {REFERENCE}"
        requirements = f"{_requirements(lock, package)} | {_requirements(other, package)}"
        lines.append(f"  {package} {my_choice}, {their_choice}; both meet the requirements ({requirements})")
    return lines


def _versions(lock: Lock) -> dict[str, VersionVariants]:
    found: dict[str, VersionVariants] = {}
    for package in lock.packages:
        found.setdefault(package.name, {})[package.version] = package.variants
    return found


def _shown(versions: VersionVariants | None) -> str:
    return " and ".join(versions) if versions else "not needed"


def _requirements(lock: Lock, name: str) -> str:
    """The requirements for ``name``, each with its origin, as in "speech 1.0: numpy>=1.26"."""
    # A dict drops duplicates and keeps the order: several images share the common packages.
    found: dict[str, None] = {}
    for origin, need in _dependencies(lock):
        if need.name == name:
            found[f"{origin}: {need}"] = None
    return ", ".join(found) or "no requirement"


def _dependencies(lock: Lock) -> Iterator[tuple[str, Dependency]]:
    """Every dependency in the lock, with the image or the package that has it."""
    for image in lock.images:
        for need in (*image.common, *image.requires):
            yield image.name, need
    for package in lock.packages:
        for need in _package_dependencies(package):
            yield f"{package.name} {package.version}", need


def _package_dependencies(package: Package) -> Iterator[Dependency]:
    yield from package.requires
    for needs in package.extras.values():
        yield from needs
