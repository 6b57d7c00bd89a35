"""What a repair may change, and requests with some of it left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from packaging.version import Version

from lockgen.conflicts.conflict_search import ConflictSearch
from lockgen.conflicts.constraints import COMMON, Constraints
from lockgen.conflicts.hitting_sets import Items
from lockgen.conflicts.model import Constraint, Verdict
from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import Pairs
from lockgen.core.key_path import KeyPath
from lockgen.core.manifest import Image
from lockgen.core.parsing import parse_version
from lockgen.core.resolution import Request
from lockgen.index.ports import Releases

TORCH = FAMILY[0]


@dataclass(frozen=True)
class RepairUnit:
    """Constraints that move together: a single one, or the pins of torch's family in one table."""

    constraints: tuple[Constraint, ...]


class _UnitKey(NamedTuple):
    text: str
    path: KeyPath


class RepairProblem:
    """The constraints of all solves of a family.

    A solve is one resolution: of one variant, or of several variants together. ``solves`` maps its name to its
    variants. ``units`` may move; ``fixed`` constraints may not. With ``keeps_accelerator``, torch moves only to
    releases for its accelerator.
    """

    def __init__(
        self,
        explainer: ConflictSearch,
        releases: Releases,
        pairs: Pairs,
        solves: Mapping[str, list[str]],
        *,
        keeps_accelerator: bool = True,
    ) -> None:
        self.explainer = explainer
        self.oracle = explainer.session
        self.manifest = explainer.manifest
        self.releases = releases
        self.pairs = pairs
        self.keeps_accelerator = keeps_accelerator
        self.variants_of = solves
        self.solves: dict[str, Constraints] = {}
        every: list[Constraint] = []
        for name, variants in solves.items():
            self.solves[name] = Constraints(self.manifest, variants, explainer.indexes)
            every += self.solves[name].all
        constraints = _merged(every)
        # A bare requirement has no version to change.
        fixed = [one for one in constraints if one.held or one.kind == "ask"]
        self.fixed = frozenset(fixed)
        self.units = _units(sorted(set(constraints) - self.fixed))
        self.every_unit: Items = frozenset(range(len(self.units)))

    def freed(self, items: Items) -> list[Constraint]:
        """The constraints of the units ``items``."""
        found: list[Constraint] = []
        for item in items:
            found += self.units[item].constraints
        return found

    def units_with(self, constraints: Collection[Constraint]) -> Items:
        """The units that contain one of ``constraints``."""
        wanted = set(constraints)
        return frozenset(item for item, unit in enumerate(self.units) if not wanted.isdisjoint(unit.constraints))

    def units_named(self, items: Items, names: Collection[str]) -> Items:
        """Those of ``items`` that contain a constraint on a package in ``names``."""
        found: set[int] = set()
        for item in items:
            if any(constraint.name in names for constraint in self.units[item].constraints):
                found.add(item)
        return frozenset(found)

    def ask(self, solve: str, kept: Items) -> Verdict:
        """Whether everything that the images of ``solve`` require resolves with the units ``kept``."""
        return self.oracle.ask(self.request(solve, kept))

    def request(self, solve: str, kept: Items, named: Collection[str] | None = None) -> Request:
        """A request for ``solve`` with the fixed constraints and the units ``kept``.

        It contains everything that the images require, or, with ``named``, only their requirements of those packages.
        """
        about = self.solves[solve]
        offline = self.explainer.offline
        wanted = self.fixed.union(self.freed(kept))
        constraints: list[Constraint] = []
        freed_family: list[Constraint] = []
        for constraint in about.all:
            if constraint in wanted:
                constraints.append(constraint)
            elif constraint.name in FAMILY:
                freed_family.append(constraint)
        if named is None:
            request = about.request(constraints, whole=True, offline=offline)
        else:
            # Pins stay in any case: a held one can contribute to a conflict without being named.
            constraints = [one for one in constraints if one.name in named or one.kind == "pin"]
            request = about.request(constraints, also=named, offline=offline)
        return self._with_family_bounds(request, freed_family)

    def images_of(self, constraint: Constraint) -> list[str]:
        """The images that a change of ``constraint`` affects."""
        named = [name for name in constraint.requested_by if name != COMMON]
        if named:
            return named
        affected = [image for image in self.manifest.images.values() if self._is_in(constraint, image)]
        return sorted(image.name for image in affected)

    def _is_in(self, constraint: Constraint, image: Image) -> bool:
        solves = [self.solves[variant] for variant in image.variants if variant in self.solves]
        return any(constraint in solve.all for solve in solves)

    # -- torch's family --------------------------------------------------------

    def _with_family_bounds(self, request: Request, freed: Sequence[Constraint]) -> Request:
        """``request`` with bounds that replace the ``freed`` constraints on torch's family.

        Without them the resolver would combine builds for different accelerators, or releases that are not partners:
        the newest torchaudio and torchvision require no torch at all, so they seem to fit every one.
        """
        if not freed:
            return request
        torch: Constraint | None = None
        for constraint in freed:
            if torch is None and constraint.name == TORCH and constraint.version:
                torch = constraint
        bounds = self._family_bounds(request, torch)
        constraints = {*request.constraints, *bounds}
        return replace(request, constraints=tuple(sorted(constraints)))

    def _family_bounds(self, request: Request, torch: Constraint | None) -> Iterable[str]:
        members = self._members(request, torch)
        for name in FAMILY:
            partners = members.get(name)
            if not partners:
                continue
            oldest, newest = min(partners), max(partners)
            yield f"{name}>={oldest},<={newest}"
            # A release between two partners that is not in the table is a partner of nothing.
            for text in self.releases.usable(name, request):
                version = parse_version(parse_version(text).public)
                if oldest < version < newest and version not in partners:
                    yield f"{name}!={version}"

    def _members(self, request: Request, torch: Constraint | None) -> dict[str, set[Version]]:
        """The releases in the pair table, by package, for the accelerator of the pin ``torch``."""
        accelerator = self._accelerator(request, torch)
        found: dict[str, set[Version]] = {}
        for release in self.pairs.values():
            # A change of pins must not change the accelerator of the images.
            if accelerator is not None and release.accelerator != accelerator:
                continue
            for name, member in release.members.items():
                if member.version:
                    found.setdefault(name, set()).add(parse_version(member.version))
        return found

    def _accelerator(self, request: Request, torch: Constraint | None) -> str | None:
        """The accelerator that torch has to keep; None if the index decides it or it is unknown."""
        # An explicit index has builds for one accelerator only.
        if torch is None or TORCH in request.routes or not self.keeps_accelerator:
            return None
        return self.default_accelerator(torch.version)

    def default_accelerator(self, torch: str | None) -> str | None:
        """The accelerator of the default index's release ``torch``; None if it is unknown."""
        known = self.pairs.get(parse_version(torch).public) if torch is not None else None
        return known.accelerator if known is not None else None


