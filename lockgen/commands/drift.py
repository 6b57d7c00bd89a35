"""What lies where generated files lie: which are stale, missing, edited or nobody's."""

from __future__ import annotations

from fnmatch import fnmatchcase

from lockgen.adapters.workspace import Folder
from lockgen.commands.tree import GENERATED, KEPT_OUT, Tree
from lockgen.errors import BadInput, Fault, Place
from lockgen.rendering.images import BAKE, IGNORE, SCRIPT, VERSIONS
from lockgen.rendering.templating import MARK

# How every file begins that lockgen writes there, whatever the rest of the mark says.
_WRITTEN = MARK.split(":")[0].encode()


def generated_on_disk(folder: Folder) -> list[str]:
    """The paths of all files that lie where lockgen writes, sorted."""
    found = [*folder.listing("docker"), *folder.listing("locks"), IGNORE]
    return sorted(path for path in found if _is_generated(path))


def _is_generated(path: str) -> bool:
    parts = path.count("/")
    return not path.startswith(KEPT_OUT) and any(
        fnmatchcase(path, pattern) and parts == pattern.count("/") for pattern in GENERATED
    )


def extra_files(folder: Folder, tree: Tree) -> list[str]:
    """Files that lie where lockgen writes and that ``tree`` does not come to."""
    return [path for path in generated_on_disk(folder) if path not in tree and folder.read(path) is not None]


def stale_files(folder: Folder, tree: Tree) -> list[str]:
    """The extra files that an earlier lockgen wrote, by their first line: `resolve` removes these."""
    return [path for path in extra_files(folder, tree) if is_ours(folder.read(path) or b"")]


def is_ours(data: bytes) -> bool:
    """Whether lockgen wrote it, by its first line, or its second after a `#!`."""
    return data.startswith(_WRITTEN) or (data.startswith(b"#!") and data.partition(b"\n")[2].startswith(_WRITTEN))


def refuse_to_replace(folder: Folder, tree: Tree) -> None:
    """Raises BadInput where a file that people wrote lies where an image's file would be written."""
    faults = [
        Fault(
            "this file is not lockgen's, and would be replaced",
            place=Place(path),
            hint="move it away (lockgen writes its own), or put lockgen's first line into it to have it replaced",
        )
        for path, data in sorted(tree.items())
        if path in {BAKE, SCRIPT, VERSIONS, IGNORE} or path.endswith(("/Dockerfile", "/self_check.py"))
        if (there := folder.read(path)) is not None and there != data and not is_ours(there)
    ]
    if faults:
        raise BadInput.of(faults)
