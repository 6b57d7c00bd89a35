"""`lockgen why PACKAGE`: the paths from images to a package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lockgen.errors import Exit
from lockgen.io.output import print_json, print_text
from lockgen.lock.loading import read_lock
from lockgen.why import render as rendering
from lockgen.why.plan import PATHS_SHOWN, why


def run(
    workspace_root: Path,
    package: str,
    images: Sequence[str] = (),
    *,
    as_json: bool = False,
    limit: int = PATHS_SHOWN,
) -> int:
    """Print why images contain ``package``. ``images`` (names or tags) selects some. None selects all.

    Raises:
        BadInput: the lock is missing, or does not contain the package or one of the images.
    """
    answer = why(read_lock(workspace_root), package, images or None, limit=limit)
    if as_json:
        print_json(rendering.as_json(answer))
    else:
        print_text(rendering.text(answer), end="")
    return Exit.DONE
