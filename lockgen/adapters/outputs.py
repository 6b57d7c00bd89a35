"""Files for others into a folder that need not be the project's, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lockgen.errors import ToolFailed


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Writes ``files`` (name to bytes) into ``folder``, made where it is missing; others in it stay.

    Raises:
        ToolFailed: the disk does not let us.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in sorted(files.items()):
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp", delete=False) as draft:
                draft.write(data)
            os.chmod(draft.name, 0o644)
            os.replace(draft.name, folder / name)
            written.append(folder / name)
    except OSError as error:
        hint = "name a folder that can be written"
        raise ToolFailed(f"{folder} cannot be written: {error.strerror or error}", hint=hint) from error
    return written
