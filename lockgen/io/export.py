"""Files for others into a folder that need not be the project's, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from lockgen.errors import BadInput, Fault, Place, ToolFailed


def write_files(folder: Path, files: Mapping[str, bytes], is_lockgens: Callable[[bytes], bool]) -> list[Path]:
    """Writes ``files`` (name to bytes) into ``folder``, made where it is missing; others in it stay.

    Raises:
        BadInput: files of these names are there that are not lockgen's, by ``is_lockgens``; nothing was written.
        ToolFailed: the disk does not let us.
    """
    written = []
    try:
        _refuse_foreign(folder, files, is_lockgens)
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


def _refuse_foreign(folder: Path, files: Mapping[str, bytes], is_lockgens: Callable[[bytes], bool]) -> None:
    """The user chose the folder, but lockgen the names in it (guarantee 11)."""
    there = {folder / name: data for name, data in sorted(files.items()) if (folder / name).is_file()}
    hint = "move it away, or name another folder"
    faults = [
        Fault("this file is not lockgen's, and would be replaced", place=Place(str(path)), hint=hint)
        for path, data in there.items()
        if (found := path.read_bytes()) != data and not is_lockgens(found)
    ]
    if faults:
        raise BadInput.of(faults)
