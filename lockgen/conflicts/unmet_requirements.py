"""Which requirements of which packages cause a conflict, read from package metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.conflicts.constraints import Constraints, named_in
from lockgen.conflicts.model import Answer, Constraint, UnmetRequirement
from lockgen.conflicts.oracle import Oracle
from lockgen.conflicts.reasons import through
from lockgen.core.index import CoreMetadata
from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.core.resolution import Request
from lockgen.core.target import Target

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class UnmetFinder:
    """Explains conflicts between ``constraints``."""

    oracle: Oracle
    constraints: Constraints
    offline: bool

    def unmet(self, conflict: Iterable[Constraint], reason: str) -> list[UnmetRequirement]:
        """The requirements that cause a conflict, in the simplest form that explains it.

        That is a requirement of one package on another; else an indirect one, through a package in between; else two
        requirements on a third package. ``reason`` is the resolver's explanation. The result is empty if no form fits.
        """
        exact: dict[str, str] = {}
        for constraint in conflict:
            if constraint.version is not None:
                exact[constraint.name] = constraint.version
        # The order matters: each form is less direct than the one before, and takes more work.
        for form in (self._direct(exact), self._indirect(exact, reason), self._opposed(exact, reason)):
            found = list(form)
            if found:
                return found
        return []

    def _direct(self, exact: Mapping[str, str]) -> Iterable[UnmetRequirement]:
        for name, version in exact.items():
            for other, other_version in exact.items():
                for need in self._needs(name, version, other):
                    if not need.specifier.contains(other_version, prereleases=True):
                        yield UnmetRequirement(name, version, other, str(need.specifier))

    def _indirect(self, exact: Mapping[str, str], reason: str) -> Iterable[UnmetRequirement]:
        """What the resolver concluded about the requirements of one package on another."""
        between = sorted(named_in(reason) - exact.keys())
        for name, version in exact.items():
            for other in exact:
                if other == name:
                    continue
                bound = through(name, version, other, reason)
                if not bound:
                    continue
                steps: list[str] = []
                for middle in between:
                    steps += [f"{middle}{need.specifier}" for need in self._needs(name, version, middle)]
                # With several candidates it is unclear which one the conclusion goes through.
                if len(steps) == 1:
                    yield UnmetRequirement(name, version, other, bound, via=steps[0])

    def _opposed(self, exact: Mapping[str, str], reason: str) -> Iterable[UnmetRequirement]:
        """Two requirements on one package that no release of it meets together."""
        shared_names = sorted(named_in(reason) - exact.keys())
        for name, other in combinations(sorted(exact), 2):
            for shared in shared_names:
                mine = self._first_need(name, exact[name], shared)
                other_need = self._first_need(other, exact[other], shared)
                if mine is None or other_need is None:
                    continue
                # The bounds may overlap and yet have no release in common, so the resolver decides.
                if self._is_unsatisfiable(mine, other_need):
                    against = UnmetRequirement(other, exact[other], shared, str(other_need.specifier))
                    yield UnmetRequirement(name, exact[name], shared, str(mine.specifier), against=against)

    def _is_unsatisfiable(self, *needs: Requirement) -> bool:
        lines: list[str] = []
        for need in needs:
            # Without extras and markers: only the versions matter here.
            name = canonicalize_name(need.name)
            lines.append(f"{name}{need.specifier}")
        request = self.constraints.request((), offline=self.offline)
        request = replace(request, requirements=tuple(sorted(lines)))
        return self.oracle.ask(request).answer is Answer.NO

    def _first_need(self, name: str, version: str, other: str) -> Requirement | None:
        needs = self._needs(name, version, other)
        return needs[0] if needs else None

    def _needs(self, name: str, version: str, other: str) -> list[Requirement]:
        # Offline: this only reads metadata of solutions that the oracle has seen.
        metadata = self.oracle.needs(name, version, self.constraints.request((), offline=True))
        return list(parsed_needs(metadata, other, self.constraints.manifest.target))


def unavailable(conflict: tuple[Constraint, ...], reason: str, request: Request) -> Iterable[str]:
    """What an explicit index of ``request`` lacks of the packages in a conflict, a sentence each."""
    names = named_in(reason) | {constraint.name for constraint in conflict}
    for name, index_name in request.routes.items():
        if name not in names:
            continue
        index = request.indexes[index_name]
        page = index.pages.get(name)
        versions: set[Version] = set()
        for file in page.files if page is not None else ():
            versions.add(parse_version(index.metadata[file.name].version))
        if not versions:
            yield f"index {index_name} has no {name}"
        # A conflict of several packages has another cause than the end of the index.
        elif len(conflict) == 1:
            yield f"the newest {name} on index {index_name} is {max(versions)}"


def parsed_needs(metadata: CoreMetadata | None, name: str, target: Target) -> Iterable[Requirement]:
    """The requirements in ``metadata`` on the package ``name`` that apply on ``target``, without those of extras."""
    if metadata is None:
        return
    for line in metadata.requires:
        # Compare the name first: to parse every line is slow, and metadata has hundreds.
        if not _is_about(line, name):
            continue
        try:
            need = parse_requirement(line)
        except InvalidRequirement:
            continue
        if target.holds(need.marker):
            yield need


def _is_about(line: str, name: str) -> bool:
    found = _NAME.match(line)
    return found is not None and canonicalize_name(found[0]) == name
