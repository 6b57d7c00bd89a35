"""`lockgen diff`: the differences between two locks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lockgen.core.layout import LOCK_PATH
from lockgen.core.lock import Lock
from lockgen.diff import render as rendering
from lockgen.diff.plan import compare
from lockgen.errors import BadInput, Exit, Place
from lockgen.io import git
from lockgen.io.output import print_json, print_text
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
    """Print the changes from ``old`` to ``new``, each the path of a lock file or a git ref.

    By default, ``old`` is the lock of the last commit (HEAD), and ``new`` the lock in the working tree. An existing
    file takes precedence over a ref of the same name. With ``exit_code``, return FOUND if there are differences, like
    `git diff --exit-code`.

    Raises:
        BadInput: a file, ref or repository does not exist, or a lock is missing.
        ToolFailed: git is not installed.
    """
    after = read_lock(workspace_root) if new is None else _lock(workspace_root, new)
    # Only the old lock may be missing: the first lock is compared with nothing.
    if after is None:
        raise BadInput(f"no lock at {new!r}", hint=f"this ref does not contain {LOCK_PATH}")
    before = _lock(workspace_root, "HEAD" if old is None else old)
    changes = compare(before, after)
    match style:
        case "text":
            print_text(rendering.text(changes), end="")
        case "markdown":
            print_text(rendering.markdown(changes), end="")
        case "json":
            print_json(rendering.as_json(changes))
    return Exit.FOUND if exit_code and changes else Exit.DONE


def _lock(root: Path, name: str) -> Lock | None:
    """The lock in the file or git ref ``name``, None if the ref does not contain a lock."""
    # Relative to the working directory, like the arguments of other tools, and not to the project.
    path = Path(name)
    if path.is_file():
        return _parsed(path, name)
    # Such a name is a mistyped path, not a ref: git's message about it would be of no help.
    if name.endswith(".json") or name.startswith((".", "/")):
        raise BadInput("this lock file does not exist", place=Place(name))
    data = git.show(root, name, LOCK_PATH)
    if data is None:
        return None
    return parse_lock(data, f"{name}:{LOCK_PATH}")


def _parsed(path: Path, place: str) -> Lock:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read this file: {error.strerror}", place=Place(place)) from error
    return parse_lock(data, place)
