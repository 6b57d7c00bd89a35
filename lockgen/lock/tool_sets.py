"""Sets of build tools: the packages that install in images and that build source distributions.

One set serves the whole family where it can. Builds whose requirements conflict (setuptools<60, setuptools>=70) get
further sets, as few as a greedy search finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import NamedTuple

from lockgen.core.index import ExplicitIndex
from lockgen.core.lock import Lock, Package
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import BUILD_BACKENDS, Request, Resolved, Resolver, Solution
from lockgen.errors import Fault, NoResolution
from lockgen.index.ports import MetadataSource
from lockgen.lock.file_choices import mark_yanked
from lockgen.lock.requests import blocked_names, order_of_variants, pins_and_routes

INSTALLER = "uv"
"""The package that installs all others while an image is built. No image contains it."""

BuildRequirements = Mapping[str, tuple[str, ...]]
"""What the build of each package requires (PEP 508), by the package's pin."""


@dataclass(frozen=True, slots=True)
class ToolPurpose:
    """What a set of tools is for: the installers that it contains, and the pins that it builds."""

    installs: tuple[str, ...]
    builds: tuple[str, ...]

    def with_build(self, pin: str) -> ToolPurpose:
        return replace(self, builds=(*self.builds, pin))

    @property
    def is_single(self) -> bool:
        return len(self.installs) + len(self.builds) == 1

    def requirements(self, required: BuildRequirements) -> set[str]:
        """Everything that the set has to contain (PEP 508)."""
        found = set(self.installs)
        for pin in self.builds:
            found.update(required[pin])
        return found


class ResolvedTools(NamedTuple):
    """A set of tools: its purpose, and its packages sorted by name."""

    purpose: ToolPurpose
    packages: tuple[Resolved, ...]


class ToolRequests(NamedTuple):
    """Makes requests for tools. Build requirements come from the same indexes as the packages of the images."""

    manifest: Manifest
    lock: Lock
    indexes: Mapping[str, ExplicitIndex]
    offline: bool

    def request(
        self, builds: tuple[str, ...], requirements: Iterable[str], preferences: Mapping[str, str] | None = None
    ) -> Request:
        """A request for tools that build the pins ``builds``."""
        manifest = self.manifest
        variants = self.variants_of(builds)
        pins, routes = pins_and_routes(manifest, variants)
        # An extension compiled against another torch than the image's does not load there.
        # A build backend has the version that the sources were built with when they were resolved.
        fixed = sorted(manifest.listed | BUILD_BACKENDS)
        constraints = [f"{name}=={pins[name]}" for name in fixed if name in pins]
        preferred = {**self._listed_versions(variants), **(preferences or {})}
        cut_off = manifest.exclude_newer
        return Request(
            family=manifest.family,
            target=manifest.target,
            requirements=tuple(sorted(requirements)),
            constraints=tuple(constraints),
            routes=dict(sorted(routes.items())),
            indexes={name: self.indexes[name] for name in sorted(set(routes.values()))},
            preferences=dict(sorted(preferred.items())),
            # Tools are wheels: a tool that has to be built would need tools itself.
            build=frozenset(),
            exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
            offline=self.offline,
            blocked=blocked_names(manifest, variants, routes),
        )

    def variants_of(self, builds: tuple[str, ...]) -> list[str]:
        """The variants that contain a package of the pins ``builds``, the lead first. Without any, all variants."""
        # The lead first: in a request its pins and indexes win.
        order = order_of_variants(self.manifest)
        containing: set[str] = set()
        for package in self.lock.packages:
            if package.pin in builds:
                containing.update(package.variants)
        return [variant for variant in order if variant in containing] or order

    def _listed_versions(self, variants: list[str]) -> dict[str, str]:
        """The locked versions of the listed packages. If variants differ, the last one's counts."""
        versions = {}
        for variant in variants:
            packages = self.lock.by_variant[variant]
            for name in self.manifest.listed & packages.keys():
                versions[name] = packages[name].version
        return versions


