"""What a lock holds beside what images hold: the tools that install and build, and what files come to on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lockgen.errors import Fault, NoResolution, ToolFailed
from lockgen.model.lock import File, Lock, Package
from lockgen.model.manifest import Manifest
from lockgen.ports import Artifacts, IndexFile, Progress, Request, Resolved, Resolver, Solution

INSTALLER = "uv"
"""What installs in an image being built; no image holds it."""


@dataclass(frozen=True)
class Tooling:
    """Completes locks. ``upgrade`` takes the newest tools; else those of the old lock are kept where they fit."""

    resolver: Resolver
    artifacts: Artifacts
    progress: Progress
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
        best = _best_files(solutions)
        request = self._request(manifest, (INSTALLER,), {})
        sizes, asks = self._built(lock, best, request)
        tools, tool_files = self._tools(manifest, asks, old)
        named = sorted({**best, **tool_files}.items())
        wheels = [file for name, file in named if file.name.endswith(".whl") and not self._is_recorded(name)]
        sizes |= self._measured(wheels, old, request)
        sizes |= {file.name: file.installed for _, file in named if file.installed is not None}
        packages = tuple(_sized(package, sizes) for package in lock.packages)
        return replace(lock, packages=packages, tools=tuple(_sized(tool, sizes) for tool in tools))

    def _is_recorded(self, key: str) -> bool:
        """Whether it comes from a record, of which no network is asked: every machine must come to the same lock."""
        return key.rpartition(" ")[2] in self.recorded

    def _built(
        self, lock: Lock, best: Mapping[str, IndexFile], request: Request
    ) -> tuple[dict[str, int], dict[str, list[str]]]:
        """What the wheels built here come to, and what building each package requires, by the requirement's text."""
        sizes: dict[str, int] = {}
        asks: dict[str, list[str]] = {}
        for package in (package for package in lock.packages if package.built):
            file = best[_best_key(package)]
            if not sizes:
                self.progress.step("building what has no wheel, to learn what that takes")
            needs = self.artifacts.build_needs(file, request)
            sizes[file.name] = needs.installed
            for text in needs.requires:
                asks.setdefault(_spelled(text, package), []).append(package.pin)
        return sizes, asks

    def _tools(
        self, manifest: Manifest, asks: Mapping[str, list[str]], old: Lock | None
    ) -> tuple[list[Package], dict[str, IndexFile]]:
        kept = {} if old is None or self.upgrade else {tool.name: tool.version for tool in old.tools}
        preferences = {name: version for name, version in kept.items() if name not in self.opened}
        self.progress.step(f"resolving what installs and builds with {self.resolver.name}")
        try:
            solution = self.resolver.solve(self._request(manifest, (INSTALLER, *asks), preferences))
        except NoResolution as error:
            who = "\n".join(f"{text}  required to build {', '.join(pins)}" for text, pins in sorted(asks.items()))
            raise NoResolution.of(
                [
                    Fault("no one set of tools installs and builds", reason=f"{f.reason or f.message}\n\n{who}".strip())
                    for f in error.faults
                ]
            ) from error
        tools = [_tool(resolved) for _, resolved in sorted(solution.packages.items())]
        return tools, {f"{name} tool ": r.files[0] for name, r in solution.packages.items() if r.files}

    def _measured(self, files: list[IndexFile], old: Lock | None, request: Request) -> dict[str, int]:
        known = {file.sha256: file.installed for file in _files_of(old) if file.installed is not None}
        sizes = {file.name: known[file.sha256] for file in files if file.sha256 in known}
        missing = [file for file in files if file.name not in sizes]
        if missing:
            self.progress.step(f"measuring {len(missing)} wheels")
            sizes |= self.artifacts.installed(missing, request)
        return sizes

    def _request(self, manifest: Manifest, requirements: Iterable[str], preferences: Mapping[str, str]) -> Request:
        cut_off = manifest.exclude_newer
        return Request(
            family=manifest.family,
            target=manifest.target,
            requirements=tuple(sorted(requirements)),
            constraints=(),
            routes={},
            indexes={},
            preferences=dict(sorted(preferences.items())),
            build=frozenset(),
            exclude_newer=cut_off.astimezone(UTC) if cut_off is not None else None,
            offline=self.offline,
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
    unhashed = [file.name for file in resolved.files if not file.sha256]
    if unhashed or not resolved.files:
        raise NoResolution(
            f"{resolved.name} {resolved.version}, needed to install and to build, has no hashed wheel for the target"
        )
    files = tuple(sorted(File(file.name, file.sha256 or "", file.size) for file in resolved.files))
    return Package(canonicalize_name(resolved.name), resolved.version, resolved.index, (), files)


def _files_of(lock: Lock | None) -> Iterable[File]:
    return () if lock is None else (file for package in (*lock.packages, *lock.tools) for file in package.files)


def _sized(package: Package, sizes: Mapping[str, int]) -> Package:
    return replace(package, files=tuple(replace(file, installed=sizes.get(file.name)) for file in package.files))
