"""What a lock holds beside what images hold: the tools that install and build, and what files come to on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.lock import File, Lock, Package, ToolSet
from lockgen.core.manifest import Manifest
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request, Resolved, Resolver, Solution
from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.index.ports import Artifacts, MetadataSource
from lockgen.lock.file_choices import with_yanked
from lockgen.lock.requests import blocked_names, order_of_variants, rules_of

Asks = dict[str, tuple[str, ...]]
"""What building a package requires, by its pin."""

INSTALLER = "uv"
"""What installs in an image being built; no image holds it."""


@dataclass(frozen=True)
class BuildToolResolver:
    """Completes locks. ``upgrade`` takes the newest tools; else those of the old lock are kept where they fit."""

    resolver: Resolver
    artifacts: Artifacts
    metadata: MetadataSource
    progress: Progress
    indexes: Mapping[str, ExplicitIndex] = field(default_factory=dict)
    offline: bool = False
    upgrade: bool = False
    opened: frozenset[str] = frozenset()
    recorded: frozenset[str] = frozenset()

    def complete(self, manifest: Manifest, lock: Lock, solutions: Mapping[str, Solution], old: Lock | None) -> Lock:
        """``lock`` with its tools, and with the installed size of each file that an image installs.

        Raises:
            NoResolution: what the builds require does not go together.
            ToolFailed: a source distribution does not build, or nobody could say.
        """
        return _Completion(self, manifest, lock, old).run(solutions)


@dataclass
class _Completion:
    """One lock being completed. ``asks`` is what its builds require, once `_build` has read it."""

    tooling: BuildToolResolver
    manifest: Manifest
    lock: Lock
    old: Lock | None
    asks: Asks = field(default_factory=dict)

    def run(self, solutions: Mapping[str, Solution]) -> Lock:
        """See `BuildToolResolver.complete`."""
        best = _best_files(solutions)
        request = self._request((), (INSTALLER,), {})
        sizes = self._build(best)
        sets = self._sets()
        tools = [resolved for found in sets for resolved in found.resolved if resolved.files]
        tool_files = {r.files[0].name: r.files[0] for r in tools if r.index not in self.tooling.recorded}
        sizes |= {r.files[0].name: r.files[0].installed for r in tools if r.files[0].installed is not None}
        wheels = [file for name, file in sorted({**best, **tool_files}.items()) if self._is_measured(name, file)]
        sizes |= self._measured(wheels, request)
        sizes |= {file.name: file.installed for file in best.values() if file.installed is not None}
        first, *more = ([_sized(_tool(r), sizes) for r in found.resolved] for found in sets)
        return replace(
            self.lock,
            packages=tuple(_sized(package, sizes) for package in self.lock.packages),
            tools=tuple(first),
            more_tools=tuple(ToolSet(found.builds, tuple(o)) for found, o in zip(sets[1:], more, strict=True)),
        )

    def _is_measured(self, key: str, file: IndexFile) -> bool:
        return file.name.endswith(".whl") and not self._is_recorded(key)

    def _is_recorded(self, key: str) -> bool:
        """Whether it comes from a record, of which no network is asked: every machine must come to the same lock."""
        return key.rpartition(" ")[2] in self.tooling.recorded

    def _build(self, best: Mapping[str, IndexFile]) -> dict[str, int]:
        """Builds what has no wheel: what each wheel comes to, in bytes. What the builds require goes to ``asks``."""
        sizes: dict[str, int] = {}
        for package in sorted((p for p in self.lock.packages if p.built), key=lambda package: package.sort_key):
            file = best[_best_key(package)]
            if not sizes:
                self.tooling.progress.step("building what has no wheel, to learn what that takes")
            request = self._request((package.pin,), (), {})
            needs = self.tooling.artifacts.build_needs(file, request)
            sizes[file.name] = needs.installed
            self.asks[package.pin] = tuple(sorted({_spelled(text, package) for text in needs.requires}))
        return sizes

    def _sets(self) -> list[_Set]:
        """One set that installs and builds everything, else as few as a greedy walk in the order of names finds.

        The installer is in the first alone. What the old lock builds with one set stays with it where it fits: a new
        release of a backend moves nothing.

        Raises:
            NoResolution: a package cannot be built whatever it is built with, or there is no installer.
        """
        self.tooling.progress.step(f"resolving what installs and builds with {self.tooling.resolver.name}")
        old, asks = self.old, self.asks
        homes = {} if old is None or self.tooling.upgrade else _homes(asks, old)
        apart = bool(homes) and old is not None and {p.pin for p in old.packages if p.built} == asks.keys()
        if not apart or set(homes.values()) == {1}:
            joint = _Set((INSTALLER,), tuple(asks))
            if (solved := self._try(joint)) is not None:
                return [solved]
        self.tooling.progress.step("the builds require what does not go together; resolving them apart")
        sets = {1: self._solved(_Set((INSTALLER,), ()))}
        for pin in sorted(asks, key=lambda pin: homes.get(pin, len(asks) + 2)):
            self._place(pin, homes.get(pin), sets)
        return list(sets.values())

    def _place(self, pin: str, home: int | None, sets: dict[int, _Set]) -> None:
        """Adds ``pin`` to the set that it is at home in, else to the first that it goes together with, else to none."""
        tried = sorted(sets, key=lambda number: (number != home, number)) if home is None or home in sets else []
        for number in tried:
            if (solved := self._try(sets[number].with_build(pin))) is not None:
                sets[number] = solved
                return
        number = home if home is not None and home not in sets else max(sets) + 1
        sets[number] = self._solved(_Set((), (pin,)))

    def _try(self, wanted: _Set) -> _Set | None:
        try:
            return self._solved(wanted)
        except NoResolution:
            if len(wanted.builds) + len(wanted.installs) == 1:
                raise
            return None

    def _solved(self, wanted: _Set) -> _Set:
        texts = {text for pin in wanted.builds for text in self.asks[pin]} | set(wanted.installs)
        preferences = {} if self.tooling.upgrade else _kept(wanted, self.old)
        opened = {name: version for name, version in preferences.items() if name not in self.tooling.opened}
        request = self._request(wanted.builds, texts, opened)
        try:
            solution = self.tooling.resolver.solve(request)
        except NoResolution as error:
            raise NoResolution.of([_unbuildable(wanted, self.asks, fault) for fault in error.faults]) from error
        if faults := _divided(self.manifest, _variants_of(self.manifest, self.lock, wanted.builds), wanted, solution):
            raise NoResolution.of(faults)
        solution = with_yanked(solution, request, self.tooling.metadata)
        return replace(wanted, resolved=tuple(package for _, package in sorted(solution.packages.items())))

    def _measured(self, files: list[IndexFile], request: Request) -> dict[str, int]:
        known = {file.sha256: file.installed for file in _files_of(self.old) if file.installed is not None}
        sizes = {file.name: known[file.sha256] for file in files if file.sha256 in known}
        missing = [file for file in files if file.name not in sizes]
        if missing:
            self.tooling.progress.step(f"measuring {len(missing)} wheels")
            sizes |= self.tooling.artifacts.installed(missing, request)
        return sizes

    def _request(
        self,
        builds: tuple[str, ...],
        requirements: Iterable[str],
        preferences: Mapping[str, str],
    ) -> Request:
        """What a build of the pins ``builds`` requires comes from where the images that hold them take it from."""
        manifest = self.manifest
        by_variant = self.lock.by_variant
        variants = _variants_of(manifest, self.lock, builds)
        pins, routes = rules_of(manifest, variants)
        listed = sorted(manifest.listed)
        held = {name: by_variant[v][name].version for v in variants for name in listed if name in by_variant[v]}
        cut_off = manifest.exclude_newer
        return Request(
            family=manifest.family,
            target=manifest.target,
            requirements=tuple(sorted(requirements)),
            # What is compiled against another torch than the image's does not load there.
            constraints=tuple(f"{name}=={pins[name]}" for name in listed if name in pins),
            routes=dict(sorted(routes.items())),
            indexes={name: self.tooling.indexes[name] for name in sorted(set(routes.values()))},
            preferences=dict(sorted({**held, **preferences}.items())),
            build=frozenset(),
            exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
            offline=self.tooling.offline,
            blocked=blocked_names(manifest, variants, routes),
        )


@dataclass(frozen=True, slots=True)
class _Set:
    """Tools that go together: what they install with, the pins that they build, and what was resolved for that."""

    installs: tuple[str, ...]
    builds: tuple[str, ...]
    resolved: tuple[Resolved, ...] = ()

    def with_build(self, pin: str) -> _Set:
        return replace(self, builds=(*self.builds, pin))


def _variants_of(manifest: Manifest, lock: Lock, builds: tuple[str, ...]) -> list[str]:
    """The variants whose images hold a package of the pins ``builds``, the lead first; without any all of them."""
    order = order_of_variants(manifest)
    holding = {variant for package in lock.packages if package.pin in builds for variant in package.variants}
    return [variant for variant in order if variant in holding] or order


def _divided(manifest: Manifest, variants: list[str], wanted: _Set, solution: Solution) -> list[Fault]:
    """The listed tools that the images of ``variants`` take from different indexes: no set of tools has both."""
    faults = []
    for name in sorted(manifest.listed & solution.packages.keys()):
        places = {variant: manifest.index_of(name, variant) for variant in variants}
        names = sorted({index.name if index is not None else "the default index" for index in places.values()})
        if len(names) > 1:
            who = ", ".join(wanted.builds) or INSTALLER
            message = (
                f"{who} is built for variants that take {name}, which the build requires, from {' and '.join(names)}"
            )
            hint = "pin another version of it for one of the variants: then each is built with its own"
            faults.append(Fault(message, hint=hint, path=("variants", variants[-1])))
    return faults


def _homes(asks: Asks, old: Lock) -> dict[str, int]:
    """The number of the set that the old lock builds each package with, whatever its version was."""
    numbers = {package.name: old.tools_for(package) for package in old.packages if package.built}
    names = {pin: pin.partition("==")[0] for pin in asks}
    return {pin: numbers[name] for pin, name in names.items() if name in numbers}


def _kept(wanted: _Set, old: Lock | None) -> dict[str, str]:
    """The versions of the old tools that did the same work: those that install, else that built one of the packages."""
    if old is None:
        return {}
    names = {pin.partition("==")[0] for pin in wanted.builds}
    held: list[tuple[Package, ...]] = [old.tools] if wanted.installs else []
    held += [tools.packages for tools in old.more_tools if names & {pin.partition("==")[0] for pin in tools.builds}]
    return {tool.name: tool.version for tool in held[0]} if held else {}


def _unbuildable(wanted: _Set, asks: Asks, fault: Fault) -> Fault:
    who: dict[str, list[str]] = {}
    for pin in wanted.builds:
        for text in asks[pin]:
            who.setdefault(text, []).append(pin)
    lines = "\n".join(f"{text}  required to build {', '.join(pins)}" for text, pins in sorted(who.items()))
    what = f"build {', '.join(wanted.builds)}" if wanted.builds else f"install ({INSTALLER})"
    return Fault(
        f"what it takes to {what} has no solution",
        reason=f"{fault.reason or fault.message}\n\n{lines}".strip(),
        hint=fault.hint,
    )


def _best_key(package: Package) -> str:
    return f"{package.name} {package.version} {package.index or ''}"


def _best_files(solutions: Mapping[str, Solution]) -> dict[str, IndexFile]:
    """The file that an image installs, by package, version and index."""
    return {
        f"{r.name} {r.version} {r.index or ''}": r.files[0]
        for solution in solutions.values()
        for r in solution.packages.values()
        if r.files
    }


def _spelled(text: str, package: Package) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ToolFailed(f"{package.pin} asks for {text!r} to be built, which is no requirement") from error
    if requirement.url is not None:
        raise ToolFailed(
            f"{package.pin} asks for {text!r} to be built: a requirement by URL cannot be locked",
            hint="pin a version that has a wheel",
        )
    return str(requirement)


def _tool(resolved: Resolved) -> Package:
    # A tool is installed once, by pip and from a hash: the best file is enough.
    best = resolved.files[:1]
    if not best or not best[0].sha256:
        raise NoResolution(
            f"{resolved.name} {resolved.version}, needed to install and to build, has no hashed wheel for the target"
        )
    files = tuple(File(file.name, file.sha256 or "", file.size) for file in best)
    return Package(canonicalize_name(resolved.name), resolved.version, resolved.index, (), files)


def _files_of(lock: Lock | None) -> Iterable[File]:
    if lock is None:
        return ()
    more = (tool for tools in lock.more_tools for tool in tools.packages)
    return (file for package in (*lock.packages, *lock.tools, *more) for file in package.files)


def _sized(package: Package, sizes: Mapping[str, int]) -> Package:
    return replace(package, files=tuple(replace(file, installed=sizes.get(file.name)) for file in package.files))
