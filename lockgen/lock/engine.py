"""From a manifest to a lock: one joint solve, cut, and a solve of its own for a variant that goes its own way.

Everything outside comes in through ports; this module reads and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lockgen.core.index import CoreMetadata, ExplicitIndex
from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request, Resolver, Solution
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.index.ports import Artifacts, MetadataSource
from lockgen.lock.build_tools import BuildToolResolver
from lockgen.lock.file_choices import Choices, with_yanked
from lockgen.lock.graph import Reader, asked_on, reach
from lockgen.lock.lock_builder import check_hashes, make_lock, no_index_fault
from lockgen.lock.requests import (
    asks_of,
    differs,
    kept_versions,
    order_of_variants,
    own_preferences,
    request_for,
    together,
    versions_of,
)


@dataclass(frozen=True)
class Engine:
    """What a resolution works with. ``opened`` are the packages to take anew; ``upgrade`` opens all.

    ``bounds`` (PEP 508) hold besides the pins, for this one time.

    Without ``artifacts`` a lock holds no tools and no installed sizes.
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
            NoResolution: there is none; its ``variants`` says which solve failed.
            ToolFailed: a resolver or an index could not say, or a file changed its hash.
        """
        run = _LockRun(self, manifest, old)
        solutions = run.solve()
        run.note_unknown_extras(solutions)
        lock = make_lock(manifest, inputs, solutions, {name: run.reader(solutions[name]) for name in solutions})
        check_hashes(old, lock, None if self.upgrade else self.opened)
        if self.artifacts is None:
            return lock
        recorded = frozenset(name for name, index in self.indexes.items() if index.recorded)
        tooling = BuildToolResolver(
            self.resolver,
            self.artifacts,
            self.metadata,
            self.progress,
            self.indexes,
            self.offline,
            self.upgrade,
            self.opened,
            recorded,
        )
        return tooling.complete(manifest, lock, solutions, old)


class Unsolved(NoResolution):
    """No solution for the images of ``variants``."""

    variants: tuple[str, ...] = ()


class _LockRun:
    def __init__(self, engine: Engine, manifest: Manifest, old: Lock | None) -> None:
        self.engine = engine
        self.manifest = manifest
        self.old = old
        self.order = together(manifest)
        self.apart = [name for name in order_of_variants(manifest) if name not in self.order]
        self.kept = kept_versions(old, [*self.order, *self.apart], engine.upgrade, engine.opened)
        self._choices = Choices(engine.metadata)
        self._readers: dict[int, tuple[Solution, Reader]] = {}
        self._unfit: dict[str, str] = {}
        self._known: dict[str, CoreMetadata] = {}

    def solve(self) -> dict[str, Solution]:
        """A solution for each variant that has images."""
        solutions: dict[str, Solution] = {}
        groups = self._groups()
        for group, joint in groups:
            for variant in group:
                solutions[variant] = self._own(variant, group, joint)
        lead = groups[0][0][0]
        for group, _ in groups[1:]:
            for variant in group:
                self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        for variant in self.apart:
            preferences = own_preferences(self.old, variant, lead, versions_of(solutions[lead]), self.kept)
            solutions[variant] = self._ask([variant], preferences)
            self._check_agreement(lead, solutions[lead], variant, solutions[variant])
        return solutions

    def note_unknown_extras(self, solutions: Mapping[str, Solution]) -> None:
        """An extra that a package does not have asks for nothing, as with pip and uv; it is told as they tell it."""
        notes = []
        for variant, solution in solutions.items():
            reader = self.reader(solution)
            for ask in asked_on(self.manifest.target, asks_of(self.manifest, [variant])):
                lacking = [extra for extra in ask.extras if not reader.has_extra(ask.name, extra)]
                notes += [f"{ask.name} {solution.packages[ask.name].version} has no extra `{x}`" for x in lacking]
        for note in dict.fromkeys(notes):
            self.engine.progress.note(note)

    def _own(self, variant: str, group: list[str], joint: Solution) -> Solution:
        """The joint solution where it holds for ``variant`` as it is, else one with the variant's own pins."""
        if not differs(self.manifest, variant, group, self._needed(variant, joint)):
            return joint
        preferences = own_preferences(self.old, variant, group[0], versions_of(joint), self.kept)
        return self._ask([variant], preferences)

    def _groups(self) -> list[tuple[list[str], Solution]]:
        """All variants in one solve if they agree; else as few solves as a greedy walk finds, the lead's first."""
        try:
            return [(self.order, self._ask(self.order, self.kept))]
        except Unsolved:
            if len(self.order) == 1:
                raise
        self.engine.progress.step("the variants have no joint solution; solving them apart")
        groups: list[tuple[list[str], Solution]] = []
        for variant in self.order:
            versions = {name: v for _, solution in groups for name, v in versions_of(solution).items()}
            for position, (group, _) in enumerate(groups):
                if (joined := self._try([*group, variant])) is not None:
                    groups[position] = ([*group, variant], joined)
                    break
            else:
                preferences = own_preferences(self.old, variant, self.order[0], {**self.kept, **versions}, self.kept)
                groups.append(([variant], self._ask([variant], preferences)))
        return groups

    def _try(self, group: list[str]) -> Solution | None:
        if len(group) == len(self.order):
            return None
        try:
            return self._ask(group, self.kept)
        except Unsolved:
            return None

    def _check_agreement(self, lead: str, first: Solution, variant: str, second: Solution) -> None:
        """Law 2: two variants may differ in a package only where a pin of theirs makes them."""
        shared = self._needed(lead, first) & self._needed(variant, second)
        own = {
            *self.manifest.variants[lead].pins,
            *self.manifest.variants[variant].pins,
            *self.manifest.listed,
        }
        versions = {n: (first.packages[n].version, second.packages[n].version) for n in sorted(shared - own)}
        differing = {name: pair for name, pair in versions.items() if pair[0] != pair[1]}
        if not differing or self._fits_without_pins(variant, [f"{n}=={mine}" for n, (mine, _) in differing.items()]):
            return
        faults = []
        for name, (mine, theirs) in differing.items():
            if not (
                self._fits_without_pins(variant, [f"{name}=={mine}"])
                or self._fits_without_pins(lead, [f"{name}=={theirs}"])
            ):
                hint = f'to let them differ: [variants.{variant}] pins = {{ {name} = "{theirs}" }}'
                message = f"{lead} needs {name} {mine}, {variant} needs {name} {theirs}"
                faults.append(Fault(message, hint=hint, path=("variants", variant)))
        if faults:
            raise NoResolution.of(faults)

    def _fits_without_pins(self, variant: str, constraints: list[str]) -> bool:
        request = request_for(
            self.manifest,
            [variant],
            self.engine.indexes,
            {},
            offline=self.engine.offline,
            own_pins=False,
            extra_constraints=[*constraints, *self.engine.bounds, *self._unfit],
        )
        try:
            self.engine.resolver.solve(request)
        except NoResolution:
            return False
        return True

    def _ask(self, variants: list[str], preferences: Mapping[str, str]) -> Solution:
        """A solution in which every package runs on the target's Python, and which the files that it installs meet.

        uv heeds only the lower bound of Requires-Python (uv#4022), pip the whole: what pip would refuse in the image
        is left out, and the rest solved again. Where a resolver read another file of a release than the one that gets
        installed, it is given the metadata of that one, and asked again.
        """
        self.engine.progress.step(f"resolving {', '.join(variants)} with {self.engine.resolver.name}")
        while True:
            request = self._request(variants, preferences)
            try:
                solution = self.engine.resolver.solve(request)
            except NoResolution as error:
                if faults := self._blocked(variants, request, error):
                    raise NoResolution.of(faults) from error
                raise self._unsolved(variants, error) from error
            solution = self._settled(solution, request)
            unfit = self._unfit_of(solution)
            misread = self._misread(variants, solution) if not unfit else {}
            if not unfit and not misread:
                return solution
            self._unfit |= unfit
            self._known |= misread

    def _settled(self, solution: Solution, request: Request) -> Solution:
        if unread := self._choices.unread(solution):
            self.engine.progress.step(f"reading the metadata of {unread} packages")
        return self._choices.settle(with_yanked(solution, request, self.engine.metadata), request)

    def _misread(self, variants: list[str], solution: Solution) -> dict[str, CoreMetadata]:
        """Where the installed files need what ``solution`` lacks: the metadata of those of which there are others.

        Raises:
            ToolFailed: that does not explain it.
        """
        asks = asked_on(self.manifest.target, asks_of(self.manifest, variants))
        try:
            reach(self.reader(solution), versions_of(solution), asks)
        except ToolFailed:
            ambiguous = {name: found for name, found in self._choices.ambiguous.items() if name in solution.packages}
            fresh = {name: found for name, found in ambiguous.items() if self._known.get(name) != found}
            if not fresh:
                raise
            return fresh
        return {}

    def _blocked(self, variants: list[str], request: Request, error: NoResolution) -> list[Fault]:
        """What is needed of the listed packages that these variants may take from nowhere."""
        text = "\n".join(fault.reason or fault.message for fault in error.faults)
        named = [n for n in sorted(request.blocked) if re.search(rf"(?<![\w.-]){re.escape(n)}(?![\w-])", text)]
        return [no_index_fault(self.manifest, variants[0], name) for name in named]

    def _unfit_of(self, solution: Solution) -> dict[str, str]:
        """The packages of ``solution`` that its Python may not install: a constraint against each, and why."""
        python = self.manifest.target.python
        reader = self.reader(solution)
        return {
            f"{name}!={package.version}": f"{name} {package.version} was left out: its Requires-Python is "
            f"{reader.requires_python(name)}, and the family is for Python {python}"
            for name, package in solution.packages.items()
            if not self.manifest.target.admits(reader.requires_python(name))
        }

    def _unsolved(self, variants: list[str], error: NoResolution) -> Unsolved:
        notes = "".join(f"\n{note}" for note in self._unfit.values())
        unsolved = Unsolved.of([replace(f, reason=(f.reason or "") + notes) for f in error.faults])
        unsolved.variants = tuple(variants)
        return unsolved

    def _request(self, variants: list[str], preferences: Mapping[str, str]) -> Request:
        return request_for(
            self.manifest,
            variants,
            self.engine.indexes,
            preferences,
            offline=self.engine.offline,
            extra_constraints=[*self.engine.bounds, *self._unfit],
            known=self._known,
        )

    def _needed(self, variant: str, solution: Solution) -> set[str]:
        asks = asked_on(self.manifest.target, asks_of(self.manifest, [variant]))
        return set(reach(self.reader(solution), versions_of(solution), asks))

    def reader(self, solution: Solution) -> Reader:
        """The needs of every package of ``solution``, from the metadata of its best file."""
        known = self._readers.get(id(solution))
        if known is None:
            metadata = {name: self._choices.metadata(package) for name, package in solution.packages.items()}
            known = (solution, Reader(self.manifest.target, metadata))
            self._readers[id(solution)] = known
        return known[1]
