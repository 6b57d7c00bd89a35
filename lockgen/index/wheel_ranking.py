"""Which files of a page the target can use, and the order in which installers prefer them.

Every feature uses this one rule. The lock, the sizes and the images agree on a file only if they all do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.utils import (
    InvalidSdistFilename,
    NormalizedName,
)
from packaging.version import Version

from lockgen.core.index import IndexFile
from lockgen.core.parsing import parse_sdist_filename, parse_wheel_filename
from lockgen.core.target import Target

BuildTag = tuple[int, str]
"""The number and the letters of a wheel's build tag: (2, "a"). A wheel without one has (-1, "")."""

_NO_BUILD_TAG: BuildTag = (-1, "")


# Cached: a series of solves sees the same thousand names in every answer.
@lru_cache(maxsize=1 << 16)
def wheel_rank(name: str, target: Target) -> int | None:
    """The rank of the best tag of the wheel ``name`` on ``target``: 0 is best, None means that it does not run there.

    A name that is not a wheel's has no rank.
    """
    try:
        tags = parse_wheel_filename(name)[3]
    except ValueError:
        # ValueError, not InvalidWheelFilename: a build tag can have more digits than int() accepts.
        return None
    ranks = [target.ranks[tag] for tag in tags if tag in target.ranks]
    return min(ranks, default=None)


@lru_cache(maxsize=1 << 16)
def build_tag(name: str) -> BuildTag:
    """The build tag of the wheel ``name``. Tags are compared as numbers: 10 is newer than 9."""
    tag = parse_wheel_filename(name)[2]
    return tag or _NO_BUILD_TAG


def identity(name: str) -> tuple[NormalizedName, Version]:
    """The package and the version of the wheel or source distribution ``name``."""
    if name.endswith(".whl"):
        return parse_wheel_filename(name)[:2]
    return parse_sdist_filename(name)


def is_sdist(name: str) -> bool:
    """Whether ``name`` is the file name of a source distribution."""
    try:
        parse_sdist_filename(name)
    except InvalidSdistFilename:
        return False
    return True


def usable_files(
    project: str, files: Iterable[IndexFile], target: Target, build: frozenset[str]
) -> tuple[IndexFile, ...]:
    """The wheels that run on ``target``, or the source distributions if ``build`` names ``project``; best first.

    The first file is the one that is installed. The order is that of uv, which installs the images: files that are
    not yanked (PEP 592), then the best tag (PEP 425), then the highest build tag, then the name. pip agrees if the
    tags or the build tags differ, except that it prefers ``linux_x86_64`` to manylinux tags. It still installs the
    same file, because the lock has only one file's hash where files differ.
    """
    if project in build:
        sources = [file for file in files if is_sdist(file.name)]
        return tuple(sorted(sources, key=_yanked_then_name))
    ranks: dict[str, int] = {}
    wheels: list[IndexFile] = []
    for file in files:
        rank = wheel_rank(file.name, target)
        if rank is not None:
            ranks[file.name] = rank
            wheels.append(file)
    # Sorting is stable, so the least important criterion comes first.
    wheels.sort(key=lambda file: file.name)
    wheels.sort(key=lambda file: build_tag(file.name), reverse=True)
    wheels.sort(key=lambda file: (file.yanked is not None, ranks[file.name]))
    return tuple(wheels)


def best_files(files: Iterable[IndexFile]) -> tuple[IndexFile, ...]:
    """The first file of each version, if ``files`` are in the order of `usable_files`."""
    best: dict[Version, IndexFile] = {}
    for file in files:
        version = identity(file.name)[1]
        best.setdefault(version, file)
    return tuple(best.values())


def _yanked_then_name(file: IndexFile) -> tuple[bool, str]:
    return file.yanked is not None, file.name
