"""What lies where generated files lie: which are stale, missing, edited or nobody's."""

from __future__ import annotations

from fnmatch import fnmatchcase

from lockgen.adapters.workspace import Folder
from lockgen.commands.tree import GENERATED, KEPT_OUT, Tree
from lockgen.rendering.requirements import MARK

# How every file begins that lockgen writes there, whatever the rest of the mark says.
_WRITTEN = MARK.split(":")[0].encode()


def generated_on_disk(folder: Folder) -> list[str]:
    """The paths of all files that lie where lockgen writes, sorted."""
    found = [*folder.listing("docker", "requirements-*.txt"), *folder.listing("locks")]
    return sorted(path for path in found if _is_generated(path))


def _is_generated(path: str) -> bool:
    parts = path.count("/")
    return not path.startswith(KEPT_OUT) and any(
        fnmatchcase(path, pattern) and parts == pattern.count("/") for pattern in GENERATED
    )


def extra_files(folder: Folder, tree: Tree) -> list[str]:
    """Files that lie where lockgen writes and that ``tree`` does not come to."""
    return [path for path in generated_on_disk(folder) if path not in tree]


def stale_files(folder: Folder, tree: Tree) -> list[str]:
    """The extra files that an earlier lockgen wrote, by their first line: `resolve` removes these."""
    return [path for path in extra_files(folder, tree) if (folder.read(path) or b"").startswith(_WRITTEN)]
