"""Which files of a page the target can use, and in which order installers prefer them: one rule for everything."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.utils import (
    InvalidSdistFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from lockgen.core.index import IndexFile
from lockgen.core.target import Target

BuildTag = tuple[int, str]
"""The number and the letters of a wheel's build tag: (2, "a"). A wheel without one has (-1, "")."""

_NO_BUILD_TAG: BuildTag = (-1, "")


@lru_cache(maxsize=1 << 16)
def wheel_rank(name: str, target: Target) -> int | None:
    """How good the wheel ``name`` is for ``target``: 0 is the best tag, None means that it does not run there.

    A session of many questions sees the same thousand names in every answer.
    """
    try:
        tags = parse_wheel_filename(name)[3]
    except ValueError:  # a name that no wheel has, or a build tag with more digits than int() reads
        return None
    return min((target.ranks[tag] for tag in tags if tag in target.ranks), default=None)


@lru_cache(maxsize=1 << 16)
def build_tag(name: str) -> BuildTag:
    """The build tag of the wheel ``name``. Tags are compared as numbers: 10 is newer than 9."""
    return parse_wheel_filename(name)[2] or _NO_BUILD_TAG


def identity(name: str) -> tuple[NormalizedName, Version]:
    """Package and version that the file ``name`` (a wheel's or a source distribution's) is of."""
    return parse_wheel_filename(name)[:2] if name.endswith(".whl") else parse_sdist_filename(name)


def is_sdist(name: str) -> bool:
    try:
        parse_sdist_filename(name)
    except InvalidSdistFilename:
        return False
    return True


def usable_files(
    project: str, files: Iterable[IndexFile], target: Target, build: frozenset[str]
) -> tuple[IndexFile, ...]:
    """The wheels that run on ``target``; the source distributions instead where ``build`` names ``project``.

    The first is the one that is installed. The order is that of uv, which installs the images: files that are not
    yanked (PEP 592), then the best tag (PEP 425), then the highest build tag, then the name. pip agrees where the
    tags and the build tags differ, except that it prefers ``linux_x86_64`` to manylinux tags; as only one file's
    hash is locked where files differ, it installs the same one.
    """
    if project in build:
        return tuple(sorted((file for file in files if is_sdist(file.name)), key=_yanked_then_name))
    ranks = {file.name: rank for file in files if (rank := wheel_rank(file.name, target)) is not None}
    wheels = sorted((file for file in files if file.name in ranks), key=lambda file: file.name)
    # A sort keeps the order of equals, so the least important criterion comes first.
    wheels.sort(key=lambda file: build_tag(file.name), reverse=True)
    wheels.sort(key=lambda file: (file.yanked is not None, ranks[file.name]))
    return tuple(wheels)


def best_files(files: Iterable[IndexFile]) -> tuple[IndexFile, ...]:
    """Of ``files`` in the order of `usable_files` the first of each version."""
    best: dict[Version, IndexFile] = {}
    for file in files:
        best.setdefault(identity(file.name)[1], file)
    return tuple(best.values())


def _yanked_then_name(file: IndexFile) -> tuple[bool, str]:
    return file.yanked is not None, file.name
