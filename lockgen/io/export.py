"""Write files into any folder the user names, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from lockgen.errors import BadInput, Fault, Place, ToolFailed


def write_files(
    folder: Path, files: Mapping[str, bytes], is_lockgens: Callable[[bytes], bool], *, synced: bool = False
) -> list[Path]:
    """Write ``files`` (name to bytes) into ``folder``, which is made if missing; other files in it stay.

    ``synced`` waits until each file is on the disk.

    Raises:
        BadInput: files of these names exist that are not lockgen's, by ``is_lockgens``; nothing was written.
        ToolFailed: the folder cannot be written.
    """
    written = []
    try:
        _refuse_foreign(folder, files, is_lockgens)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in sorted(files.items()):
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp", delete=False) as draft:
                draft.write(data)
                if synced:
                    draft.flush()
                    os.fsync(draft.fileno())
            # Temporary files are private, these are for other tools.
            os.chmod(draft.name, 0o644)
            os.replace(draft.name, folder / name)
            written.append(folder / name)
    except OSError as error:
        hint = "name a folder that can be written"
        raise ToolFailed(f"{folder} cannot be written: {error.strerror or error}", hint=hint) from error
    return written


def _refuse_foreign(folder: Path, files: Mapping[str, bytes], is_lockgens: Callable[[bytes], bool]) -> None:
    """The user chose the folder, but lockgen the names in it (guarantee 11)."""
    hint = "move it away, or name another folder"
    faults = []
    for name, data in sorted(files.items()):
        path = folder / name
        found = path.read_bytes() if path.is_file() else data
        if found != data and not is_lockgens(found):
            place = Place(str(path))
            faults.append(Fault("this file is not lockgen's, and would be replaced", place=place, hint=hint))
    if faults:
        raise BadInput.of(faults)
