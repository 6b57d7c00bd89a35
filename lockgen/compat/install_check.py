"""`lockgen compat --install`: a cell's solution installed for real, imported, and asked what libraries it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from lockgen.compat import environment as installing
from lockgen.compat.cells import Situation
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
    """Whether ``rows`` install on the target of ``request``, and the packages ``imports`` import there.

    A tool that fails is an "unknown".

    ``rows`` are all packages of a solution with their usable files, ``imports`` the names that the images ask for.
    ``system`` are libraries that the base image is known to hold; ``seconds`` the most for each of the two.
    """
    if reason := installing.unfit(request.target):
        return Installed("unknown", reason)
    for row in rows:
        if not row.files or any(file.sha256 is None for file in row.files):
            return Installed("unknown", f"{row.name} {row.version} has no file with a hash that runs on the target")
    try:
        tried = installing.install(rows, request, imports, seconds=seconds)
    except ToolFailed as error:
        return Installed("unknown", str(error))
    return Installed(tried.status, tried.reason, missing(tried.binaries, system))


def tried(
    situation: Situation,
    versions: Mapping[str, str],
    resolver: Resolver,
    indexes: Mapping[str, ExplicitIndex],
    *,
    offline: bool = False,
) -> Installed:
    """A cell's ``versions`` installed, and what its images ask for imported. Unknown without the files."""
    manifest = situation.manifest
    request = Constraints(manifest, [situation.variant], indexes).request((), whole=True, offline=offline)
    exact = tuple(sorted(f"{name}=={version}" for name, version in versions.items()))
    try:
        solution = resolver.solve(replace(request, constraints=exact))
    except LockgenError as error:
        return Installed("unknown", f"its files cannot be found again: {error}")
    asked = sorted(
        {ask.name for ask in declared_requirements(manifest, [situation.variant]) if ask.name in solution.packages}
    )
    return install(list(solution.packages.values()), request, asked)
