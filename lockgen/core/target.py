"""The machine that the images run on: the wheels that it can use, and the values of its markers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag, compatible_tags, cpython_tags

from lockgen.core.parsing import parse_specifiers

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}

GLIBC_MINORS = (17, 28, *range(31, 41))
"""The glibc versions 2.x that uv has a platform for (`uv pip compile --python-platform`)."""

# Names of glibc versions from before PEP 600: manylinux1, 2010 and 2014. Many wheels still have only these.
_LEGACY = {"x86_64": {17: "2014", 12: "2010", 5: "1"}, "aarch64": {17: "2014"}}
# The oldest glibc with manylinux wheels for the machine: 2.5 is manylinux1, and for arm64 there is nothing before 2014.
_OLDEST = {"x86_64": 5, "aarch64": 17}


@dataclass(frozen=True)
class Target:
    """One Python on one platform.

    ``python`` is a version such as "3.11", ``platform`` a key of MACHINES. ``glibc``, such as "2.35", is the oldest
    glibc of the family's base images: the manylinux tag of a wheel names the oldest glibc that it supports (PEP 600).
    """

    python: str
    platform: str
    glibc: str

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
        """The values of the markers of PEP 508, as uv sets them for this target."""
        return {
            # The patch release of the images' Python is not known. Like uv, use the first one.
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def admits(self, requires_python: str | None) -> bool:
        """Whether a file with this Requires-Python installs here.

        Lower bounds must allow the first release of ``python``, as in uv; the whole specifier must allow some release
        of it. An invalid specifier is ignored, as in pip.
        """
        return _admits(self.python, requires_python or "")

    def holds(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether ``marker`` is true here, with ``extra`` requested."""
        return marker is None or marker.evaluate({**self.environment, "extra": extra})


# An index page repeats the same few specifiers for thousands of files, and parsing one is slow.
@lru_cache(maxsize=1 << 12)
def _admits(python: str, requires_python: str) -> bool:
    try:
        bounds = parse_specifiers(requires_python)
    except InvalidSpecifier:
        return True
    first = f"{python}.0"
    for bound in bounds:
        if bound.operator in (">=", ">", "~=") and not bound.contains(first):
            return False
    # No Python has had a hundred patch releases.
    releases = (f"{python}.{patch}" for patch in range(100))
    return any(bounds.contains(release) for release in releases)
