"""Which releases of torch, torchaudio and torchvision are built for one another, according to their metadata.

Equal versions are not a reliable sign: recent torchaudio releases require no torch at all, and torchvision has version
numbers that differ. So the partner of torch X is a release that requires exactly torch X. A release that requires a
range of versions, or no torch, is a partner of none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.compat_axes import TORCH, Member, Pairs, TorchRelease
from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.parsing import parse_requirement, parse_version, parse_wheel_filename

OLDEST = parse_version("2.1.0")
"""The first torch release in the table."""

_LINUX = re.compile(r"(manylinux\w*|linux)_x86_64")
_CPYTHON = re.compile(r"cp(\d)(\d+)")
# The CUDA runtime came as nvidia-cuda-runtime-cu12, then without the suffix, then as an extra of cuda-toolkit.
_CUDA = re.compile(r"nvidia-cuda-runtime(-cu\d+)?|cuda-toolkit")

WheelsByVersion = Mapping[Version, list[IndexFile]]
"""The wheels of each release, sorted by name."""


@dataclass(frozen=True)
class SeenReleases:
    """The releases of one package on an index: all wheels, and the metadata of one wheel per version."""

    wheels: tuple[str, ...]
    metadata: Mapping[Version, CoreMetadata]

    @classmethod
    def of(cls, wheels: WheelsByVersion, metadata: Mapping[str, CoreMetadata]) -> SeenReleases:
        """``metadata`` maps file names to metadata; a release without any has no partners."""
        names: list[str] = []
        by_version: dict[Version, CoreMetadata] = {}
        for version, files in wheels.items():
            names += [file.name for file in files]
            last = representative(files).name
            if last in metadata:
                by_version[version] = metadata[last]
        return cls(tuple(names), by_version)


def representative(wheels: list[IndexFile]) -> IndexFile:
    """The wheel whose metadata stands for its release. Wheels for other Python versions should require the same."""
    return wheels[-1]


def wheels_of(files: Iterable[IndexFile]) -> dict[Version, list[IndexFile]]:
    """The wheels for 64-bit x86 Linux, by version without its local part. Pre-releases and yanked files are omitted."""
    found: dict[Version, list[IndexFile]] = {}
    for file in sorted(files, key=lambda file: file.name):
        version = _version(file.name)
        if version is not None and file.yanked is None:
            found.setdefault(version, []).append(file)
    return found


def _version(name: str) -> Version | None:
    """The public version in a wheel's name; None if it is not a wheel of a release for Linux."""
    try:
        _, version, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    if version.is_prerelease:
        return None
    if not any(_runs_on_linux(tag) for tag in tags):
        return None
    return parse_version(version.public)


def _runs_on_linux(tag: Tag) -> bool:
    return tag.platform == "any" or _LINUX.fullmatch(tag.platform) is not None


def pythons_of(names: Iterable[str]) -> tuple[str, ...]:
    """The CPython versions that have a wheel among ``names``."""
    found: set[tuple[int, int]] = set()
    for name in names:
        _, _, _, tags = parse_wheel_filename(name)
        for tag in tags:
            match = _CPYTHON.fullmatch(tag.interpreter)
            # "cp313t" is the ABI of free-threaded builds, which an ordinary CPython cannot import.
            if match is not None and not tag.abi.endswith("t"):
                found.add((int(match[1]), int(match[2])))
    # Sorted as numbers: 3.9 is older than 3.10.
    return tuple(f"{major}.{minor}" for major, minor in sorted(found))


def pair_up(family: Mapping[str, SeenReleases]) -> dict[str, TorchRelease]:
    """The pair table of one index. ``family`` maps each package of torch's family to its releases."""
    pythons = {name: _pythons_by_version(seen.wheels) for name, seen in family.items()}
    partners = {name: _partners(seen.metadata) for name, seen in family.items()}
    table: dict[str, TorchRelease] = {}
    for version, metadata in sorted(family[TORCH].metadata.items()):
        if version < OLDEST:
            continue
        # torch does not require itself, so it is not among its partners.
        members = {TORCH: _member(version, pythons[TORCH])}
        for name in family:
            if name != TORCH:
                partner = partners[name].get(version)
                members[name] = _member(partner, pythons[name])
        table[str(version)] = TorchRelease(members, accelerator_of(metadata))
    return table


def _member(version: Version | None, pythons: Mapping[Version, tuple[str, ...]]) -> Member:
    if version is None:
        return Member(None)
    return Member(str(version), pythons.get(version))


def pairs_of_record(record: ExplicitIndex) -> Pairs:
    """The pair table of one explicit index, from its metadata."""
    family: dict[str, SeenReleases] = {}
    for name in FAMILY:
        page = record.pages.get(name, ProjectPage(name, ()))
        family[name] = SeenReleases.of(wheels_of(page.files), record.metadata)
    return pair_up(family)


def _pythons_by_version(wheels: Iterable[str]) -> dict[Version, tuple[str, ...]]:
    names: dict[Version, list[str]] = {}
    for name in wheels:
        _, version, _, _ = parse_wheel_filename(name)
        public = parse_version(version.public)
        names.setdefault(public, []).append(name)
    return {version: pythons_of(found) for version, found in names.items()}


def _partners(metadata: Mapping[Version, CoreMetadata]) -> dict[Version, Version]:
    """Torch's version to the newest release that requires exactly it."""
    found: dict[Version, Version] = {}
    # In ascending order, so that a newer partner replaces an older one.
    for version, entry in sorted(metadata.items()):
        for need in _needs(entry):
            torch = _exact_version(need.specifier)
            if torch is not None and canonicalize_name(need.name) == TORCH:
                found[torch] = version
    return found


def _exact_version(specifier: SpecifierSet) -> Version | None:
    """The public version that ``specifier`` requires; None if it allows several."""
    bounds = list(specifier)
    if len(bounds) != 1:
        return None
    bound = bounds[0]
    if bound.operator != "==" or "*" in bound.version:
        return None
    return parse_version(parse_version(bound.version).public)


def accelerator_of(torch: CoreMetadata) -> str | None:
    """The accelerator of a torch release: "cu121" if it requires nvidia-cuda-runtime-cu12 12.1.105.

    None if its requirements do not name one.
    """
    for need in _needs(torch):
        if not _CUDA.fullmatch(canonicalize_name(need.name)):
            continue
        for bound in need.specifier:
            if bound.operator == "==":
                # cuda-toolkit is required as "==13.2.*".
                major, minor = parse_version(bound.version.removesuffix(".*")).release[:2]
                return f"cu{major}{minor}"
    return None


def _needs(metadata: CoreMetadata) -> Iterable[Requirement]:
    for line in metadata.requires:
        try:
            yield parse_requirement(line)
        # Old releases have lines that PEP 508 does not allow.
        except InvalidRequirement:
            continue
