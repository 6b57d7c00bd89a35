"""`lockgen compat --install`: a cell's solution installed for real, imported, and asked what libraries it lacks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lockgen.adapters import installing
from lockgen.errors import ToolFailed
from lockgen.model.installing import Installed
from lockgen.model.target import Target
from lockgen.planning.native import missing
from lockgen.ports import Resolved


def install(
    rows: Sequence[Resolved],
    target: Target,
    imports: Sequence[str],
    *,
    system: Collection[str] = (),
    offline: bool = False,
    seconds: float = 900,
) -> Installed:
    """Whether ``rows`` install on ``target`` and the packages ``imports`` import; a tool that fails is an "unknown".

    ``rows`` are all packages of a solution with their usable files, ``imports`` the names that the images ask for.
    ``system`` are libraries that the base image is known to hold; ``seconds`` the most for each of the two.
    """
    if reason := installing.unfit(target):
        return Installed("unknown", reason)
    for row in rows:
        if not row.files or any(file.sha256 is None for file in row.files):
            return Installed("unknown", f"{row.name} {row.version} has no file with a hash that runs on the target")
    try:
        tried = installing.install(rows, target.python, imports, offline=offline, seconds=seconds)
    except ToolFailed as error:
        return Installed("unknown", str(error))
    return Installed(tried.status, tried.reason, missing(tried.binaries, system))