@dataclass(frozen=True)
class ToolSetSearch:
    """Finds the sets of tools for a lock. ``required`` are the build requirements of its packages.

    The sets of the ``old`` lock stay as they are where they still fit: a new release of a build backend changes
    nothing. ``upgrade`` ignores the old sets, and the versions of ``opened`` packages are not kept.
    """

    resolver: Resolver
    metadata: MetadataSource
    progress: Progress
    requests: ToolRequests
    required: BuildRequirements
    old: Lock | None = None
    upgrade: bool = False
    opened: frozenset[str] = frozenset()

    def find(self) -> list[ResolvedTools]:
        """One set that installs and builds everything, or else several. Only the first contains the installer.

        Raises:
            NoResolution: a package cannot be built with any tools, or the installer cannot be resolved.
        """
        self.progress.step(f"resolving build tools with {self.resolver.name}")
        homes = self._old_numbers()
        if not self._was_split(homes):
            joint = self._try(ToolPurpose((INSTALLER,), tuple(self.required)))
            if joint is not None:
                return [joint]
        self.progress.step("build requirements conflict; resolving several sets of build tools")
        sets = {1: self._solve(ToolPurpose((INSTALLER,), ()))}
        # Packages with a set in the old lock come first: a new package must not take their place.
        behind_all = len(self.required) + 2
        for pin in sorted(self.required, key=lambda pin: homes.get(pin, behind_all)):
            self._place(pin, homes.get(pin), sets)
        return list(sets.values())

    def _old_numbers(self) -> dict[str, int]:
        """The number of the old lock's set that builds each package, regardless of the package's version."""
        if self.old is None or self.upgrade:
            return {}
        # By name: a new version of a package usually has the same build requirements.
        numbers = {package.name: self.old.tools_for(package) for package in self.old.packages if package.built}
        found = {}
        for pin in self.required:
            name = _name_of(pin)
            if name in numbers:
                found[pin] = numbers[name]
        return found

    def _was_split(self, homes: Mapping[str, int]) -> bool:
        """Whether the old lock builds the same pins with several sets: then one set is not tried again."""
        if self.old is None or not homes:
            return False
        old_pins = {package.pin for package in self.old.packages if package.built}
        return old_pins == self.required.keys() and set(homes.values()) != {1}

    def _place(self, pin: str, home: int | None, sets: dict[int, ResolvedTools]) -> None:
        """Add ``pin`` to the set with the number ``home``, or else to the first set that it fits, or to a new one."""
        # The first package of an old set opens it again, under the same number.
        if home is not None and home not in sets:
            sets[home] = self._solve(ToolPurpose((), (pin,)))
            return
        for number in sorted(sets, key=lambda number: (number != home, number)):
            joined = self._try(sets[number].purpose.with_build(pin))
            if joined is not None:
                sets[number] = joined
                return
        sets[max(sets) + 1] = self._solve(ToolPurpose((), (pin,)))

    def _try(self, purpose: ToolPurpose) -> ResolvedTools | None:
        """The tools for ``purpose``, None if they conflict."""
        try:
            return self._solve(purpose)
        except NoResolution:
            # Nothing is left to separate, so the error is final.
            if purpose.is_single:
                raise
            return None

    def _solve(self, purpose: ToolPurpose) -> ResolvedTools:
        request = self.requests.request(purpose.builds, purpose.requirements(self.required), self._kept(purpose))
        try:
            solution = self.resolver.solve(request)
        except NoResolution as error:
            faults = [_unbuildable(purpose, self.required, fault) for fault in error.faults]
            raise NoResolution.of(faults) from error
        faults = self._divided(purpose, solution)
        if faults:
            raise NoResolution.of(faults)
        solution = mark_yanked(solution, request, self.metadata)
        return ResolvedTools(purpose, tuple(package for _, package in sorted(solution.packages.items())))

    def _kept(self, purpose: ToolPurpose) -> dict[str, str]:
        """The versions to prefer: those of the old tools that had the same purpose."""
        if self.old is None or self.upgrade:
            return {}
        # The resolver may still choose other versions: the preferences are not constraints.
        tools = _old_tools(purpose, self.old)
        return {tool.name: tool.version for tool in tools if tool.name not in self.opened}

    def _divided(self, purpose: ToolPurpose, solution: Solution) -> list[Fault]:
        """The listed tools that the variants take from different indexes: one set cannot contain both builds."""
        manifest = self.requests.manifest
        variants = self.requests.variants_of(purpose.builds)
        faults = []
        for name in sorted(manifest.listed & solution.packages.keys()):
            indexes = {manifest.index_of(name, variant) for variant in variants}
            labels = sorted(index.name if index is not None else "the default index" for index in indexes)
            if len(labels) > 1:
                built = ", ".join(purpose.builds) or INSTALLER
                message = f"the build of {built} requires {name}, which its variants take from {' and '.join(labels)}"
                hint = "pin another version of it for one of the variants, so that each is built with its own tools"
                faults.append(Fault(message, hint=hint, path=("variants", variants[-1])))
        return faults


def _name_of(pin: str) -> str:
    return pin.partition("==")[0]


def _old_tools(purpose: ToolPurpose, old: Lock) -> tuple[Package, ...]:
    """The old set that installs, if ``purpose`` does; else the first one that built one of its packages."""
    if purpose.installs:
        return old.tools
    names = {_name_of(pin) for pin in purpose.builds}
    for tools in old.more_tools:
        if names & {_name_of(pin) for pin in tools.builds}:
            return tools.packages
    return ()


def _unbuildable(purpose: ToolPurpose, required: BuildRequirements, fault: Fault) -> Fault:
    """A resolver's fault, with the packages whose builds have the requirements."""
    required_by: dict[str, list[str]] = {}
    for pin in purpose.builds:
        for text in required[pin]:
            required_by.setdefault(text, []).append(pin)
    lines = [f"{text}  required to build {', '.join(pins)}" for text, pins in sorted(required_by.items())]
    reason = "\n".join([fault.reason or fault.message, "", *lines])
    if purpose.builds:
        message = f"the requirements to build {', '.join(purpose.builds)} have no solution"
    else:
        message = f"the installer, {INSTALLER}, has no solution"
    return Fault(message, reason=reason.strip(), hint=fault.hint)
