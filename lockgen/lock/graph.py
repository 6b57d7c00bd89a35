"""The dependency graph of a solution: Core Metadata, reduced to the target's markers and the requested extras."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata
from lockgen.core.lock import Dependency
from lockgen.core.manifest import DeclaredRequirement
from lockgen.core.parsing import parse_lenient_requirement, parse_requirement, parse_specifiers
from lockgen.core.target import Target
from lockgen.errors import ToolFailed

# A name, extras, and a marker, with any text in place of the bounds.
_LEGACY = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?[^;]*(;.*)?$")
# A marker that is one `extra == "..."` joined by `and` only: false unless that extra is requested.
_ONLY_FOR_AN_EXTRA = re.compile(r";(?!.*\bor\b).*\bextra\s*==\s*(['\"])[^'\"]+\1")


@dataclass(frozen=True, slots=True)
class Node:
    """A package that images need: its dependencies, and those that each requested extra adds."""

    requires: tuple[Dependency, ...]
    extras: dict[str, tuple[Dependency, ...]] = field(default_factory=dict)


def dependency(requirement: Requirement) -> Dependency:
    """The requirement as the lock stores it, without its marker."""
    extras = tuple(sorted(canonicalize_name(extra) for extra in requirement.extras))
    specifier = ",".join(sorted(str(part) for part in requirement.specifier))
    return Dependency(canonicalize_name(requirement.name), extras, specifier)


def dependencies_on(target: Target, requirements: Iterable[DeclaredRequirement]) -> tuple[Dependency, ...]:
    """Those of ``requirements`` whose markers are true on ``target``, sorted."""
    found = set()
    # Many images have the same requirements, and to evaluate one takes long.
    distinct = {declared.text: declared.requirement for declared in requirements}
    for requirement in distinct.values():
        if target.holds(requirement.marker):
            found.add(dependency(requirement))
    return tuple(sorted(found))


# Variants share most of their packages.
@lru_cache(maxsize=100_000)
def _parse(line: str) -> Requirement | None:
    try:
        return parse_lenient_requirement(line)
    except InvalidRequirement:
        # The resolver accepted it, so only the bound is dropped here, not the dependency.
        found = _LEGACY.match(line)
        if found is None:
            return None
        name, extras, marker = found.groups()
        bracket = f"[{extras}]" if extras else ""
        return parse_requirement(f"{name}{bracket} {marker or ''}")


def _parse_all(lines: Iterable[str]) -> list[Requirement]:
    parsed = (_parse(line) for line in lines)
    return [requirement for requirement in parsed if requirement is not None]


class DependencyReader:
    """Reads dependencies from metadata for one target. The lines of each package are parsed once."""

    def __init__(self, target: Target, metadata: Mapping[str, CoreMetadata]) -> None:
        self._target = target
        self._metadata = metadata
        self._parsed: dict[str, list[Requirement]] = {}
        self._needs: dict[tuple[str, str], tuple[Dependency, ...]] = {}

    def needs(self, name: str, extra: str = "") -> tuple[Dependency, ...]:
        """The dependencies of ``name``. With ``extra``, only those that this extra adds."""
        key = (name, extra)
        if key not in self._needs:
            found = self._true_on_target(name, extra)
            if extra:
                found -= set(self.needs(name))
            self._needs[key] = tuple(sorted(found))
        return self._needs[key]

    def _true_on_target(self, name: str, extra: str) -> set[Dependency]:
        spelled = self._spelling(name, extra)
        found = set()
        for requirement in self._requirements(name, extra):
            if self._target.holds(requirement.marker, spelled):
                found.add(dependency(requirement))
        return found

    def has_extra(self, name: str, extra: str) -> bool:
        """Whether the metadata of ``name`` declares ``extra`` (canonical)."""
        return extra in {canonicalize_name(text) for text in self._metadata[name].extras}

    def _spelling(self, name: str, extra: str) -> str:
        # Markers compare extras as the metadata spells them ("opt_einsum"). Requirements use the canonical name
        # (PEP 685).
        for written in self._metadata[name].extras:
            if canonicalize_name(written) == extra:
                return written
        return extra

    def _requirements(self, name: str, extra: str) -> list[Requirement]:
        lines = self._metadata[name].requires
        if not extra:
            # Most lines belong to extras that no image requests, and parsing is the expensive part.
            return _parse_all(line for line in lines if not _ONLY_FOR_AN_EXTRA.search(line))
        if name not in self._parsed:
            self._parsed[name] = _parse_all(lines)
        return self._parsed[name]


class _Edge(NamedTuple):
    requirer: str
    need: Dependency


def needed_nodes(
    reader: DependencyReader, versions: Mapping[str, str], requirements: Iterable[Dependency]
) -> dict[str, Node]:
    """Every package that ``requirements`` need, transitively, with exactly the requested extras.

    Raises:
        ToolFailed: ``versions`` lacks a needed package or contradicts a bound, so the resolver's answer is wrong.
    """
    extras: dict[str, set[str]] = {}
    pending = [_Edge("an image", need) for need in requirements]
    while pending:
        requirer, need = pending.pop()
        _check_version(requirer, need, versions)
        name = need.name
        if name not in extras:
            extras[name] = set()
            pending += [_Edge(name, child) for child in reader.needs(name)]
        # An extra may be requested after its package was visited.
        for extra in need.extras:
            if extra not in extras[name]:
                extras[name].add(extra)
                pending += [_Edge(f"{name}[{extra}]", child) for child in reader.needs(name, extra)]
    return {name: _node(reader, name, requested) for name, requested in extras.items()}


def _node(reader: DependencyReader, name: str, extras: set[str]) -> Node:
    added = {extra: reader.needs(name, extra) for extra in sorted(extras)}
    return Node(reader.needs(name), added)


def _check_version(requirer: str, need: Dependency, versions: Mapping[str, str]) -> None:
    version = versions.get(need.name)
    if version is None:
        actual = f"does not contain {need.name}"
    elif not admits(need.specifier, version):
        actual = f"contains {need.name} {version}"
    else:
        return
    raise ToolFailed(
        f"the resolver's solution is inconsistent: {requirer} requires {need}, but the solution {actual}",
        hint="retry: metadata may have changed during the resolution. If it fails again, report a bug. No files were"
        " changed.",
    )


# The graph of each variant has mostly the same edges, and is walked several times.
@lru_cache(maxsize=100_000)
def admits(specifier: str, version: str) -> bool:
    """Whether ``version`` meets ``specifier``; "" is met by all."""
    return parse_specifiers(specifier).contains(version, prereleases=True)
