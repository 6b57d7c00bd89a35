"""`lockgen index measure`: sizes of recorded wheels from local copies, for an index that cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lockgen.app import App
from lockgen.core.close_match import close_match
from lockgen.core.ports import Progress
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit, LockgenError, ToolFailed
from lockgen.index.installed_size import measure_local
from lockgen.index.record_reader import parse_record
from lockgen.index.record_store import find_index, read_recorded_files, record_folder, write_record
from lockgen.index.record_writer import RecordedFile, render_record
from lockgen.io.output import print_text
from lockgen.manifest.fingerprints import read_inputs


def run(app: App, name: str, wheels: tuple[Path, ...]) -> int:
    """Write the sizes of ``wheels`` into the record of index ``name``. Each must have the recorded sha256.

    Raises:
        LockgenError: a wheel is not the recorded one. No files were changed.
    """
    folder, progress = app.folder, app.progress
    with folder.locked():
        index = find_index(read_inputs(folder).manifest, name)
        where = record_folder(index)
        url = parse_record(folder.read, where, name).url
        recorded = read_recorded_files(folder, index, progress, may_replace_all=False)
        files = recorded | _measured(recorded, wheels, name, progress)
        tree = render_record(name, url, files.values())
        written = write_record(folder, where, tree)
    print_text(f"index {name}: {counted(len(wheels), 'wheel')} measured; {counted(len(written), 'path')} written")
    if written:
        progress.note("run lockgen resolve to copy the sizes into the lock")
    return Exit.DONE


def _measured(
    recorded: Mapping[str, RecordedFile], wheels: tuple[Path, ...], index: str, progress: Progress
) -> dict[str, RecordedFile]:
    """The recorded files of ``wheels``, with sizes. Raises LockgenError with the faults of all wheels."""
    found: dict[str, RecordedFile] = {}
    errors: list[LockgenError] = []
    for path in wheels:
        progress.step(f"measuring {path.name}")
        try:
            found[path.name] = _measure(recorded, path, index)
        except LockgenError as error:
            errors.append(error)
    if errors:
        # Faults of the index or the disk have the more important exit code.
        kind = BadInput if all(isinstance(error, BadInput) for error in errors) else ToolFailed
        raise kind.of(fault for error in errors for fault in error.faults)
    return found


def _measure(recorded: Mapping[str, RecordedFile], path: Path, index: str) -> RecordedFile:
    if path.name not in recorded:
        hint = close_match(path.name, recorded) or "only wheels in the record can be measured"
        raise BadInput(f"the record of index {index} has no {path.name}", hint=hint)
    entry = recorded[path.name]
    return replace(entry, file=measure_local(path, entry.file))
