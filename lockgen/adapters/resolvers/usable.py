"""Which files of a page the target can use: the same rule for every resolver."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from lockgen.model.target import Target
from lockgen.ports import IndexFile


@lru_cache(maxsize=1 << 16)
def wheel_rank(name: str, target: Target) -> int | None:
    """How good the wheel ``name`` is for ``target``: 0 is the best tag, None means that it does not run there.

    A session of many questions sees the same thousand names in every answer.
    """
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return None
    return min((target.ranks[tag] for tag in tags if tag in target.ranks), default=None)


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
    """The wheels that run on ``target``, best first; the source distributions instead where ``build`` names it."""
    if project in build:
        return tuple(sorted((file for file in files if is_sdist(file.name)), key=lambda file: file.name))
    ranked = [(rank, file.name, file) for file in files if (rank := wheel_rank(file.name, target)) is not None]
    return tuple(file for _, _, file in sorted(ranked, key=lambda entry: entry[:2]))
