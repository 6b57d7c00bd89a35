"""From a manifest to a lock: one joint solve for all variants, and separate solves where their pins differ.

`Engine.resolve` runs in this order: solve (`_LockRun`), reduce the solutions to what the images need and check them
(`lock_builder.py`), compare hashes with the old lock, and add build tools and sizes (`build_tools.py`). All effects
come in through ports: this module reads and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.lock import Dependency, Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.index.ports import Artifacts, MetadataSource
from lockgen.lock.build_tools import BuildToolResolver
from lockgen.lock.exclusions import Exclusions
from lockgen.lock.file_choices import FileChoices, mark_yanked
from lockgen.lock.graph import DependencyReader, dependencies_on, needed_nodes
from lockgen.lock.lock_builder import check_hashes, make_lock, no_index_fault
from lockgen.lock.requests import (
    declared_requirements,
    differing_packages,
    joint_variants,
    kept_versions,
    order_of_variants,
    own_preferences,
    request_for,
    versions_of,
)


@dataclass(frozen=True)
class Engine:
    """What a resolution works with.

    ``upgrade`` takes the latest version of every package, and ``opened`` are the packages for which the old lock's
    version is not kept. ``bounds`` (PEP 508) are constraints for this run, in addition to the pins. Without
    ``artifacts``, locks contain no tools and no installed sizes.
    """

    resolver: Resolver
    metadata: MetadataSource
    indexes: Mapping[str, ExplicitIndex]
    progress: Progress
    offline: bool = False
    upgrade: bool = False
    opened: frozenset[str] = frozenset()
    artifacts: Artifacts | None = None
    bounds: tuple[str, ...] = ()

    def resolve(self, manifest: Manifest, inputs: Mapping[str, str], old: Lock | None) -> Lock:
        """The family's lock.

        Raises:
            NoResolution: there is no solution. If it is an Unsolved, its ``variants`` are those that failed.
            ToolFailed: a resolver or an index failed, or a file has another hash than in the old lock.
        """
        run = _LockRun(self, manifest, old)
        solutions = run.solve()
        run.note_unknown_extras(solutions)
        readers = {variant: run.reader(solution) for variant, solution in solutions.items()}
        lock = make_lock(manifest, inputs, solutions, readers)
        check_hashes(old, lock, None if self.upgrade else self.opened)
        if self.artifacts is None:
            return lock
        return self._build_tools(self.artifacts).complete(manifest, lock, solutions, old)

    def _build_tools(self, artifacts: Artifacts) -> BuildToolResolver:
        return BuildToolResolver(
            self.resolver,
            artifacts,
            self.metadata,
            self.progress,
            self.indexes,
            self.offline,
            self.upgrade,
            self.opened,
            recorded=frozenset(name for name, index in self.indexes.items() if index.recorded),
        )


class Unsolved(NoResolution):
    """No solution for the images of ``variants``."""

    variants: tuple[str, ...] = ()


@dataclass
class _Group:
    """Variants that are solved together, the lead first, and their solution."""

    variants: list[str]
    solution: Solution


@dataclass
class _LockRun:
    """One resolution. What it learns about files and versions counts for all its solves."""

    engine: Engine
    manifest: Manifest
    old: Lock | None
    _known: dict[str, CoreMetadata] = field(default_factory=dict)
    """Metadata that a resolver must use for a package, because it had read that of another file."""
    _readers: dict[int, tuple[Solution, DependencyReader]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.joint = joint_variants(self.manifest)
        self.separate = [name for name in order_of_variants(self.manifest) if name not in self.joint]
        variants = [*self.joint, *self.separate]
        self.kept = kept_versions(self.old, variants, self.engine.upgrade, self.engine.opened)
        self._choices = FileChoices(self.engine.metadata)
        # A package without a file for the target gets a fault that names its pin, see `make_lock`.
        self._exclusions = Exclusions(self._choices.metadata)

    def solve(self) -> dict[str, Solution]:
        """A solution for each variant that has images.

        Raises:
            Unsolved: there is no solution for some variants.
            NoResolution: variants need different versions of a package that no pin separates.
        """
        solutions: dict[str, Solution] = {}
        groups = self._groups()
        for group in groups:
            for variant in group.variants:
                solutions[variant] = self._own_solution(variant, group)
        lead = groups[0].variants[0]
        for group in groups[1:]:
            for variant in group.variants:
                self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        for variant in self.separate:
            solutions[variant] = self._solve_close_to(lead, versions_of(solutions[lead]), variant)
            self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        return solutions

    def note_unknown_extras(self, solutions: Mapping[str, Solution]) -> None:
        """Note each requested extra that its package does not have. Like pip and uv, it is ignored."""
        notes: dict[str, None] = {}
        for variant, solution in solutions.items():
            reader = self.reader(solution)
            for need in self._requirements([variant]):
                version = solution.packages[need.name].version
                for extra in need.extras:
                    if not reader.has_extra(need.name, extra):
                        notes[f"{need.name} {version} has no extra `{extra}`"] = None
        for note in notes:
            self.engine.progress.note(note)

    def reader(self, solution: Solution) -> DependencyReader:
        """The dependencies of every package of ``solution``, from the metadata of the file that gets installed."""
        # By id: solutions cannot be hashed. The entry keeps its solution alive, so that no other gets the same id.
        known = self._readers.get(id(solution))
        if known is None:
            metadata = {name: self._choices.metadata(package) for name, package in solution.packages.items()}
            known = (solution, DependencyReader(self.manifest.target, metadata))
            self._readers[id(solution)] = known
        return known[1]

    # -- groups of variants -----------------------------------------------------------

    def _groups(self) -> list[_Group]:
        """One group if the variants have a joint solution; else as few as a greedy search finds, the lead's first."""
        try:
            return [_Group(self.joint, self._solve(self.joint, self.kept))]
        except Unsolved:
            if len(self.joint) == 1:
                raise
        self.engine.progress.step("the variants have no joint solution; solving them separately")
        groups: list[_Group] = []
        for variant in self.joint:
            if not self._join(variant, groups):
                groups.append(_Group([variant], self._solve_close_to_groups(variant, groups)))
        return groups

    def _join(self, variant: str, groups: list[_Group]) -> bool:
        """Add ``variant`` to the first group that still has a solution with it."""
        for group in groups:
            variants = [*group.variants, variant]
            solution = self._try(variants)
            if solution is not None:
                group.variants = variants
                group.solution = solution
                return True
        return False

    def _try(self, variants: list[str]) -> Solution | None:
        if len(variants) == len(self.joint):
            # The joint solve has already failed.
            return None
        try:
            return self._solve(variants, self.kept)
        except Unsolved:
            return None

    def _solve_close_to_groups(self, variant: str, groups: list[_Group]) -> Solution:
        versions = dict(self.kept)
        for group in groups:
            versions |= versions_of(group.solution)
        return self._solve_close_to(self.joint[0], versions, variant)

    def _own_solution(self, variant: str, group: _Group) -> Solution:
        """The group's solution, or another one if the variant has other pins or indexes for packages that it needs."""
        needed = self._needed(variant, group.solution)
        if not differing_packages(self.manifest, variant, group.variants, needed):
            return group.solution
        return self._solve_close_to(group.variants[0], versions_of(group.solution), variant)

    def _solve_close_to(self, lead: str, versions: Mapping[str, str], variant: str) -> Solution:
        """A solution for ``variant`` alone that prefers ``versions``, those of ``lead``."""
        preferences = own_preferences(self.old, variant, lead, versions, self.kept)
        return self._solve([variant], preferences)

    # -- guarantee 2: one version -------------------------------------------------------

    def _check_agreement(self, lead: str, first: Solution, variant: str, second: Solution) -> None:
        """Check that the variants differ only in packages where a pin of one of them is the cause (guarantee 2)."""
        differing = self._unpinned_differences(lead, first, variant, second)
        lead_versions = [f"{name}=={versions[0]}" for name, versions in differing.items()]
        # The pins are the cause if, without them, the variant could have the lead's versions.
        if not differing or self._fits_without_pins(variant, lead_versions):
            return
        # Not all at once, but perhaps each by itself: a pin of one package may decide the version of another.
        faults = []
        for name, (mine, other) in differing.items():
            if self._fits_without_pins(variant, [f"{name}=={mine}"]):
                continue
            if self._fits_without_pins(lead, [f"{name}=={other}"]):
                continue
            hint = f'to let them differ: [variants.{variant}] pins = {{ {name} = "{other}" }}'
            message = f"{lead} needs {name} {mine}, {variant} needs {name} {other}"
            faults.append(Fault(message, hint=hint, path=("variants", variant)))
        if faults:
            raise NoResolution.of(faults)

    def _unpinned_differences(
        self, lead: str, first: Solution, variant: str, second: Solution
    ) -> dict[str, tuple[str, str]]:
        """The packages that both need in different versions, though neither pins them and no index lists them."""
        manifest = self.manifest
        pinned = manifest.variants[lead].pins.keys() | manifest.variants[variant].pins.keys()
        shared = self._needed(lead, first) & self._needed(variant, second)
        differing = {}
        for name in sorted(shared - pinned - manifest.listed):
            versions = (first.packages[name].version, second.packages[name].version)
            if versions[0] != versions[1]:
                differing[name] = versions
        return differing

    def _fits_without_pins(self, variant: str, constraints: list[str]) -> bool:
        """Whether ``variant``, without its own pins, has a solution with ``constraints``."""
        request = request_for(
            self.manifest,
            [variant],
            self.engine.indexes,
            {},
            offline=self.engine.offline,
            own_pins=False,
            extra_constraints=[*constraints, *self.engine.bounds, *self._exclusions.reasons],
        )
        try:
            self.engine.resolver.solve(request)
        except NoResolution:
            return False
        return True

    # -- one solve ----------------------------------------------------------------------

    def _solve(self, variants: list[str], preferences: Mapping[str, str]) -> Solution:
        """A solution in which every package runs on the target's Python, and that fits the files to be installed.

        A resolver may have read another file of a release than the one that gets installed. Then it is given the
        metadata of the installed file, and solves again.

        Raises:
            Unsolved: there is no solution.
        """
        self.engine.progress.step(f"resolving {', '.join(variants)} with {self.engine.resolver.name}")
        while True:
            request = request_for(
                self.manifest,
                variants,
                self.engine.indexes,
                preferences,
                offline=self.engine.offline,
                extra_constraints=self.engine.bounds,
                known=self._known,
            )
            solution = self._exclusions.solve(request, partial(self._answer, variants))
            misread = self._misread(variants, solution)
            if not misread:
                return solution
            self._known |= misread

    def _answer(self, variants: list[str], request: Request) -> Solution:
        """The resolver's answer, with the files that get installed."""
        try:
            solution = self.engine.resolver.solve(request)
        except NoResolution as error:
            faults = self._blocked(variants, request, error)
            if faults:
                raise NoResolution.of(faults) from error
            raise self._unsolved(variants, error) from error
        unread = self._choices.unread(solution)
        if unread:
            self.engine.progress.step(f"reading the metadata of {unread} packages")
        solution = mark_yanked(solution, request, self.engine.metadata)
        return self._choices.settle(solution, request)

    def _misread(self, variants: list[str], solution: Solution) -> dict[str, CoreMetadata]:
        """If the installed files need what ``solution`` lacks: the metadata that the resolver did not read.

        Raises:
            ToolFailed: other files of the same release do not explain the difference.
        """
        try:
            needed_nodes(self.reader(solution), versions_of(solution), self._requirements(variants))
        except ToolFailed:
            ambiguous = self._choices.ambiguous
            names = [name for name in solution.packages if name in ambiguous]
            fresh = {name: ambiguous[name] for name in names if self._known.get(name) != ambiguous[name]}
            # Without new metadata, the resolver would give the same answer forever.
            if not fresh:
                raise
            return fresh
        return {}

    def _blocked(self, variants: list[str], request: Request, error: NoResolution) -> list[Fault]:
        """A fault for each package in the resolver's reason that has no permitted index in these variants."""
        reason = _reason(error)
        named = [name for name in sorted(request.blocked) if _names(reason, name)]
        return [no_index_fault(self.manifest, variants[0], name) for name in named]

    def _unsolved(self, variants: list[str], error: NoResolution) -> Unsolved:
        """The resolver's faults, with the versions that were excluded before: they may be the cause."""
        excluded = "".join(f"\n{reason}" for reason in self._exclusions.reasons.values())
        unsolved = Unsolved.of([replace(fault, reason=(fault.reason or "") + excluded) for fault in error.faults])
        unsolved.variants = tuple(variants)
        return unsolved

    # -- what the images need -----------------------------------------------------------

    def _requirements(self, variants: Iterable[str]) -> tuple[Dependency, ...]:
        return dependencies_on(self.manifest.target, declared_requirements(self.manifest, variants))

    def _needed(self, variant: str, solution: Solution) -> set[str]:
        requirements = self._requirements([variant])
        return set(needed_nodes(self.reader(solution), versions_of(solution), requirements))


def _reason(error: NoResolution) -> str:
    return "\n".join(fault.reason or fault.message for fault in error.faults)


def _names(text: str, package: str) -> bool:
    """Whether ``text`` contains the name of ``package``, but not as a part of a longer name."""
    # Without the boundaries, `torch` would match `torch-geometric`.
    return re.search(rf"(?<![\w.-]){re.escape(package)}(?![\w-])", text) is not None
