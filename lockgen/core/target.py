"""The machine that the images run on: the wheels that it can use, and the values of its markers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag, compatible_tags, cpython_tags

from lockgen.core.parsing import parse_lenient_specifiers

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}

GLIBC_MINORS = (17, 28, *range(31, 41))
"""The glibc versions 2.x that uv has a platform for (`uv pip compile --python-platform`)."""

# Names of glibc versions from before PEP 600: manylinux1, 2010 and 2014. Many wheels still have only these.
_LEGACY = {"x86_64": {17: "2014", 12: "2010", 5: "1"}, "aarch64": {17: "2014"}}
# The oldest glibc with manylinux wheels for the machine: 2.5 is manylinux1, and for arm64 there is nothing before 2014.
_OLDEST = {"x86_64": 5, "aarch64": 17}


LAST_PATCH = 99
"""No minor version of Python has had a hundred patch releases."""

_DEPENDS_ON_PATCH = re.compile("python_full_version|implementation_version")


@dataclass(frozen=True)
class Target:
    """One Python on one platform.

    ``python`` is a minor version such as "3.11", ``platform`` a key of MACHINES. ``glibc``, such as "2.35", is the
    oldest glibc of the family's base images: the manylinux tag of a wheel names the oldest glibc that it supports
    (PEP 600). ``patch`` is the patch release of Python; None means that the images may have any.
    """

    python: str
    platform: str
    glibc: str
    patch: int | None = None

    @classmethod
    def of_release(cls, release: str, platform: str, glibc: str) -> Target:
        """The target for ``release``, which names a minor version ("3.11") or a patch release ("3.11.9")."""
        major, minor, *patch = release.split(".")
        return cls(f"{major}.{minor}", platform, glibc, int(patch[0]) if patch else None)

    @property
    def release(self) -> str:
        """The Python as versions.toml names it: "3.11", or "3.11.9"."""
        return self.python if self.patch is None else f"{self.python}.{self.patch}"

    @property
    def latest_release(self) -> str:
        """The last patch release that the images may have: "3.11.9", or "3.11.99" if they may have any."""
        return f"{self.python}.{LAST_PATCH if self.patch is None else self.patch}"

    @property
    def machine(self) -> str:
        return MACHINES[self.platform]

    @property
    def version(self) -> tuple[int, int]:
        major, minor = self.python.split(".")
        return int(major), int(minor)

    @property
    def uv_platform(self) -> str:
        """The name of this platform in uv (``--python-platform``)."""
        return f"{self.machine}-manylinux_{self.glibc.replace('.', '_')}"

    def _platforms(self) -> Iterator[str]:
        """The platform tags, the newest glibc first: installers prefer wheels in this order (PEP 425)."""
        machine = self.machine
        legacy = _LEGACY[machine]
        oldest = _OLDEST[machine]
        newest = int(self.glibc.split(".")[1])
        for minor in range(newest, oldest - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
            if minor in legacy:
                yield f"manylinux{legacy[minor]}_{machine}"
        yield f"linux_{machine}"

    @cached_property
    def ranks(self) -> dict[Tag, int]:
        """Every tag with wheels that run here, and its rank: 0 is the best (PEP 425)."""
        platforms = list(self._platforms())
        interpreter = "cp" + self.python.replace(".", "")
        tags = [
            *cpython_tags(self.version, platforms=platforms),
            *compatible_tags(self.version, interpreter=interpreter, platforms=platforms),
        ]
        return {tag: rank for rank, tag in enumerate(tags)}

    @cached_property
    def environment(self) -> dict[str, str]:
        """The values of the markers of PEP 508 for the first patch release that the images may have."""
        return self.environment_of(self.patch or 0)

    def environment_of(self, patch: int) -> dict[str, str]:
        """The values of the markers of PEP 508 for one patch release, otherwise as uv sets them for this target."""
        full_version = f"{self.python}.{patch}"
        return {
            "implementation_name": "cpython",
            "implementation_version": full_version,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": full_version,
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def patches(self, text: str) -> tuple[int, ...]:
        """Patch releases that stand for all that the images may have, in comparisons with the versions in ``text``.

        The truth of a comparison changes only at a version that ``text`` names. So the first and the last release,
        and each named one with its neighbours, show every value that it can have.
        """
        return (self.patch,) if self.patch is not None else _representatives(self.python, text)

    def admits(self, requires_python: str | None) -> bool:
        """Whether a file with this Requires-Python installs here, on some patch release that the images may have.

        An invalid specifier is ignored, as in pip.
        """
        return _admits(self, requires_python or "")

    def holds(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether ``marker`` is true here, with ``extra`` requested, on some patch release that images may have."""
        if marker is None:
            return True
        text = str(marker)
        if not depends_on_patch(text):
            return marker.evaluate({**self.environment, "extra": extra})
        environments = map(self.environment_of, self.patches(text))
        return any(marker.evaluate({**environment, "extra": extra}) for environment in environments)


def depends_on_patch(marker: str) -> bool:
    """Whether the text of a marker, or of a requirement, compares with the patch release of Python."""
    return _DEPENDS_ON_PATCH.search(marker) is not None


@lru_cache(maxsize=1 << 12)
def _representatives(python: str, text: str) -> tuple[int, ...]:
    found = {0, LAST_PATCH}
    for digits in re.findall(rf"(?<![\d.]){re.escape(python)}\.(\d+)", text):
        # `in` compares text: "3.11.1" is in "3.11.10".
        for length in range(1, len(digits) + 1):
            named = int(digits[:length])
            found.update((named - 1, named, named + 1))
    return tuple(sorted(patch for patch in found if 0 <= patch <= LAST_PATCH))


# An index page repeats the same few specifiers for thousands of files, and parsing one is slow.
@lru_cache(maxsize=1 << 12)
def _admits(target: Target, requires_python: str) -> bool:
    try:
        bounds = parse_lenient_specifiers(requires_python)
    except InvalidSpecifier:
        return True
    releases = (f"{target.python}.{patch}" for patch in target.patches(requires_python))
    return any(bounds.contains(release) for release in releases)
