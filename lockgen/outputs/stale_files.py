"""Find files in the folders of generated files that are not generated, and those that lockgen may remove."""

from __future__ import annotations

from lockgen.io.ownership import generated_on_disk, may_remove
from lockgen.io.workspace import Folder
from lockgen.outputs.generated_files import Tree


def extra_files(folder: Folder, tree: Tree) -> list[str]:
    """Files at paths that lockgen writes, but that are not in ``tree``."""
    return [path for path in generated_on_disk(folder) if path not in tree and folder.read(path) is not None]


def stale_files(folder: Folder, tree: Tree) -> list[str]:
    """The extra files that begin with lockgen's header: `resolve` removes these."""
    return [path for path in extra_files(folder, tree) if may_remove(folder, path)]