def _merged(constraints: Iterable[Constraint]) -> list[Constraint]:
    """Equal constraints as one, with all their places and all the images that require them."""
    equal: dict[Constraint, list[Constraint]] = {}
    for constraint in constraints:
        equal.setdefault(constraint, []).append(constraint)
    merged: list[Constraint] = []
    for group in equal.values():
        # Dictionaries instead of sets: the first place is the one that messages name.
        paths: dict[KeyPath, None] = {}
        images: dict[str, None] = {}
        for constraint in group:
            paths |= dict.fromkeys((constraint.path, *constraint.other_paths))
            images |= dict.fromkeys(constraint.requested_by)
        first, *others = paths
        merged.append(replace(group[0], path=first, requested_by=tuple(images), other_paths=tuple(others)))
    return merged


def _units(constraints: Sequence[Constraint]) -> tuple[RepairUnit, ...]:
    groups: dict[_UnitKey, list[Constraint]] = {}
    for constraint in constraints:
        key = _UnitKey(constraint.text, constraint.path)
        # torch, torchaudio and torchvision are built for one another: they move together if one table pins them.
        if constraint.name in FAMILY and constraint.version is not None:
            key = _UnitKey(TORCH, constraint.path[:-1])
        groups.setdefault(key, []).append(constraint)
    return tuple(RepairUnit(tuple(group)) for group in groups.values())
