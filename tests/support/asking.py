"""Helpers of the resolver contract: requests, an explicit index as data, and results that can be compared."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.resolution import Request, Solution
from lockgen.core.target import MACHINES, Target
from lockgen.errors import LockgenError
from support.index import metadata, wheel

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
NEXT_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1] + 1}"
CP, NEXT_CP = (f"cp{version.replace('.', '')}" for version in (PYTHON, NEXT_PYTHON))
MACHINE = platform.machine()
LINUX = f"{CP}-{CP}-manylinux_2_17_{MACHINE}"
# pip-compile resolves for the Python and the machine that it runs on, so the contract uses these.
HERE = Target(PYTHON, next(name for name, machine in MACHINES.items() if machine == MACHINE), "2.35")

Package = tuple[str, str, list[str]]
CU121: tuple[Package, ...] = (
    ("torch", "2.4.1+cu121", ["filelock"]),
    ("torch", "2.5.1+cu121", ["filelock", "numpy"]),
    ("torchaudio", "2.4.1+cu121", ["torch==2.4.1"]),
    ("torchaudio", "2.5.1+cu121", ["torch==2.5.1"]),
    ("torchvision", "0.20.1+cu121", ["torch==2.5.1"]),
    ("numpy", "1.0", []),
)


def explicit(packages: Iterable[Package] = CU121, *, name: str = "cu121", more: Iterable[str] = ()) -> ExplicitIndex:
    """An index as data, with a wheel for this machine of each of ``packages``; ``more`` are further tags of each."""
    pages: dict[str, list[IndexFile]] = {}
    known: dict[str, CoreMetadata] = {}
    for project, version, requires in packages:
        for tag in (f"{CP}-{CP}-linux_{MACHINE}", *more):
            file, data = wheel(project, version, tag, metadata(project, version, requires, [], None))
            url = f"https://index.example/whl/{name}/{file}"
            pages.setdefault(project, []).append(IndexFile(file, url, hashlib.sha256(data).hexdigest(), len(data)))
            known[file] = CoreMetadata(project, version, None, tuple(requires))
    listed = {project: ProjectPage(project, tuple(files)) for project, files in pages.items()}
    return ExplicitIndex(name, f"https://index.example/whl/{name}", listed, known)


def ask(
    *requirements: str,
    pins: Iterable[str] = (),
    routed: Iterable[str] = (),
    explicit_index: ExplicitIndex | None = None,
    kept: Mapping[str, str] | None = None,
    build: Iterable[str] = (),
    exclude_newer: datetime | None = None,
    offline: bool = False,
    target: Target = HERE,
) -> Request:
    """A request; ``routed`` packages come from cu121, and so from CU121 unless another index is given."""
    routes = dict.fromkeys(sorted(routed), "cu121")
    return Request(
        family="contract",
        target=target,
        requirements=tuple(sorted(requirements)),
        constraints=tuple(sorted(pins)),
        routes=routes,
        indexes={"cu121": explicit_index or explicit()} if routes else {},
        preferences=dict(sorted((kept or {}).items())),
        build=frozenset(build),
        exclude_newer=exclude_newer,
        offline=offline,
    )


def versions(solution: Solution) -> dict[str, str]:
    return {name: package.version for name, package in sorted(solution.packages.items())}


def files(solution: Solution, name: str) -> list[str]:
    return [file.name for file in solution.packages[name].files]


def comparable(solution: Solution) -> dict[str, tuple[str, str | None, tuple[tuple[str, str | None, int | None], ...]]]:
    """Everything that enters a lock."""
    return {
        name: (package.version, package.index, tuple((f.name, f.sha256, f.size) for f in package.files))
        for name, package in sorted(solution.packages.items())
    }


def full_text(error: LockgenError) -> str:
    """All text of ``error`` that a person reads."""
    parts = [part for fault in error.faults for part in (fault.message, fault.reason, fault.hint) if part]
    return "\n".join(parts)
