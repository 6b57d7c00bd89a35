"""Compare locked files with the pages of their indexes: a file may be gone, yanked, or replaced by another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.lock import File, Lock, Package

Kind = Literal["missing", "yanked", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class FileFinding:
    """A locked file that an installer would refuse or should not take. ``index`` None: the default index."""

    package: str
    version: str
    index: str | None
    file: str
    kind: Kind
    message: str


def all_packages(lock: Lock) -> list[Package]:
    """The locked packages and build tools; a version of an index only once."""
    found = {(package.name, package.version, package.index): package for package in (*lock.packages, *lock.all_tools)}
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1], key[2] or ""))]


def findings(package: Package, page: ProjectPage) -> Iterable[FileFinding]:
    """What is wrong with the files of ``package``, according to the page of its index."""
    offered: Mapping[str, IndexFile] = {file.name: file for file in page.files}
    for file in package.files:
        fault = _fault(file, offered.get(file.name))
        if fault is not None:
            yield FileFinding(package.name, package.version, package.index, file.name, *fault)


def _fault(locked: File, offered: IndexFile | None) -> tuple[Kind, str] | None:
    if offered is None:
        return "missing", "the index no longer lists it"
    if offered.sha256 is None:
        return "unknown", "the index gives no sha256 for it"
    if offered.sha256 != locked.sha256:
        return "changed", f"the index has other bytes: sha256 {offered.sha256}, locked {locked.sha256}"
    if offered.yanked is not None:
        return "yanked", f"it was yanked: {offered.yanked}" if offered.yanked else "it was yanked"
    return None
