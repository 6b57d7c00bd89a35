"""What a throw-away environment is made from: a hashed requirement file, and the program that imports what it holds."""

from __future__ import annotations

from collections.abc import Sequence

from lockgen.core.resolution import Resolved
from lockgen.core.templating import render


def hashed(rows: Sequence[Resolved]) -> str:
    """Requirement lines for an installer with ``--no-deps --require-hashes``.

    A package with its own index is named by the address of its best file: the installer then asks the default
    index, and only that, for all others.
    """
    lines = []
    for row in sorted(rows, key=lambda row: row.name):
        if row.index is None:
            lines.append(f"{row.name}=={row.version}{_hashes(row)}")
        else:
            lines.append(f"{row.name} @ {row.files[0].url} --hash=sha256:{row.files[0].sha256}")
    return "".join(f"{line}\n" for line in lines)


def _hashes(row: Resolved) -> str:
    return "".join(f" --hash=sha256:{file.sha256}" for file in sorted(row.files, key=lambda file: file.name))


def import_check(needs: Sequence[str]) -> str:
    """A program that imports what the packages ``needs`` are imported as, and writes how each went to its argument.

    A line is ``begin NAME``, ``done NAME`` or ``failed NAME TYPE: TEXT``: what ends the process has only begun.
    """
    return render("compat/templates/import_check.py.j2", needs=sorted(set(needs)))
