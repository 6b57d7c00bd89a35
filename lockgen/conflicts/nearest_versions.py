"""Versions for freed pins, each as near as possible to the old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.conflicts.hitting_sets import Items
from lockgen.conflicts.model import Answer, Constraint, PinChange, Proposal, UnmetRequirement, Verdict
from lockgen.conflicts.repair_problem import RepairProblem
from lockgen.conflicts.unmet_requirements import parsed_needs
from lockgen.core.accelerator import FAMILY
from lockgen.core.parsing import parse_requirement, parse_version
from lockgen.core.resolution import Request

Verdicts = Mapping[str, Verdict]
"""Solve to verdict."""


class Freed(NamedTuple):
    """Units to free, and the verdict on each solve without them."""

    units: Items
    verdicts: Verdicts


class _Moved(NamedTuple):
    change: PinChange
    verdicts: Verdicts


@dataclass(frozen=True)
class _Range:
    """The releases that a pin can move to: ``order`` is sorted and contains the old version at ``old``.

    ``solves`` are those that need the package, ``requests`` are theirs so far.
    """

    constraint: Constraint
    solves: Sequence[str]
    requests: Mapping[str, Request]
    order: Sequence[Version]
    old: int

    @property
    def name(self) -> str:
        return self.constraint.name

    def selected(self, verdicts: Verdicts) -> str:
        """The version that ``verdicts`` have: the same one in each solve."""
        return verdicts[self.solves[0]].versions[self.name]

    def distance(self, version: str) -> int:
        """The number of releases between the old version and ``version``."""
        return abs(self.order.index(parse_version(version)) - self.old)

    def bound(self, distance: int) -> str:
        """The bound for at most ``distance`` releases."""
        last = len(self.order) - 1
        lowest = self.order[max(0, self.old - distance)]
        highest = self.order[min(last, self.old + distance)]
        # Public versions: PEP 440 allows no local part after ">=" and "<=".
        return f"{self.name}>={lowest.public},<={highest.public}"


@dataclass(frozen=True)
class NearestVersions:
    """Turns a set of units to free into a proposal."""

    problem: RepairProblem

    def proposal(self, freed: Freed) -> Proposal:
        """Every freed pin as near to its old version as the pins before it allow, torch's family first."""
        kept = self.problem.every_unit - freed.units
        requests = {solve: self.problem.request(solve, kept) for solve in self.problem.solves}
        verdicts = freed.verdicts
        moves: list[PinChange] = []
        for constraint in sorted(self.problem.freed(freed.units), key=_family_first):
            needing = self._needing(constraint, verdicts)
            if constraint.kind == "pin" and not needing:
                # Nothing needs the package any more, so its pin has no effect and may stay.
                continue
            if constraint.version is None or not needing:
                moves.append(PinChange(constraint, None))
                continue
            change, verdicts = self._moved(constraint, needing, requests, verdicts)
            moves.append(change)
            # The pins after this one have to be compatible with it.
            bound = f"{constraint.name}=={change.to}"
            for solve in needing:
                requests[solve] = _bounded(requests[solve], bound)
        return self._proposal(moves, verdicts)

    def _needing(self, constraint: Constraint, verdicts: Verdicts) -> list[str]:
        """The solves that have ``constraint`` and whose solution contains its package."""
        found: list[str] = []
        for name, solve in self.problem.solves.items():
            if constraint not in solve.all:
                continue
            if constraint.name in verdicts[name].versions:
                found.append(name)
        return found

    def _proposal(self, moves: Iterable[PinChange], verdicts: Verdicts) -> Proposal:
        images: set[str] = set()
        changed: list[PinChange] = []
        for move in moves:
            # A freed pin often ends up at its old version.
            if move.to is not None and move.to == move.constraint.version:
                continue
            changed.append(self._with_reason(move, verdicts))
            images.update(self.problem.images_of(move.constraint))
        return Proposal(
            moves=tuple(changed),
            images=tuple(sorted(images)),
            versions={solve: verdict.versions for solve, verdict in verdicts.items()},
        )

    def _moved(
        self, constraint: Constraint, needing: Sequence[str], requests: Mapping[str, Request], verdicts: Verdicts
    ) -> _Moved:
        """The nearest version that every solve in ``needing`` can have, by bisection of the releases.

        The resolver takes the highest version in a range. A range that grows around the old version is monotone: if it
        has a solution, so has every larger one.
        """
        selected = verdicts[needing[0]].versions[constraint.name]
        old = parse_version(constraint.version or "0")
        releases = self._releases(constraint.name, requests[needing[0]], old)
        order = sorted({*releases, old, parse_version(selected)})
        among = _Range(constraint, needing, requests, order, order.index(old))
        far = among.distance(selected)
        if not releases:
            # The index does not list its releases, so there is nothing to bisect and no distance to report.
            return _Moved(PinChange(constraint, selected), verdicts)
        near = self._excluded_distance(among, verdicts)
        best = verdicts
        # The version that the resolver selected is nearly always the nearest one. So first test whether anything nearer
        # is possible at all; if metadata excludes some distance, test just beyond it.
        distance = near + 1 if near else far - 1
        while far - near > 1:
            nearer = self._within(among, distance)
            if nearer is None:
                near = distance
            else:
                best = {**verdicts, **nearer}
                far = among.distance(among.selected(nearer))
            distance = (near + far) // 2
        return _Moved(PinChange(constraint, among.selected(best), far), best)

    def _releases(self, name: str, request: Request, old: Version) -> list[Version]:
        releases: list[Version] = []
        for text in self.problem.releases.usable(name, request):
            version = parse_version(text)
            if old.is_prerelease or not version.is_prerelease:
                releases.append(version)
        return releases

    def _excluded_distance(self, among: _Range, verdicts: Verdicts) -> int:
        """Up to which distance the requirements of unchanged packages exclude every release.

        This needs no resolver call: whisperx 3.7.2 stays, and needs numpy>=2.0.2.
        """
        target = self.problem.manifest.target
        bound = SpecifierSet()
        for solve in among.solves:
            request = among.requests[solve]
            versions = verdicts[solve].versions
            # Only what cannot move: the requirements of other packages change with their version.
            for name in _exact_names(request) & versions.keys():
                metadata = self.problem.oracle.needs(name, versions[name], request)
                for need in parsed_needs(metadata, among.name, target):
                    bound &= need.specifier
        distances: list[int] = []
        for place, version in enumerate(among.order):
            if bound.contains(version, prereleases=True):
                distances.append(abs(place - among.old))
        return max(0, min(distances, default=0) - 1)

    def _within(self, among: _Range, distance: int) -> Verdicts | None:
        """Verdicts with the package at most ``distance`` releases away; None if a solve has no such version."""
        found: dict[str, Verdict] = {}
        bound = among.bound(distance)
        for solve in among.solves:
            verdict = self._ask_for_release(_bounded(among.requests[solve], bound), among)
            if verdict is None:
                return None
            found[solve] = verdict
            # All solves share one version, so the others have to take that of the first.
            bound = f"{among.name}=={among.selected(found)}"
        return found

    def _ask_for_release(self, request: Request, among: _Range) -> Verdict | None:
        """The verdict on ``request`` if it selects a known release."""
        verdict = self.problem.oracle.ask(request)
        if verdict.answer is Answer.YES and not _is_known(verdict, among):
            # The cache lacks a release in the range, so the resolver took a pre-release. Use the index.
            verdict = self.problem.oracle.ask(request, warm=True)
        if verdict.answer is Answer.YES and _is_known(verdict, among):
            return verdict
        return None

    def _with_reason(self, move: PinChange, verdicts: Verdicts) -> PinChange:
        """``move`` with a requirement of a selected package that the old version does not meet."""
        if move.constraint.version is None:
            return move
        for solve, verdict in verdicts.items():
            unmet = self._unmet(move.constraint, solve, verdict)
            if unmet is not None:
                return replace(move, why=unmet)
        return move

    def _unmet(self, constraint: Constraint, solve: str, verdict: Verdict) -> UnmetRequirement | None:
        old = constraint.version or ""
        target = self.problem.manifest.target
        pinned = {one.name for one in self.problem.freed(self.problem.every_unit)}
        # Offline: the metadata of a solution has been read already.
        request = self.problem.solves[solve].request((), offline=True)
        # Packages of versions.toml first: readers know these.
        for name in sorted(verdict.versions, key=lambda name: (name not in pinned, name)):
            version = verdict.versions[name]
            metadata = self.problem.oracle.needs(name, version, request)
            for need in parsed_needs(metadata, constraint.name, target):
                if not need.specifier.contains(old, prereleases=True):
                    return UnmetRequirement(name, version, constraint.name, str(need.specifier))
        return None


def _family_first(constraint: Constraint) -> tuple[bool, str]:
    # A pin that is chosen early ends up nearest, and torch's family should move least.
    return constraint.name not in FAMILY, constraint.name


def _is_known(verdict: Verdict, among: _Range) -> bool:
    return parse_version(verdict.versions[among.name]) in among.order


def _bounded(request: Request, bound: str) -> Request:
    # Parsed and printed again: equal bounds must be equal texts.
    return replace(request, constraints=tuple(sorted({*request.constraints, str(parse_requirement(bound))})))


def _exact_names(request: Request) -> set[str]:
    """The packages that ``request`` requires by name and in one version."""
    required = {canonicalize_name(parse_requirement(text).name) for text in request.requirements}
    exact: set[str] = set()
    for text in (*request.requirements, *request.constraints):
        requirement = parse_requirement(text)
        name = canonicalize_name(requirement.name)
        if name in required and any(_is_exact(part) for part in requirement.specifier):
            exact.add(name)
    return exact


def _is_exact(specifier: Specifier) -> bool:
    return specifier.operator in {"==", "==="} and not specifier.version.endswith(".*")
