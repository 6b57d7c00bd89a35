"""Solves one set of variants, until the solution is one that installers accept (guarantee 12)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.lock import Dependency
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.core.words import counted
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.index.ports import MetadataSource
from lockgen.lock.exclusions import Exclusions
from lockgen.lock.file_choices import FileChoices, mark_yanked
from lockgen.lock.graph import DependencyReader, dependencies_on, needed_nodes
from lockgen.lock.lock_builder import no_index_fault
from lockgen.lock.misread import possibly_misread
from lockgen.lock.requests import declared_requirements, request_for, versions_of


class Unsolved(NoResolution):
    """No solution for the images of ``variants``."""

    variants: tuple[str, ...] = ()


@dataclass
class VariantSolver:
    """Solves variants of one family. What it learns about files and versions counts for all its solves."""

    manifest: Manifest
    resolver: Resolver
    metadata: MetadataSource
    indexes: Mapping[str, ExplicitIndex]
    progress: Progress
    offline: bool = False
    bounds: tuple[str, ...] = ()
    _known: list[CoreMetadata] = field(default_factory=list)
    """Metadata that a resolver must use, because it had read it otherwise."""
    _readers: dict[int, tuple[Solution, DependencyReader]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._choices = FileChoices(self.metadata)
        # A package without a file for the target gets a fault that names its pin, see `make_lock`.
        self._exclusions = Exclusions(self._choices.metadata)

    def solve(self, variants: list[str], preferences: Mapping[str, str]) -> Solution:
        """A solution in which every package runs on the target's Python, and that fits the files to be installed.

        A resolver may have read metadata otherwise than it counts (`misread.py`). Then it is given that metadata, and
        solves again.

        Raises:
            Unsolved: these variants have no joint solution.
        """
        self.progress.step(f"resolving {', '.join(variants)} with {self.resolver.name}")
        while True:
            request = request_for(
                self.manifest,
                variants,
                self.indexes,
                preferences,
                offline=self.offline,
                extra_constraints=self.bounds,
                known=self._known,
            )
            solution = self._exclusions.solve(request, partial(self._answer, variants))
            misread = self._misread(variants, solution)
            if not misread:
                return solution
            self._known += misread

    def fits_without_pins(self, variant: str, constraints: list[str]) -> bool:
        """Whether ``variant``, without its own pins, has a solution with ``constraints``."""
        request = request_for(
            self.manifest,
            [variant],
            self.indexes,
            {},
            offline=self.offline,
            own_pins=False,
            extra_constraints=[*constraints, *self.bounds, *self._exclusions.reasons],
            known=self._known,
        )
        # Whether the files suit an installer does not matter here: the solution is not used.
        try:
            self.resolver.solve(request)
        except NoResolution:
            return False
        return True

    # -- one answer of the resolver -------------------------------------------------------

    def _answer(self, variants: list[str], request: Request) -> Solution:
        """The resolver's answer, with the files that get installed."""
        try:
            solution = self.resolver.solve(request)
        except NoResolution as error:
            faults = self._blocked(variants, request, error)
            if faults:
                raise NoResolution.of(faults) from error
            raise self._unsolved(variants, error) from error
        unread = self._choices.unread(solution)
        if unread:
            self.progress.step(f"reading the metadata of {counted(unread, 'package')}")
        solution = mark_yanked(solution, request, self.metadata)
        return self._choices.settle(solution, request)

    def _misread(self, variants: list[str], solution: Solution) -> list[CoreMetadata]:
        """If the installed files need what ``solution`` lacks: the metadata that the resolver read otherwise.

        Raises:
            ToolFailed: other files of the same release do not explain the difference.
        """
        try:
            needed_nodes(self.reader(solution), versions_of(solution), self.requirements(variants))
        except ToolFailed:
            fresh = possibly_misread(solution, self._choices, self._known)
            # Without new metadata, the resolver would give the same answer forever.
            if not fresh:
                raise
            return fresh
        return []

    def _blocked(self, variants: list[str], request: Request, error: NoResolution) -> list[Fault]:
        """A fault for each package without a permitted index, if the resolver's reason names one of them.

        A resolver stops at the first one, so those that images require are added.
        """
        reason = _reason(error)
        named = {name for name in request.blocked if _names(reason, name)}
        if named:
            named |= request.blocked & {requirement.name for requirement in self.requirements(variants)}
        return [no_index_fault(self.manifest, variants[0], name) for name in sorted(named)]

    def _unsolved(self, variants: list[str], error: NoResolution) -> Unsolved:
        """The resolver's faults, with the versions that were excluded before: they may be the cause."""
        excluded = "".join(f"\n{reason}" for reason in self._exclusions.reasons.values())
        unsolved = Unsolved.of([replace(fault, reason=(fault.reason or "") + excluded) for fault in error.faults])
        unsolved.variants = tuple(variants)
        return unsolved

    # -- what a solution contains ---------------------------------------------------------

    def requirements(self, variants: Iterable[str]) -> tuple[Dependency, ...]:
        """The requirements of the images of ``variants`` on the target."""
        return dependencies_on(self.manifest.target, declared_requirements(self.manifest, variants))

    def needed(self, variant: str, solution: Solution) -> set[str]:
        """The names of the packages in ``solution`` that the images of ``variant`` need."""
        requirements = self.requirements([variant])
        return set(needed_nodes(self.reader(solution), versions_of(solution), requirements))

    def reader(self, solution: Solution) -> DependencyReader:
        """The dependencies of every package of ``solution``, from the metadata of the file that gets installed."""
        # By id: solutions cannot be hashed. The entry keeps its solution alive, so that no other gets the same id.
        known = self._readers.get(id(solution))
        if known is None:
            metadata = {name: self._choices.metadata(package) for name, package in solution.packages.items()}
            known = (solution, DependencyReader(self.manifest.target, metadata))
            self._readers[id(solution)] = known
        return known[1]


def _reason(error: NoResolution) -> str:
    return "\n".join(fault.reason or fault.message for fault in error.faults)


def _names(text: str, package: str) -> bool:
    """Whether ``text`` contains the name of ``package``, but not as a part of a longer name."""
    # Without the boundaries, `torch` would match `torch-geometric`.
    return re.search(rf"(?<![\w.-]){re.escape(package)}(?![\w-])", text) is not None
