"""Find files in the folders of generated files that the lock does not generate."""

from __future__ import annotations

from lockgen.io.ownership import generated_on_disk
from lockgen.io.workspace import Folder
from lockgen.outputs.generated_files import Tree


def extra_files(folder: Folder, tree: Tree) -> list[str]:
    """Files at paths that lockgen writes, but that are not in ``tree``."""
    return [path for path in generated_on_disk(folder) if path not in tree and folder.read(path) is not None]
