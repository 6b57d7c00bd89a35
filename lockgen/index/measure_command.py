"""`lockgen index measure`: the sizes of recorded wheels from copies that are here, where no index can be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from lockgen.core.ports import Progress
from lockgen.errors import BadInput, Exit, LockgenError, ToolFailed
from lockgen.index.artifacts import measured_here
from lockgen.index.record_command import index_called, place_of, recorded_files, write_record
from lockgen.index.record_reader import parse_record
from lockgen.index.record_writer import RecordedFile, render_record
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import read_inputs
from lockgen.manifest.reader import close_match


def run(root: Path, name: str, wheels: tuple[Path, ...], progress: Progress) -> int:
    """Writes what ``wheels`` come to into the record of index ``name``. Only bytes of the recorded sha256 count.

    Raises:
        LockgenError: a wheel is not the one that was recorded; nothing was written.
    """
    folder = Folder(root, progress)
    with folder.locked():
        index = index_called(read_inputs(folder).manifest, name)
        where = place_of(index)
        url = parse_record(folder.read, where, name).url
        known = recorded_files(folder, index, progress, whole=False)
        files = known | _measured(known, wheels, name, progress)
        tree = render_record(name, url, files.values())
        written = write_record(folder, where, tree)
    click.echo(f"index {name}: {len(wheels)} wheels measured; {len(written)} paths written")
    if written:
        progress.note("the lock takes the sizes from there: lockgen resolve")
    return Exit.DONE


def _measured(
    known: dict[str, RecordedFile], wheels: tuple[Path, ...], name: str, progress: Progress
) -> dict[str, RecordedFile]:
    """Every fault is told, not only the first."""
    found: dict[str, RecordedFile] = {}
    errors: list[LockgenError] = []
    for path in wheels:
        progress.step(f"measuring {path.name}")
        try:
            if path.name not in known:
                hint = close_match(path.name, known) or "only a wheel that is in the record can be measured"
                raise BadInput(f"the record of index {name} holds no {path.name}", hint=hint)
            entry = known[path.name]
            found[path.name] = replace(entry, file=measured_here(path, entry.file))
        except LockgenError as error:
            errors.append(error)
    if errors:
        kind = BadInput if all(isinstance(error, BadInput) for error in errors) else ToolFailed
        raise kind.of(fault for error in errors for fault in error.faults)
    return found
