"""The dependency graph of a solution: Core Metadata, cut to what the target and the asked extras let through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lockgen.core.index import CoreMetadata
from lockgen.core.lock import Dependency
from lockgen.core.manifest import DeclaredRequirement
from lockgen.core.target import Target
from lockgen.errors import ToolFailed

_LEGACY = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?[^;]*(;.*)?$")
# A marker that is one `extra == "..."` joined by `and` only: false unless that extra is asked for.
_ONLY_FOR_AN_EXTRA = re.compile(r";(?!.*\bor\b).*\bextra\s*==\s*(['\"])[^'\"]+\1")


@dataclass(frozen=True, slots=True)
class Node:
    """A package that is needed: what it asks for, and what each extra that is asked of it adds."""

    requires: tuple[Dependency, ...]
    extras: dict[str, tuple[Dependency, ...]] = field(default_factory=dict)


def dependency(requirement: Requirement) -> Dependency:
    """The requirement as the lock holds it, its marker left out."""
    extras = tuple(sorted(canonicalize_name(extra) for extra in requirement.extras))
    specifier = ",".join(sorted(str(part) for part in requirement.specifier))
    return Dependency(canonicalize_name(requirement.name), extras, specifier)


def asked_on(target: Target, asks: Iterable[DeclaredRequirement]) -> tuple[Dependency, ...]:
    """What ``asks`` come to on ``target``, sorted."""
    return tuple(sorted({dependency(a.requirement) for a in asks if target.holds(a.requirement.marker)}))


def _parse(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        # Old metadata has bounds that PEP 440 never allowed ("pytz>dev"); the resolver let them pass, so only
        # the bound is dropped here, not the need.
        found = _LEGACY.match(line)
        if found is None:
            return None
        name, extras, marker = found.groups()
        return Requirement(f"{name}{f'[{extras}]' if extras else ''} {marker or ''}")


class Reader:
    """Reads needs out of metadata for one target; each package's lines are parsed once."""

    def __init__(self, target: Target, metadata: Mapping[str, CoreMetadata]) -> None:
        self._target = target
        self._metadata = metadata
        self._parsed: dict[str, list[Requirement]] = {}
        self._needs: dict[tuple[str, str], tuple[Dependency, ...]] = {}

    def needs(self, name: str, extra: str = "") -> tuple[Dependency, ...]:
        """What ``name`` asks for; with ``extra``, only what that extra adds."""
        key = (name, extra)
        if key not in self._needs:
            plain = set(self.needs(name)) if extra else set()
            spelled = self._spelling(name, extra)
            found = {dependency(r) for r in self._requirements(name, extra) if self._target.holds(r.marker, spelled)}
            self._needs[key] = tuple(sorted(found - plain))
        return self._needs[key]

    def has_extra(self, name: str, extra: str) -> bool:
        return extra in {canonicalize_name(text) for text in self._metadata[name].extras}

    def requires_python(self, name: str) -> str | None:
        """The Requires-Python of ``name`` as written."""
        return self._metadata[name].requires_python

    def _spelling(self, name: str, extra: str) -> str:
        # Markers compare extras as they were written ("opt_einsum"), people ask for the canonical name (PEP 685).
        written = (text for text in self._metadata[name].extras if canonicalize_name(text) == extra)
        return next(written, extra)

    def _requirements(self, name: str, extra: str) -> list[Requirement]:
        if not extra:
            # Most lines belong to extras that nobody asks for, and parsing is the dear part.
            lines = [line for line in self._metadata[name].requires if not _ONLY_FOR_AN_EXTRA.search(line)]
            return [r for line in lines if (r := _parse(line)) is not None]
        if name not in self._parsed:
            self._parsed[name] = [r for line in self._metadata[name].requires if (r := _parse(line)) is not None]
        return self._parsed[name]


def reach(reader: Reader, versions: Mapping[str, str], asks: Iterable[Dependency]) -> dict[str, Node]:
    """Every package that ``asks`` come to, with exactly the extras asked for.

    Raises:
        ToolFailed: the versions do not hold what somebody needs; the resolver's answer is not to be trusted.
    """
    extras: dict[str, set[str]] = {}
    pending = [("an image", ask) for ask in asks]
    while pending:
        asker, need = pending.pop()
        _check(asker, need, versions)
        fresh = [extra for extra in need.extras if extra not in extras.get(need.name, ())]
        if need.name not in extras:
            extras[need.name] = set()
            pending += [(need.name, child) for child in reader.needs(need.name)]
        for extra in fresh:
            extras[need.name].add(extra)
            pending += [(f"{need.name}[{extra}]", child) for child in reader.needs(need.name, extra)]
    return {
        name: Node(reader.needs(name), {extra: reader.needs(name, extra) for extra in sorted(asked)})
        for name, asked in extras.items()
    }


def _check(asker: str, need: Dependency, versions: Mapping[str, str]) -> None:
    version = versions.get(need.name)
    if version is not None and (not need.specifier or SpecifierSet(need.specifier).contains(version, prereleases=True)):
        return
    has = f"has {need.name} {version}" if version is not None else f"has no {need.name}"
    raise ToolFailed(
        f"the resolver's answer does not hold together: {asker} needs {need}, the solution {has}",
        hint="its metadata changed while resolving, or this is a bug; nothing was written",
    )
