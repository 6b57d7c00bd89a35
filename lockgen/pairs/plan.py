"""Which releases of torch's family belong together, as far as their metadata says it.

Equal versions stopped being the rule: torchaudio's last release asks for no torch at all, and torchvision counts for
itself. A partner of torch X is a release that asks for exactly torch X; what asks for a range or nothing is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from lockgen.core.compat_axes import TORCH, Member, TorchRelease
from lockgen.core.index import CoreMetadata, IndexFile

FAMILY = (TORCH, "torchaudio", "torchvision")
OLDEST = Version("2.1.0")

_LINUX = re.compile(r"(manylinux\w*|linux)_x86_64")
_CUDA = re.compile(r"nvidia-cuda-runtime(-cu\d+)?|cuda-toolkit")


@dataclass(frozen=True)
class SeenReleases:
    """What an index has of one package: its wheels, and the metadata of one wheel of each version."""

    wheels: tuple[str, ...]
    metadata: Mapping[Version, CoreMetadata]


def wheels_of(files: Iterable[IndexFile]) -> dict[Version, list[IndexFile]]:
    """The wheels that run on 64-bit Linux, by version without its local part; no pre-release, nothing yanked."""
    found: dict[Version, list[IndexFile]] = {}
    for file in sorted(files, key=lambda file: file.name):
        version = _version(file.name)
        if version is not None and file.yanked is None:
            found.setdefault(version, []).append(file)
    return found


def _version(name: str) -> Version | None:
    try:
        _, version, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    runs = any(_LINUX.fullmatch(tag.platform) or tag.platform == "any" for tag in tags)
    return Version(version.public) if runs and not version.is_prerelease else None


def pythons_of(names: Iterable[str]) -> tuple[str, ...]:
    """The CPythons that have a wheel among ``names``; no free-threaded build counts."""
    found = {
        tuple(map(int, match.groups()))
        for name in names
        for tag in parse_wheel_filename(name)[3]
        if (match := re.fullmatch(r"cp(\d)(\d+)", tag.interpreter)) and not tag.abi.endswith("t")
    }
    return tuple(f"{major}.{minor}" for major, minor in sorted(found))


def pair_up(family: Mapping[str, SeenReleases]) -> dict[str, TorchRelease]:
    """The pair table that one index's own metadata comes to; ``family`` maps each of FAMILY to what was seen."""
    torch = family[TORCH]
    pythons = {name: _by_version(seen.wheels) for name, seen in family.items()}
    partners = {name: _partners(seen.metadata) for name, seen in family.items() if name != TORCH}
    table: dict[str, TorchRelease] = {}
    for version, metadata in sorted(torch.metadata.items()):
        if version < OLDEST:
            continue
        members = {TORCH: Member(str(version), pythons[TORCH].get(version))}
        for name, found in partners.items():
            partner = found.get(version)
            members[name] = Member(str(partner), pythons[name].get(partner)) if partner is not None else Member(None)
        table[str(version)] = TorchRelease(members, accelerator_of(metadata))
    return table


def _by_version(wheels: Iterable[str]) -> dict[Version, tuple[str, ...]]:
    names: dict[Version, list[str]] = {}
    for name in wheels:
        names.setdefault(Version(parse_wheel_filename(name)[1].public), []).append(name)
    return {version: pythons_of(found) for version, found in names.items()}


def _partners(metadata: Mapping[Version, CoreMetadata]) -> dict[Version, Version]:
    """Torch's version to the newest release that asks for exactly it."""
    found: dict[Version, Version] = {}
    for version, entry in sorted(metadata.items()):
        for need in _needs(entry):
            bounds = list(need.specifier)
            exact = len(bounds) == 1 and bounds[0].operator == "==" and "*" not in bounds[0].version
            if canonicalize_name(need.name) == TORCH and exact:
                found[Version(Version(bounds[0].version).public)] = version
    return found


def accelerator_of(torch: CoreMetadata) -> str | None:
    """ "cu121" of a torch that asks for nvidia-cuda-runtime-cu12 12.1.105; None where its needs do not say."""
    for need in _needs(torch):
        if _CUDA.fullmatch(canonicalize_name(need.name)):
            for bound in need.specifier:
                if bound.operator == "==":
                    major, minor = Version(bound.version.removesuffix(".*")).release[:2]
                    return f"cu{major}{minor}"
    return None


def _needs(metadata: CoreMetadata) -> Iterable[Requirement]:
    for line in metadata.requires:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue
