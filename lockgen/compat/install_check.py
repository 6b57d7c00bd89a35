"""`lockgen compat --install`: install the solution of a cell, import its packages, and list missing libraries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lockgen.compat import environment
from lockgen.compat.cells import Scenario
from lockgen.compat.install_model import Installed
from lockgen.compat.native_libraries import missing
from lockgen.conflicts.constraints import Constraints
from lockgen.core.index import ExplicitIndex
from lockgen.core.resolution import Request, Resolved, Resolver
from lockgen.errors import LockgenError, ToolFailed
from lockgen.lock.requests import declared_requirements


def install(
    rows: Sequence[Resolved],
    request: Request,
    imports: Sequence[str],
    *,
    system: Collection[str] = (),
    seconds: float = 900,
) -> Installed:
    """Whether ``rows`` install on the target of ``request``, and the packages ``imports`` can be imported there.

    ``rows`` are all packages of a solution with their usable files, ``imports`` the packages that the images request.
    ``system`` are libraries that the base image is known to have. ``seconds`` is the timeout of each step. If a tool
    fails, the status is "unknown".
    """
    mismatch = environment.platform_mismatch(request.target)
    if mismatch:
        return Installed("unknown", mismatch)
    for row in rows:
        # Without a hash for each file, uv would install whatever the index serves now.
        if not row.files or any(file.sha256 is None for file in row.files):
            return Installed("unknown", f"{row.name} {row.version} has no file with a hash that runs on the target")
    try:
        attempt = environment.install(rows, request, imports, seconds=seconds)
    except ToolFailed as error:
        return Installed("unknown", str(error))
    return Installed(attempt.status, attempt.reason, missing(attempt.binaries, system))


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
    return install(list(solution.packages.values()), request, imports)
