"""The requirements file of a temporary environment, and the program that imports the installed packages there."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.resolution import Resolved
from lockgen.core.templating import render


def hashed_requirements(rows: Sequence[Resolved]) -> str:
    """Requirement lines for an installer with ``--no-deps --require-hashes``."""
    lines = []
    for row in sorted(rows, key=lambda row: row.name):
        requirement = f"{row.name}=={row.version}"
        files = sorted(row.files, key=lambda file: file.name)
        if row.index is not None:
            # By URL: then the installer uses the default index for all other packages, and only that.
            best = row.files[0]
            requirement = f"{row.name} @ {best.url}"
            files = [best]
        hashes = "".join(f" --hash=sha256:{file.sha256}" for file in files)
        lines.append(f"{requirement}{hashes}\n")
    return "".join(lines)


def import_check(packages: Sequence[str]) -> str:
    """A program that imports the modules of ``packages``, and logs each package to the file in its argument.

    A line is ``begin NAME``, ``done NAME`` or ``failed NAME TYPE: TEXT``. A package that only begins has ended the
    process.
    """
    return render("compat/templates/import_check.py.j2", packages=sorted(set(packages)))
