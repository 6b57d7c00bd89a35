"""The machine that the images run on: which wheels it can use and what its markers say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}

GLIBC_MINORS = (17, 28, *range(31, 41))
"""The glibc versions 2.x that uv has a platform for (`uv pip compile --python-platform`)."""

# Names that a glibc version had before PEP 600: manylinux1, 2010 and 2014.
_LEGACY = {"x86_64": {17: "2014", 12: "2010", 5: "1"}, "aarch64": {17: "2014"}}
_OLDEST = {"x86_64": 5, "aarch64": 17}


@dataclass(frozen=True)
class Target:
    """One Python on one platform.

    ``python`` is "3.11", ``platform`` a key of MACHINES, ``glibc`` "2.35": the oldest glibc of the family's
    base images, since a wheel's manylinux tag is a promise about it (PEP 600).
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
        """The name uv gives this platform (``--python-platform``)."""
        return f"{self.machine}-manylinux_{self.glibc.replace('.', '_')}"

    def _platforms(self) -> Iterator[str]:
        newest = int(self.glibc.split(".")[1])
        for minor in range(newest, _OLDEST[self.machine] - 1, -1):
            yield f"manylinux_2_{minor}_{self.machine}"
            if minor in _LEGACY[self.machine]:
                yield f"manylinux{_LEGACY[self.machine][minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    @cached_property
    def ranks(self) -> dict[Tag, int]:
        """Every tag whose wheels run here, with its rank: 0 is the best (PEP 425)."""
        platforms = list(self._platforms())
        interpreter = "cp" + self.python.replace(".", "")
        tags = [
            *cpython_tags(self.version, platforms=platforms),
            *compatible_tags(self.version, interpreter=interpreter, platforms=platforms),
        ]
        return {tag: rank for rank, tag in enumerate(tags)}

    @cached_property
    def environment(self) -> dict[str, str]:
        """The values of PEP 508's markers, as uv takes them for this target."""
        return {
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
        """Whether a file with this Requires-Python installs here: its lower bound is that of uv (the first release
        of ``python``), the rest holds for some release. An invalid specifier is ignored, as in pip.
        """
        return _admits(self.python, requires_python or "")

    def holds(self, marker: Marker | None, extra: str = "") -> bool:
        """Whether ``marker`` is true here, with ``extra`` asked for."""
        return marker is None or marker.evaluate({**self.environment, "extra": extra})


@lru_cache(maxsize=1 << 12)
def _admits(python: str, requires_python: str) -> bool:
    try:
        bounds = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    lowest = all(b.contains(f"{python}.0") for b in bounds if b.operator in (">=", ">", "~="))
    return lowest and any(bounds.contains(f"{python}.{release}") for release in range(100))
