"""Why a page has no file of a package that a target can use: one judgement for a name, a version or a bound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename
from packaging.version import InvalidVersion, Version

from lockgen.core.index import IndexFile, ProjectPage
from lockgen.core.parsing import parse_version, parse_wheel_filename
from lockgen.core.target import Target
from lockgen.index.wheel_ranking import identity, is_sdist, usable_files


class Lack(Enum):
    """What a page lacks."""

    PROJECT = auto()
    VERSION = auto()
    YANKED = auto()
    WHEEL = auto()
    PYTHON = auto()
    TIMES = auto()
    OLD_ENOUGH = auto()


class Later(NamedTuple):
    """A version that only the cut-off excludes, and when it was uploaded."""

    version: Version
    uploaded: datetime


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why no file fits.

    ``found`` is the best version that fits in name only: the newest one in the bounds. ``newest`` is the newest version
    that the target can use, ``nearest`` are such versions next to a missing one. ``later`` is the first version after
    the cut-off that would do; if nothing else is lacking, it is within the bounds. ``has_source`` says that ``found``
    could be built. ``detail`` is the Requires-Python of ``found``, or what has no wheel.
    """

    lack: Lack
    found: Version | None = None
    newest: Version | None = None
    nearest: tuple[Version, ...] = ()
    later: Later | None = None
    has_source: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Limits:
    """What a file has to fulfil."""

    target: Target
    build: frozenset[str]
    cut_off: datetime | None


def shortage(page: ProjectPage, bounds: SpecifierSet, limits: Limits) -> Shortage | None:
    """Why ``page`` has no usable file within ``bounds``; None if it has one."""
    versions = _by_version(page.files)
    if not versions:
        return Shortage(Lack.PROJECT)
    usable = _usable(page.project, versions, limits)
    newest = max(_final(usable), default=None)
    later = _first(version for version in _later(page.project, versions, limits) if _is_above(version, newest))
    fitting = [version for version in sorted(versions) if bounds.contains(version, prereleases=True)]
    if not fitting:
        return Shortage(Lack.VERSION, newest=newest, nearest=_nearest(bounds, usable), later=later)
    files = [file for version in fitting for file in versions[version]]
    has_source = any(is_sdist(file.name) for file in versions[fitting[-1]])
    for lack, passing in _steps(page.project, files, bounds, limits):
        if not passing:
            if lack is Lack.OLD_ENOUGH:
                within = {version: versions[version] for version in fitting}
                later = _first(_later(page.project, within, limits))
            detail = _detail(lack, files, limits)
            return Shortage(lack, fitting[-1], newest, later=later, has_source=has_source, detail=detail)
        files = passing
    return None


def _by_version(files: Iterable[IndexFile]) -> dict[Version, list[IndexFile]]:
    versions: dict[Version, list[IndexFile]] = {}
    for file in files:
        # Old pages list files whose names no current specification allows.
        with contextlib.suppress(InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
            versions.setdefault(identity(file.name)[1], []).append(file)
    return versions


def _steps(
    project: str, files: Sequence[IndexFile], bounds: SpecifierSet, limits: Limits
) -> Iterable[tuple[Lack, list[IndexFile]]]:
    """What is lacking if no file passes a step, and the files that pass it, in order."""
    # Resolvers take a yanked file if its exact version is named.
    kept = list(files) if _is_exact(bounds) else [file for file in files if file.yanked is None]
    yield Lack.YANKED, kept
    kept = list(usable_files(project, kept, limits.target, limits.build))
    yield Lack.WHEEL, kept
    kept = [file for file in kept if limits.target.admits(file.requires_python)]
    yield Lack.PYTHON, kept
    if limits.cut_off is None:
        return
    kept = [file for file in kept if file.upload_time is not None]
    yield Lack.TIMES, kept
    kept = [file for file in kept if file.upload_time and file.upload_time < limits.cut_off]
    yield Lack.OLD_ENOUGH, kept


def _is_exact(bounds: SpecifierSet) -> bool:
    return any(part.operator in {"==", "==="} and "*" not in part.version for part in bounds)


def _usable(project: str, versions: Mapping[Version, Sequence[IndexFile]], limits: Limits) -> list[Version]:
    """The versions that the target can use."""
    usable: list[Version] = []
    for version, files in versions.items():
        steps = _steps(project, files, SpecifierSet(), limits)
        if all(passing for _, passing in steps):
            usable.append(version)
    return sorted(usable)


def _final(versions: Sequence[Version]) -> Sequence[Version]:
    """``versions`` without pre-releases, unless there is nothing else."""
    return [version for version in versions if not version.is_prerelease] or versions


def _later(project: str, versions: Mapping[Version, Sequence[IndexFile]], limits: Limits) -> list[Later]:
    """The versions that the target could use without a cut-off, but cannot use with it."""
    cut_off = limits.cut_off
    if cut_off is None:
        return []
    found: list[Later] = []
    for version, files in versions.items():
        *_, (_, passing) = _steps(project, files, SpecifierSet(f"=={version}"), replace(limits, cut_off=None))
        times = [file.upload_time for file in passing if file.upload_time is not None]
        if times and min(times) >= cut_off:
            found.append(Later(version, min(times)))
    return found


def _first(versions: Iterable[Later]) -> Later | None:
    """The one that was uploaded first; a pre-release only if there is nothing else."""
    return min(versions, key=lambda later: (later.version.is_prerelease, later.uploaded), default=None)


def _is_above(later: Later, newest: Version | None) -> bool:
    return newest is None or later.version > newest


def _nearest(bounds: SpecifierSet, usable: Sequence[Version]) -> tuple[Version, ...]:
    """The versions on both sides of the exact one in ``bounds``; none if it names no exact version."""
    exact = [part.version for part in bounds if part.operator == "=="]
    if len(exact) != 1 or "*" in exact[0]:
        return ()
    wanted = parse_version(exact[0])
    versions = usable if wanted.is_prerelease else _final(usable)
    below = [version for version in versions if version < wanted]
    above = [version for version in versions if version > wanted]
    return (*below[-1:], *above[:1])


def _detail(lack: Lack, files: Sequence[IndexFile], limits: Limits) -> str:
    """The Requires-Python of the last of ``files``; for wheels, what they are not for."""
    last = files[-1]
    if lack is Lack.WHEEL:
        target = limits.target
        for_python = any(_is_for_python(file, target) for file in files)
        return f"{target.platform} with glibc {target.glibc}" if for_python else f"Python {target.release}"
    if lack is Lack.PYTHON:
        return last.requires_python or ""
    return ""


def _is_for_python(file: IndexFile, target: Target) -> bool:
    """Whether a wheel is for the target's Python, on whatever platform."""
    pythons = {(tag.interpreter, tag.abi) for tag in target.ranks}
    try:
        tags = parse_wheel_filename(file.name)[3]
    except ValueError:
        return False
    return any((tag.interpreter, tag.abi) in pythons for tag in tags)
