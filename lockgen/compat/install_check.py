"""`lockgen compat --install`: install the solution of a cell, import its packages, and list missing libraries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from lockgen.compat.cells import Scenario
from lockgen.compat.install_model import Installed
from lockgen.conflicts.constraints import Constraints
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import CheckLimits, Manifest
from lockgen.core.resolution import Request, Resolved, Resolver
from lockgen.core.target import Target
from lockgen.errors import LockgenError, ToolFailed
from lockgen.io.own_code import own_code
from lockgen.io.temporary import create_folder, remove_folder
from lockgen.proof.check_run import CannotRun
from lockgen.proof.known_runs import KnownRuns
from lockgen.proof.local_place import LocalPlace
from lockgen.proof.model import Checks, ImageRun, ImportCheck
from lockgen.proof.native_libraries import missing


class Environments:
    """Folders for environments, one for each target: uv changes only the difference between two cells."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str], Path] = {}

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *error: object) -> None:
        for folder in self._folders.values():
            remove_folder(folder)

    def folder(self, target: Target) -> Path:
        """The folder for ``target``."""
        key = (target.release, target.platform)
        if key not in self._folders:
            self._folders[key] = create_folder("install-")
        return self._folders[key]


def install(
    rows: Sequence[Resolved],
    request: Request,
    imports: Sequence[str],
    *,
    modules: Sequence[str] = (),
    system: Collection[str] = (),
    limits: CheckLimits | None = None,
    seconds: float = 900,
    known: KnownRuns | None = None,
    environments: Environments | None = None,
) -> Installed:
    """Whether ``rows`` install on the target of ``request``, and ``imports`` and ``modules`` can be imported there.

    ``rows`` are all packages of a solution with their usable files, ``imports`` the packages that the images request,
    ``modules`` those that the images name. ``system`` are libraries that the base image is known to have. ``seconds``
    is the timeout of an installation. If a tool fails, the status is "unknown".
    """
    checked = [ImportCheck(name) for name in sorted(set(imports))]
    checked += [ImportCheck(module, (module,)) for module in sorted(set(modules))]
    checks = Checks(tuple(checked), limits=limits or CheckLimits())
    key = _digest(rows, checks, request.target, system)
    found = known.recall(key) if known is not None else None
    if found is not None:
        return _installed(found)
    with ExitStack() as stack:
        if environments is None:
            environments = stack.enter_context(Environments())
        place = LocalPlace(environments.folder(request.target), request, seconds)
        try:
            found = place.run(rows, checks, (), {})
            found = replace(found, native=missing(place.binaries(), system))
        except (CannotRun, ToolFailed) as error:
            return Installed("unknown", str(error))
    if known is not None:
        known.keep(key, found)
    return _installed(found)


def _digest(rows: Sequence[Resolved], checks: Checks, target: Target, system: Collection[str]) -> str:
    """A key for the result: what decides it."""
    document = {
        "files": sorted(file.sha256 or file.name for row in rows for file in row.files),
        "checks": asdict(checks),
        "code": own_code(),
        "target": [target.release, target.platform],
        "system": sorted(system),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _installed(run: ImageRun) -> Installed:
    """The result as in the matrix. A limit says nothing about the packages: another machine may be faster."""
    wrong = [problem for problem in run.problems if problem.kind != "limit"]
    if wrong:
        return Installed("no", wrong[0].title, run.native)
    if run.problems:
        return Installed("unknown", run.problems[0].title, run.native)
    return Installed(run.status, run.reason, run.native)


def install_solution(
    scenario: Scenario,
    versions: Mapping[str, str],
    resolver: Resolver,
    indexes: Mapping[str, ExplicitIndex],
    *,
    offline: bool = False,
    known: KnownRuns | None = None,
    environments: Environments | None = None,
) -> Installed:
    """Install ``versions``, the solution of ``scenario``, and import what its images are checked with."""
    manifest = scenario.manifest
    constraints = Constraints(manifest, [scenario.variant], indexes)
    request = constraints.request((), whole=True, offline=offline)
    exact = sorted(f"{name}=={version}" for name, version in versions.items())
    try:
        # A cached outcome has versions only: resolving these again gives their files.
        solution = resolver.solve(replace(request, constraints=tuple(exact)))
    except LockgenError as error:
        return Installed("unknown", f"its files cannot be found again: {error}")
    imports, modules = _checked(manifest, scenario.variant)
    return install(
        list(solution.packages.values()),
        request,
        # A requirement with a marker may not apply here.
        sorted(imports & solution.packages.keys()),
        modules=sorted(modules),
        limits=manifest.checks,
        known=known,
        environments=environments,
    )


def _checked(manifest: Manifest, variant: str) -> tuple[set[str], set[str]]:
    """What the images import: the packages that they require, or the modules of their `check-imports`."""
    imports: set[str] = set()
    modules: set[str] = set()
    for image in manifest.images_of(variant):
        if image.check_imports:
            modules.update(image.check_imports)
            continue
        imports.update(requirement.name for requirement in manifest.common)
        for link in manifest.chain(image.name):
            imports.update(requirement.name for requirement in link.packages)
    return imports, modules
