"""Completes a lock: adds the tools that install and build, and the installed size of each file that images install.

The order matters. Source distributions are built first, as only their build reveals its requirements. These determine
the sets of tools (`tool_sets.py`). Only then are all wheels known whose installed size has to be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from lockgen.core.index import ExplicitIndex, IndexFile
from lockgen.core.lock import File, Lock, Package, ToolSet
from lockgen.core.manifest import Manifest
from lockgen.core.parsing import parse_requirement
from lockgen.core.ports import Progress
from lockgen.core.resolution import Resolved, Resolver, Solution
from lockgen.core.words import counted
from lockgen.errors import NoResolution, ToolFailed
from lockgen.index.ports import Artifacts, MetadataSource
from lockgen.lock.keys import FileKey, PackageKey
from lockgen.lock.tool_sets import INSTALLER, BuildRequirements, ResolvedTools, ToolRequests, ToolSetSearch

Sizes = dict[str, int]
"""Installed sizes in bytes, by file name."""


@dataclass(frozen=True)
class BuildToolResolver:
    """Completes locks. ``upgrade`` takes the latest tools; otherwise the old lock's are kept where they fit.

    ``recorded`` are the names of indexes whose records are in the project: the network is never used for them.
    """

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
            NoResolution: the build requirements of a package conflict, or the installer cannot be resolved.
            ToolFailed: a source distribution does not build, or a tool failed.
        """
        requests = ToolRequests(manifest, lock, self.indexes, self.offline)
        image_files = _image_files(solutions)
        required, sizes = self._ask_backends(manifest, lock, image_files, requests, old)
        search = ToolSetSearch(
            self.resolver, self.metadata, self.progress, requests, required, old, self.upgrade, self.opened
        )
        tool_sets = search.find()
        tools = _first_files(tool_sets)
        sizes |= _recorded_sizes(tools.values())
        sizes |= self._measure(self._wheels(image_files, tools), requests, old)
        sizes |= _recorded_sizes(image_files.values())
        return _completed(lock, tool_sets, sizes)

    def _ask_backends(
        self,
        manifest: Manifest,
        lock: Lock,
        image_files: Mapping[PackageKey, IndexFile],
        requests: ToolRequests,
        old: Lock | None,
    ) -> tuple[BuildRequirements, Sizes]:
        """The build requirements of every package that has no wheel, and the sizes of the results.

        A wheel is built only for a budget: a build may take minutes, and need what only the image has.
        """
        measured = _has_budget(manifest)
        known = _known_sizes(old)
        required: dict[str, tuple[str, ...]] = {}
        sizes: Sizes = {}
        built = [package for package in lock.packages if package.built]
        if built:
            self.progress.step("reading the build requirements of packages that have no wheel")
        for package in sorted(built, key=lambda package: package.sort_key):
            file = image_files[PackageKey(package.name, package.version, package.index)]
            request = requests.request((package.pin,), ())
            needs = self.artifacts.build_needs(file, request, measured=measured)
            size = needs.installed if needs.installed is not None else known.get(file.sha256 or "")
            if size is not None:
                sizes[file.name] = size
            spelled = {_spelled(text, package) for text in needs.requires}
            required[package.pin] = tuple(sorted(spelled))
        return required, sizes

    def _wheels(
        self, image_files: Mapping[PackageKey, IndexFile], tools: Mapping[FileKey, IndexFile]
    ) -> list[IndexFile]:
        """The wheels to measure. Those of recorded indexes have the size that the record states, or none."""
        # Every machine must make the same lock, even one that cannot reach these indexes (guarantee 5).
        files = {FileKey(key.index_name, file.name): file for key, file in image_files.items()}
        files.update(tools)
        wheels = []
        for key, file in files.items():
            if file.name.endswith(".whl") and key.index_name not in self.recorded:
                wheels.append(file)
        return sorted(wheels, key=lambda file: file.name)

    def _measure(self, wheels: list[IndexFile], requests: ToolRequests, old: Lock | None) -> Sizes:
        """The installed sizes of ``wheels``: from the old lock where it has the same file, else measured."""
        known = _known_sizes(old)
        sizes: Sizes = {}
        missing = []
        for wheel in wheels:
            size = known.get(wheel.sha256 or "")
            if size is None:
                missing.append(wheel)
            else:
                sizes[wheel.name] = size
        if missing:
            self.progress.step(f"measuring {counted(len(missing), 'wheel')}")
            sizes |= self.artifacts.installed(missing, requests.request((), (INSTALLER,)))
        return sizes


def _has_budget(manifest: Manifest) -> bool:
    budgets = [manifest.budget, *(image.budget for image in manifest.images.values())]
    return any(budget.image is not None or budget.layer is not None for budget in budgets)


def _image_files(solutions: Mapping[str, Solution]) -> dict[PackageKey, IndexFile]:
    """The file of each package that images install: the first."""
    # Not by name alone: variants may have different versions, or builds from different indexes.
    found = {}
    for solution in solutions.values():
        for package in solution.packages.values():
            if package.files:
                found[PackageKey(package.name, package.version, package.index)] = package.files[0]
    return found


def _first_files(tool_sets: Iterable[ResolvedTools]) -> dict[FileKey, IndexFile]:
    """The file of each tool that gets installed: the first."""
    found = {}
    for tools in tool_sets:
        for tool in tools.packages:
            if tool.files:
                found[FileKey(tool.index, tool.files[0].name)] = tool.files[0]
    return found


def _recorded_sizes(files: Iterable[IndexFile]) -> Sizes:
    """The sizes that a record states."""
    return {file.name: file.installed for file in files if file.installed is not None}


def _known_sizes(old: Lock | None) -> dict[str, int]:
    """The installed sizes in the old lock, by sha256: names are not enough, as a file may have been replaced."""
    sizes: dict[str, int] = {}
    if old is None:
        return sizes
    for package in (*old.packages, *old.all_tools):
        for file in package.files:
            if file.installed is not None:
                sizes[file.sha256] = file.installed
    return sizes


def _spelled(text: str, package: Package) -> str:
    """The build requirement ``text`` of ``package`` in one spelling.

    Raises:
        NoResolution: it is one by URL.
        ToolFailed: it is not a valid requirement.
    """
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement as error:
        raise ToolFailed(f"the build of {package.pin} requires {text!r}, which is not a valid requirement") from error
    # What a URL serves may change, and offline installs have no index entry for it.
    if requirement.url is not None:
        raise NoResolution(
            f"the build of {package.pin} requires {text!r}: a requirement by URL cannot be locked",
            hint="pin a version that has a wheel, or one whose build requires it by name",
        )
    return str(requirement)


# -- the completed lock ------------------------------------------------------------------


def _completed(lock: Lock, tool_sets: list[ResolvedTools], sizes: Sizes) -> Lock:
    first, *more = tool_sets
    more_tools = [ToolSet(tools.purpose.builds, _tools(tools, sizes)) for tools in more]
    return replace(
        lock,
        packages=tuple(_sized(package, sizes) for package in lock.packages),
        tools=_tools(first, sizes),
        more_tools=tuple(more_tools),
    )


def _tools(tools: ResolvedTools, sizes: Sizes) -> tuple[Package, ...]:
    return tuple(_sized(_tool(package), sizes) for package in tools.packages)


def _tool(resolved: Resolved) -> Package:
    # Tools are installed while images are built, by pip and from a hash: the best file is enough.
    best = resolved.files[0] if resolved.files else None
    if best is None or not best.sha256:
        raise NoResolution(f"the build tool {resolved.name} {resolved.version} has no wheel with a hash for the target")
    file = File(best.name, best.sha256, best.size)
    return Package(
        name=canonicalize_name(resolved.name),
        version=resolved.version,
        index=resolved.index,
        # Images do not contain tools.
        variants=(),
        files=(file,),
    )


def _sized(package: Package, sizes: Sizes) -> Package:
    files = tuple(replace(file, installed=sizes.get(file.name)) for file in package.files)
    return replace(package, files=files)
