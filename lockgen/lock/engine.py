"""From a manifest to a lock: one joint solve for all variants, and separate solves where their pins differ.

`Engine.resolve` runs in this order: find solutions (`_LockRun`, which calls `variant_solver.py` for each solve), reduce
them to what the images need and check them (`lock_builder.py`), compare hashes with the old lock, and add build tools
and sizes (`build_tools.py`). All effects come in through ports: this module reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from lockgen.core.index import ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Resolver, Solution
from lockgen.errors import Fault, NoResolution
from lockgen.index.ports import Artifacts, MetadataSource
from lockgen.lock.agreement import Names, OtherVersions, unexplained
from lockgen.lock.build_tools import BuildToolResolver
from lockgen.lock.graph import admits
from lockgen.lock.lock_builder import check_hashes, make_lock
from lockgen.lock.requests import (
    differing_packages,
    joint_variants,
    kept_versions,
    order_of_variants,
    own_preferences,
    versions_of,
)
from lockgen.lock.variant_solver import Unsolved, VariantSolver


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
    unknown_extras: list[str] = field(default_factory=list)
    """A sentence for each requested extra that its package does not have. Filled by `resolve`."""

    def resolve(self, manifest: Manifest, inputs: Mapping[str, str], old: Lock | None) -> Lock:
        """The family's lock.

        Raises:
            NoResolution: no solution exists. If it is an Unsolved, its ``variants`` are those that failed.
            ToolFailed: a resolver or an index failed, or a file has another hash than in the old lock.
        """
        solver = self._solver(manifest)
        run = _LockRun(solver, self, old)
        solutions = run.solve()
        self.unknown_extras[:] = run.unknown_extras(solutions)
        readers = {variant: solver.reader(solution) for variant, solution in solutions.items()}
        lock = make_lock(manifest, inputs, solutions, readers)
        check_hashes(old, lock, None if self.upgrade else self.opened)
        if self.artifacts is None:
            return lock
        return self._build_tools(self.artifacts).complete(manifest, lock, solutions, old)

    def _solver(self, manifest: Manifest) -> VariantSolver:
        return VariantSolver(
            manifest,
            self.resolver,
            self.metadata,
            self.indexes,
            self.progress,
            self.offline,
            self.bounds,
        )

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


@dataclass
class _Group:
    """Variants that are solved together, the lead first, and their solution."""

    variants: list[str]
    solution: Solution


class _LockRun:
    """The solutions of one resolution."""

    def __init__(self, solver: VariantSolver, engine: Engine, old: Lock | None) -> None:
        self._solver = solver
        self._progress = engine.progress
        self._manifest = solver.manifest
        self._old = old
        order = order_of_variants(self._manifest)
        self._joint = joint_variants(self._manifest)
        self._separate = [name for name in order if name not in self._joint]
        # The lead comes first: its old versions win where variants had different ones.
        self._kept = kept_versions(old, [*self._joint, *self._separate], engine.upgrade, engine.opened)

    def solve(self) -> dict[str, Solution]:
        """A solution for each variant that has images.

        Raises:
            Unsolved: some variants have no solution.
            NoResolution: variants need different versions of a package that no pin separates.
        """
        # The separate variants come last: they prefer the versions of the lead.
        solutions: dict[str, Solution] = {}
        groups = self._groups()
        for group in groups:
            for variant in group.variants:
                solutions[variant] = self._own_solution(variant, group)
        lead = groups[0].variants[0]
        for group in groups[1:]:
            for variant in group.variants:
                self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        for variant in self._separate:
            solutions[variant] = self._solve_close_to(lead, versions_of(solutions[lead]), variant)
            self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        return solutions

    def unknown_extras(self, solutions: Mapping[str, Solution]) -> list[str]:
        """A sentence for each requested extra that its package does not have. Like pip and uv, it is ignored."""
        # A dict as an ordered set: several variants usually have the same sentence.
        found: dict[str, None] = {}
        for variant, solution in solutions.items():
            reader = self._solver.reader(solution)
            for need in self._solver.requirements([variant]):
                version = solution.packages[need.name].version
                for extra in need.extras:
                    if not reader.has_extra(need.name, extra):
                        found[f"{need.name} {version} has no extra `{extra}`"] = None
        return list(found)

    # -- groups of variants -----------------------------------------------------------

    def _groups(self) -> list[_Group]:
        """One group if the variants have a joint solution; else as few as a greedy search finds, the lead's first."""
        try:
            return [_Group(self._joint, self._solver.solve(self._joint, self._kept))]
        except Unsolved:
            if len(self._joint) == 1:
                raise
        self._progress.step("the variants have no joint solution; solving them separately")
        groups: list[_Group] = []
        for variant in self._joint:
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
        if len(variants) == len(self._joint):
            # The joint solve has already failed.
            return None
        try:
            return self._solver.solve(variants, self._kept)
        except Unsolved:
            return None

    def _solve_close_to_groups(self, variant: str, groups: list[_Group]) -> Solution:
        # The versions of all earlier groups are preferred, so that the groups differ as little as possible.
        versions = dict(self._kept)
        for group in groups:
            versions |= versions_of(group.solution)
        return self._solve_close_to(self._joint[0], versions, variant)

    def _own_solution(self, variant: str, group: _Group) -> Solution:
        """The group's solution, or another one if the variant has other pins or indexes for packages that it needs."""
        # In a joint solve the lead's pins win, also for the other variants.
        needed = self._solver.needed(variant, group.solution)
        if not differing_packages(self._manifest, variant, group.variants, needed):
            return group.solution
        return self._solve_close_to(group.variants[0], versions_of(group.solution), variant)

    def _solve_close_to(self, lead: str, versions: Mapping[str, str], variant: str) -> Solution:
        """A solution for ``variant`` alone that prefers ``versions``, those of ``lead``."""
        preferences = own_preferences(self._old, variant, lead, versions, self._kept)
        return self._solver.solve([variant], preferences)

    # -- guarantee 2: one version -------------------------------------------------------

    def _check_agreement(self, lead: str, first: Solution, variant: str, second: Solution) -> None:
        """Check that the variants differ only in packages where a pin of one of them is the cause (guarantee 2)."""
        of_lead: dict[str, str] = {}
        of_variant: dict[str, str] = {}
        for name, versions in self._unpinned_differences(lead, first, variant, second).items():
            of_lead[name], of_variant[name] = versions
        seen_by_variant = self._seen_by(variant, of_lead)
        seen_by_lead = self._seen_by(lead, of_variant)
        faults = []
        for name in unexplained(list(of_lead), seen_by_variant, seen_by_lead):
            own, other = of_variant[name], of_lead[name]
            message = f"{lead} needs {name} {other}, {variant} needs {name} {own}"
            hint = f'to allow both: [variants.{variant}] pins = {{ {name} = "{own}" }}'
            faults.append(Fault(message, hint=hint, path=("variants", variant)))
        if faults:
            raise NoResolution.of(faults)

    def _seen_by(self, variant: str, versions: Mapping[str, str]) -> OtherVersions:
        """``versions``, those of another variant, as ``variant`` sees them."""

        @cache
        def solve(names: Names) -> bool:
            return self._solver.fits_without_pins(variant, [f"{name}=={versions[name]}" for name in names])

        excluded = set()
        for need in self._solver.requirements([variant]):
            if need.name in versions and not admits(need.specifier, versions[need.name]):
                excluded.add(need.name)
        return OtherVersions(frozenset(excluded), solve)

    def _unpinned_differences(
        self, lead: str, first: Solution, variant: str, second: Solution
    ) -> dict[str, tuple[str, str]]:
        """The packages that both need in different versions, though neither pins them and no index lists them."""
        manifest = self._manifest
        pinned = manifest.variants[lead].pins.keys() | manifest.variants[variant].pins.keys()
        shared = self._solver.needed(lead, first) & self._solver.needed(variant, second)
        differing = {}
        for name in sorted(shared - pinned - manifest.listed):
            versions = (first.packages[name].version, second.packages[name].version)
            if versions[0] != versions[1]:
                differing[name] = versions
        return differing
