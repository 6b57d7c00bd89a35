"""`lockgen compat --install`: install the solution of a cell, import its packages, and list missing libraries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lockgen.compat.cells import Scenario
from lockgen.compat.install_model import Installed
from lockgen.conflicts.constraints import Constraints
from lockgen.core.index import ExplicitIndex
from lockgen.core.manifest import CheckLimits
from lockgen.core.resolution import Request, Resolved, Resolver
from lockgen.errors import LockgenError, ToolFailed
from lockgen.io.temporary import temporary_folder
from lockgen.lock.requests import declared_requirements
from lockgen.proof.check_run import CannotRun
from lockgen.proof.local_place import LocalPlace
from lockgen.proof.model import Checks, ImageRun, ImportCheck
from lockgen.proof.native_libraries import missing


def install(
    rows: Sequence[Resolved],
    request: Request,
    imports: Sequence[str],
    *,
    system: Collection[str] = (),
    limits: CheckLimits | None = None,
    seconds: float = 900,
) -> Installed:
    """Whether ``rows`` install on the target of ``request``, and the packages ``imports`` can be imported there.

    ``rows`` are all packages of a solution with their usable files, ``imports`` the packages that the images request.
    ``system`` are libraries that the base image is known to have. ``seconds`` is the timeout of an
    installation. If a tool fails, the status is "unknown".
    """
    checks = Checks(tuple(ImportCheck(name) for name in sorted(set(imports))), limits=limits or CheckLimits())
    with temporary_folder("install-") as folder:
        place = LocalPlace(folder, request, seconds)
        try:
            found = place.run(rows, checks, (), {})
            native = missing(place.binaries(), system)
        except (CannotRun, ToolFailed) as error:
            return Installed("unknown", str(error))
    return _installed(found, native)


def _installed(run: ImageRun, native: tuple[str, ...]) -> Installed:
    """The result as in the matrix. A limit says nothing about the packages: another machine may be faster."""
    wrong = [problem for problem in run.problems if problem.kind != "limit"]
    if wrong:
        return Installed("no", wrong[0].text, native)
    if run.problems:
        return Installed("unknown", run.problems[0].text, native)
    return Installed(run.status, run.reason, native)


def install_solution(
    scenario: Scenario,
    versions: Mapping[str, str],
    resolver: Resolver,
    indexes: Mapping[str, ExplicitIndex],
    *,
    offline: bool = False,
) -> Installed:
    """Install ``versions``, the solution of ``scenario``, and import the packages that its images request."""
    manifest = scenario.manifest
    constraints = Constraints(manifest, [scenario.variant], indexes)
    request = constraints.request((), whole=True, offline=offline)
    exact = sorted(f"{name}=={version}" for name, version in versions.items())
    try:
        # A cached outcome has versions only: resolving these again gives their files.
        solution = resolver.solve(replace(request, constraints=tuple(exact)))
    except LockgenError as error:
        return Installed("unknown", f"its files cannot be found again: {error}")
    requirements = declared_requirements(manifest, [scenario.variant])
    requested = {requirement.name for requirement in requirements}
    # A requirement with a marker may not apply here.
    imports = sorted(requested & solution.packages.keys())
    return install(list(solution.packages.values()), request, imports, limits=manifest.checks)
