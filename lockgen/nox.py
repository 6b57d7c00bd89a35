"""Sessions of the compatibility matrix for a noxfile:

    import lockgen.nox

    lockgen.nox.compat()

`nox -s compat` runs the whole matrix, `nox -s "compat(python='3.11', torch='2.5.1', variant='cuda')"` one cell of it.
What follows `--` goes to `lockgen compat`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lockgen.errors import LockgenError
from lockgen.io.process import run

if TYPE_CHECKING:
    import nox

__all__ = ["compat"]


def compat(
    *, command: Sequence[str] = (sys.executable, "-m", "lockgen"), install: Sequence[str] = (), name: str = "compat"
) -> None:
    """Adds session ``name`` for the whole matrix, and one for each of its cells, which runs only when it is named.

    ``command`` is how lockgen is called: by default the one that is installed with nox. With ``install`` (arguments of
    ``session.install``) each session gets its own environment with that in it, and its lockgen runs instead.

    The whole is one session and not a session a cell: so cells are resolved side by side, and shown in one table.

    Raises:
        ImportError: nox is not installed.
    """
    try:
        import nox
    except ImportError as error:
        raise ImportError("lockgen.nox needs nox, which is not installed: pip install 'lockgen[nox]'") from error
    backend = None if install else "none"

    def start(session: nox.Session, *cell: str) -> None:
        if install:
            session.install("-q", *install)
        called = ["lockgen"] if install else list(command)
        session.run(*called, "compat", *cell, *session.posargs, external=not install)

    def whole(session: nox.Session) -> None:
        start(session)

    whole.__doc__ = "The compatibility matrix of versions.toml. Arguments go to `lockgen compat`."
    nox.session(name=name, default=False, venv_backend=backend)(whole)
    for cell in cells(command):

        def one(session: nox.Session, cell: str = cell) -> None:
            start(session, cell)

        one.__doc__ = f"The matrix: {cell}"
        nox.session(name=f"{name}({_parameters(cell)})", default=False, venv_backend=backend)(one)


def cells(command: Sequence[str]) -> list[str]:
    """The names of the matrix's cells. None where lockgen cannot say: a noxfile has other sessions too, which must run,
    and `nox -s compat` shows what is wrong.
    """
    try:
        done = run([*command, "compat", "--list"], cwd=Path.cwd(), timeout=60)
    except LockgenError:
        return []
    return done.stdout.splitlines() if done.code == 0 else []


def _parameters(cell: str) -> str:
    """A cell as nox writes parameters: "python=3.11 torch=2.5.1" becomes "python='3.11', torch='2.5.1'"."""
    pairs = (part.partition("=") for part in cell.split())
    return ", ".join(f"{axis}={value!r}" for axis, _, value in pairs)
