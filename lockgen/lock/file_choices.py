"""Which file of each package gets installed, and what its metadata says (guarantee 12).

A release may have several files that the target can use, and their metadata may differ. Installers take the first in
the order of `usable_files` whose Requires-Python admits the target's Python. Its metadata is the one that counts, and
another file may stand for it only where its metadata is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.errors import ToolFailed
from lockgen.index.ports import MetadataSource

FileKey = tuple[str | None, str]
"""The index and the name of a file: two indexes may have different files of one name."""


@dataclass
class Choices:
    """Reads metadata once per file, and settles solutions with it."""

    source: MetadataSource
    ambiguous: dict[str, CoreMetadata] = field(default_factory=dict)
    """Packages of the solutions so far whose files differ in metadata, with the metadata of the chosen file."""
    _metadata: dict[FileKey, CoreMetadata] = field(default_factory=dict)

    def settle(self, solution: Solution, request: Request) -> Solution:
        """``solution`` with only the files of each package that are alike the installed one, that one first.

        Raises:
            ToolFailed: the metadata of a file that would be installed cannot be read.
        """
        self._read(solution.packages.values(), request)
        return Solution({name: self._settled(package, request) for name, package in solution.packages.items()})

    def metadata(self, package: Resolved) -> CoreMetadata:
        """The metadata of the first file of a settled ``package``; of a package without files it says nothing."""
        if not package.files:
            return CoreMetadata(package.name, package.version)
        return self._metadata[package.index, package.files[0].name]

    def unread(self, solution: Solution) -> int:
        """How many packages of ``solution`` have a first file whose metadata was not read yet."""
        firsts = [(package.index, package.files[0].name) for package in solution.packages.values() if package.files]
        return sum(first not in self._metadata for first in firsts)

    def _settled(self, package: Resolved, request: Request) -> Resolved:
        if len(package.files) < 2:
            return package
        if not package.files[0].name.endswith(".whl"):
            # Reading a second source distribution would build it.
            return replace(package, files=package.files[:1])
        table = {
            file.name: self._metadata[package.index, file.name]
            for file in package.files
            if (package.index, file.name) in self._metadata
        }
        known = [file for file in package.files if file.name in table]
        admitted = [file for file in known if request.target.admits(table[file.name].requires_python)]
        chosen = next(iter(admitted), package.files[0])
        alike = [file for file in known if _same(table[file.name], table[chosen.name])]
        if len(alike) < len(known):
            self.ambiguous[package.name] = table[chosen.name]
        if chosen.yanked is None:
            # uv installs a yanked file of a pinned version where it is the best one whose hash is locked.
            alike = [file for file in alike if file.yanked is None]
        alike.sort(key=lambda file: file != chosen)
        return replace(package, files=tuple(alike))

    def _read(self, packages: Iterable[Resolved], request: Request) -> None:
        first: list[IndexFile] = []
        others: list[IndexFile] = []
        for package in packages:
            if package.index is not None:
                table = request.indexes[package.index].metadata
                self._metadata |= {(package.index, f.name): table[f.name] for f in package.files if f.name in table}
                continue
            wheels = [file for file in package.files if file.name.endswith(".whl")]
            missing = [file for file in wheels or package.files[:1] if (None, file.name) not in self._metadata]
            first += [file for file in missing if file == package.files[0]]
            others += [file for file in missing if file != package.files[0]]
        if first or others:
            self._metadata |= {(None, name): found for name, found in self._fetched(first, others, request).items()}

    def _fetched(self, first: list[IndexFile], others: list[IndexFile], request: Request) -> Mapping[str, CoreMetadata]:
        """A file that no installer would take may be broken: then it is left out. Offline nothing is left out: the
        cache may only lack it, and the lock must not depend on that.
        """
        try:
            return self.source.read([*first, *others], request)
        except ToolFailed:
            if request.offline or not others:
                raise
        return self.source.read(first, request)


def with_yanked(solution: Solution, request: Request, source: MetadataSource) -> Solution:
    """``solution`` with the yanked files of each package marked, and after the others (PEP 592).

    Only where that can change which file is installed: in packages with several files from a resolver that does not
    say it.

    Raises:
        ToolFailed: an index page cannot be read.
    """
    unclear = {
        name: package
        for name, package in solution.packages.items()
        if len(package.files) > 1 and not all(file.vouched for file in package.files)
    }
    if not unclear:
        return solution
    yanked = source.yanked(sorted(unclear), request)
    marked = {name: _marked(package, yanked) for name, package in unclear.items()}
    return Solution({**solution.packages, **marked})


def _marked(package: Resolved, yanked: frozenset[str]) -> Resolved:
    files = [replace(file, yanked="") if file.name in yanked else file for file in package.files]
    # The sort keeps the order of equals: that of `usable_files`.
    return replace(package, files=tuple(sorted(files, key=lambda file: file.yanked is not None)))


def _same(one: CoreMetadata, other: CoreMetadata) -> bool:
    """Whether both say the same to an installer; the order of lines says nothing."""
    return (one.requires_python, sorted(one.requires), sorted(one.extras)) == (
        other.requires_python,
        sorted(other.requires),
        sorted(other.extras),
    )
