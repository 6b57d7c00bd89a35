"""`lockgen diff`: what differs between two locks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.diff import render as rendering
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Exit, Place
from lockgen.io import git
from lockgen.lock.loading import read_lock
from lockgen.lock.reader import parse_lock

DiffFormat = Literal["text", "markdown", "json"]


def run(
    workspace_root: Path,
    old: str | None = None,
    new: str | None = None,
    style: DiffFormat = "text",
    *,
    exit_code: bool = False,
) -> int:
    """Prints what leads from ``old`` to ``new``, each a lock file's path or a git ref.

    ``old`` is by default the last commit's lock (HEAD), ``new`` the lock in the working tree. A file
    that is there goes before a ref of that name. ``exit_code``: FOUND where something differs, as `git diff` has it.

    Raises:
        BadInput: no such file, ref or repository, or no lock to compare with.
        ToolFailed: there is no git.
    """
    after = read_lock(workspace_root) if new is None else _lock(workspace_root, new)
    if after is None:
        raise BadInput(f"there is no lock at {new!r}", hint=f"it has no {LOCK_PATH}")
    before = _lock(workspace_root, "HEAD" if old is None else old)
    changes = compare(before, after)
    match style:
        case "text":
            click.echo(rendering.text(changes), nl=False)
        case "markdown":
            click.echo(rendering.markdown(changes), nl=False)
        case "json":
            click.echo(json.dumps(rendering.as_json(changes), indent=2))
    return Exit.FOUND if exit_code and changes else Exit.DONE


def _lock(root: Path, name: str) -> Lock | None:
    """The lock of a file or, from git, of a ref; None where the ref has none."""
    path = Path(name)
    if path.is_file():
        return _parsed(path, name)
    if name.endswith(".json") or name.startswith((".", "/")):
        raise BadInput("there is no such lock file", place=Place(name))
    data = git.show(root, name, LOCK_PATH)
    return parse_lock(data, f"{name}:{LOCK_PATH}") if data is not None else None


def _parsed(path: Path, place: str) -> Lock:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}", place=Place(place)) from error
    return parse_lock(data, place)
