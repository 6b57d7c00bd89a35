"""What the name and the tag of a base image say about its system and its Python, without a registry."""

from __future__ import annotations

import re
from typing import NamedTuple

from lockgen.core.image_reference import parse_reference


class UnsupportedSystem(NamedTuple):
    """A kind of system that lockgen's Dockerfiles do not work on, and why. A new kind is one entry of `SYSTEMS`."""

    reason: str
    words: re.Pattern[str]
    """Words of the name and the tag that show it."""


_NO_APT = "the Dockerfiles install with apt, which it does not have"

SYSTEMS = (
    UnsupportedSystem(
        "it is for Windows, and the lock is for Linux",
        re.compile(r"windowsservercore|nanoserver|windows"),
    ),
    UnsupportedSystem(
        "it has musl instead of glibc, and no wheel of the lock runs there",
        # alpine3.20 and alpine in tags, alpine as a name
        re.compile(r"alpine(\d+(\.\d+)*)?|musl|musllinux.*|void"),
    ),
    UnsupportedSystem(
        f"it is a distribution with rpm packages, and {_NO_APT}",
        re.compile(
            r"(amazonlinux|amzn|al|fedora|centos|rockylinux|rocky|almalinux|alma|oraclelinux|ubi|rhel|el|opensuse|leap"
            r"|tumbleweed|sles?|photon|mageia|azurelinux|mariner|manylinux.*)\d*(\.\d+)*"
            r"|stream\d+|ubi\d*minimal"
        ),
    ),
    UnsupportedSystem(
        f"it has no package manager, and {_NO_APT}",
        re.compile(r"distroless|scratch|busybox|static"),
    ),
    UnsupportedSystem(
        _NO_APT,
        re.compile(r"archlinux|arch|gentoo|nix|nixos|wolfi(-base)?|chainguard|slackware|clearlinux"),
    ),
)
# Words of a name only: "python:3.11-slim" has no system in its tag, and "al2023" is one of lambda images.
_SHORT = {"al", "el", "arch", "static", "void", "alma", "rocky", "leap", "sle", "sles", "nix"}

_OFFICIAL = re.compile(r"(?:.*/)?(?P<name>python|pypy)")
# python3.12, py3.10, cp312, py312: in the tags of images that others build on.
_IN_TAG = re.compile(r"(?:^|[-_.])(?:c?python|py|cp)-?(?P<major>3)\.?(?P<minor>\d{1,2})(?!\d)")
_LEADING = re.compile(r"(\d+)(?:\.(\d+)(?:\.(\d+))?)?")


def unsupported_system(reference: str) -> str | None:
    """The reason why the base image ``reference`` cannot be built on; None if its name shows none."""
    parsed = parse_reference(reference)
    folders = parsed.name.lower().split("/")
    # The host of a registry says nothing.
    words = set(folders[1:] if len(folders) > 1 and re.search(r"[.:]|^localhost$", folders[0]) else folders)
    for text in (folders[-1], parsed.tag.lower()):
        words.update(re.split(r"[-_]", text))
    for system in SYSTEMS:
        for word in sorted(words):
            if word not in _SHORT and system.words.fullmatch(word):
                return system.reason
    return None


_ARCHITECTURES = {
    "amd64": "linux/amd64",
    "arm64v8": "linux/arm64",
    "arm32v5": "linux/arm/v5",
    "arm32v6": "linux/arm/v6",
    "arm32v7": "linux/arm/v7",
    "i386": "linux/386",
    "mips64le": "linux/mips64le",
    "ppc64le": "linux/ppc64le",
    "riscv64": "linux/riscv64",
    "s390x": "linux/s390x",
}
"""Folders of official images for one platform."""


def platform_of(reference: str) -> str | None:
    """The platform that the name of the base image ``reference`` shows, as in arm64v8/python; None if it shows none."""
    for folder in parse_reference(reference).name.lower().split("/")[:-1]:
        if folder in _ARCHITECTURES:
            return _ARCHITECTURES[folder]
    return None


class ImagePython(NamedTuple):
    """The Python of a base image. ``is_official``: its name is python, so the image is made for this Python.

    ``version`` is MAJOR.MINOR, "" if an official image does not say which. ``implementation`` is "python" or "pypy".
    ``patch`` is the patch release, None if it is not shown.
    """

    version: str
    is_official: bool
    implementation: str = "python"
    patch: int | None = None

    @property
    def release(self) -> str:
        """The version with the patch release, if that is shown."""
        return self.version if self.patch is None else f"{self.version}.{self.patch}"


def python_of(reference: str) -> ImagePython | None:
    """The Python that the name and the tag of the base image ``reference`` show; None if they show none."""
    parsed = parse_reference(reference)
    official = _OFFICIAL.fullmatch(parsed.name)
    if official is not None:
        if not parsed.tagged and parsed.digest:
            return None
        leading = _LEADING.match(parsed.tag)
        version = f"{leading[1]}.{leading[2]}" if leading is not None and leading[2] else ""
        patch = int(leading[3]) if version and leading is not None and leading[3] else None
        return ImagePython(version, True, official["name"], patch)
    shown = _IN_TAG.search(parsed.tag)
    return ImagePython(f"{shown['major']}.{shown['minor']}", False) if shown is not None else None
