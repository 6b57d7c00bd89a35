"""Which file of each package gets installed, and which metadata counts (guarantee 12).

A release may have several files that the target can use, and their metadata may differ. Installers take the first in
the order of `usable_files` whose Requires-Python admits the target's Python. Its metadata counts, and another file may
replace it only where its metadata is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.core.target import Target
from lockgen.errors import ToolFailed
from lockgen.index.ports import MetadataSource
from lockgen.lock.keys import FileKey


@dataclass
class FileChoices:
    """Settles solutions: reads the metadata of their files, each file once, and chooses one file per package."""

    source: MetadataSource
    ambiguous: dict[str, CoreMetadata] = field(default_factory=dict)
    """Packages of the solutions so far whose files differ in metadata, with the metadata of the chosen file."""
    _metadata: dict[FileKey, CoreMetadata] = field(default_factory=dict)

    def settle(self, solution: Solution, request: Request) -> Solution:
        """``solution`` with only those files that have the metadata of the installed file, which comes first.

        Raises:
            ToolFailed: the metadata of a file that would be installed cannot be read.
        """
        self._read(solution.packages.values(), request)
        settled = {name: self._settled(package, request.target) for name, package in solution.packages.items()}
        return Solution(settled)

    def metadata(self, package: Resolved) -> CoreMetadata:
        """The metadata of the first file of a settled ``package``. Without files, it has no dependencies."""
        if not package.files:
            return CoreMetadata(package.name, package.version)
        return self._metadata[FileKey(package.index, package.files[0].name)]

    def unread(self, solution: Solution) -> int:
        """How many packages of ``solution`` have a first file whose metadata has not been read yet."""
        count = 0
        for package in solution.packages.values():
            if package.files and FileKey(package.index, package.files[0].name) not in self._metadata:
                count += 1
        return count

    # -- choosing ---------------------------------------------------------------------

    def _settled(self, package: Resolved, target: Target) -> Resolved:
        if len(package.files) < 2:
            return package
        if not package.files[0].name.endswith(".whl"):
            # Reading a second source distribution would build it.
            return replace(package, files=package.files[:1])
        table = self._known_metadata(package)
        readable = [file for file in package.files if file.name in table]
        chosen = _chosen(package.files[0], readable, table, target)
        alike = [file for file in readable if _same(table[file.name], table[chosen.name])]
        if len(alike) < len(readable):
            self.ambiguous[package.name] = table[chosen.name]
        if chosen.yanked is None:
            # uv installs a yanked file of a pinned version where it is the best one whose hash is locked.
            alike = [file for file in alike if file.yanked is None]
        # The sort is stable: behind the chosen file, the order of `usable_files` stays.
        alike.sort(key=lambda file: file != chosen)
        return replace(package, files=tuple(alike))

    def _known_metadata(self, package: Resolved) -> dict[str, CoreMetadata]:
        """The metadata of the files of ``package``, by file name. Unreadable files are missing."""
        table = {}
        for file in package.files:
            key = FileKey(package.index, file.name)
            if key in self._metadata:
                table[file.name] = self._metadata[key]
        return table

    # -- reading ----------------------------------------------------------------------

    def _read(self, packages: Iterable[Resolved], request: Request) -> None:
        first: list[IndexFile] = []
        others: list[IndexFile] = []
        for package in packages:
            if package.index is not None:
                self._take_from_index(package, request)
                continue
            for file in self._missing(package):
                if file == package.files[0]:
                    first.append(file)
                else:
                    others.append(file)
        if first or others:
            for name, metadata in self._fetched(first, others, request).items():
                self._metadata[FileKey(None, name)] = metadata

    def _take_from_index(self, package: Resolved, request: Request) -> None:
        """Copy the metadata that an explicit index came with: nothing is fetched for it."""
        if package.index is None:
            return
        table = request.indexes[package.index].metadata
        for file in package.files:
            if file.name in table:
                self._metadata[FileKey(package.index, file.name)] = table[file.name]

    def _missing(self, package: Resolved) -> list[IndexFile]:
        """The files whose metadata has to be fetched: all wheels, or one source distribution if there are none."""
        wheels = [file for file in package.files if file.name.endswith(".whl")]
        candidates = wheels or package.files[:1]
        return [file for file in candidates if FileKey(None, file.name) not in self._metadata]

    def _fetched(self, first: list[IndexFile], others: list[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """The metadata of ``first`` and, where they are readable, of ``others``, by file name."""
        try:
            return self.source.read([*first, *others], request)
        except ToolFailed:
            # One of `others` may be broken: no installer would take it, so it does no harm. Offline, it may only be
            # missing from the cache, and the lock must not depend on the cache.
            if request.offline or not others:
                raise
        return self.source.read(first, request)


def _chosen(best: IndexFile, readable: list[IndexFile], table: Mapping[str, CoreMetadata], target: Target) -> IndexFile:
    """The file that installers take. If the target's Python admits none of them, it is ``best``."""
    for file in readable:
        if target.admits(table[file.name].requires_python):
            return file
    return best


def _same(one: CoreMetadata, other: CoreMetadata) -> bool:
    """Whether both mean the same to an installer. The order of lines does not matter."""
    return (
        one.requires_python == other.requires_python
        and sorted(one.requires) == sorted(other.requires)
        and sorted(one.extras) == sorted(other.extras)
    )


# -- yanked files ---------------------------------------------------------------------


def mark_yanked(solution: Solution, request: Request, source: MetadataSource) -> Solution:
    """``solution`` with the yanked files of each package marked, and sorted behind the others (PEP 592).

    Index pages are read only where this can change the installed file: for packages with several files, from a
    resolver that does not report which are yanked.

    Raises:
        ToolFailed: an index page cannot be read.
    """
    unclear = {name: package for name, package in solution.packages.items() if _is_unclear(package)}
    if not unclear:
        return solution
    yanked = source.yanked(sorted(unclear), request)
    marked = {name: _marked(package, yanked) for name, package in unclear.items()}
    return Solution({**solution.packages, **marked})


def _is_unclear(package: Resolved) -> bool:
    # Only a file read from an index page (``vouched``) says whether it is yanked.
    return len(package.files) > 1 and not all(file.vouched for file in package.files)


def _marked(package: Resolved, yanked: frozenset[str]) -> Resolved:
    files = [replace(file, yanked="") if file.name in yanked else file for file in package.files]
    # The sort is stable: files that are not yanked keep the order of `usable_files`.
    files.sort(key=lambda file: file.yanked is not None)
    return replace(package, files=tuple(files))
