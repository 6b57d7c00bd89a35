"""`lockgen index record` and `lockgen index serve`: a metadata-only copy of an index, and a server for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from packaging.utils import canonicalize_name

from lockgen.app import App
from lockgen.core.close_match import close_match
from lockgen.core.index import IndexFile
from lockgen.core.manifest import Index
from lockgen.core.ports import Progress
from lockgen.core.urls import redacted
from lockgen.core.words import counted
from lockgen.errors import BadInput, Exit
from lockgen.index.record_reader import parse_record
from lockgen.index.record_store import find_index, read_recorded_files, record_folder, write_record
from lockgen.index.record_writer import render_record
from lockgen.index.recording import Recording, record_index
from lockgen.io.output import print_text
from lockgen.io.ownership import ANYTHING, record_records, refuse_foreign
from lockgen.manifest.fingerprints import read_inputs


def record(app: App, name: str, packages: tuple[str, ...]) -> int:
    """Create or refresh the record of index ``name``; a file that fails is left out and reported.

    Only unknown sizes are measured. A size that the server does not provide stays unknown, which is not an error.

    Raises:
        LockgenError: the index cannot be read at all. No files were changed.
    """
    folder, progress = app.folder, app.progress
    with folder.locked():
        manifest = read_inputs(folder).manifest
        index = find_index(manifest, name)
        where = record_folder(index)
        projects = _chosen_projects(index, packages)
        # Before the network is used: recording takes minutes, and must not fail at its end.
        refuse_foreign(folder, {f"{where}/index.json": ANYTHING}, record_records(folder, where))
        is_complete = projects == sorted(index.packages)
        before = read_recorded_files(folder, index, progress, may_replace_all=is_complete)
        found = record_index(app.http, index, projects, before, progress)
        kept = [entry for entry in before.values() if entry.project not in projects]
        tree = render_record(name, redacted(index.url), [*kept, *found.files])
        written = write_record(folder, where, tree)
    replaced = {file: entry.file for file, entry in before.items() if entry.project in projects}
    _report(name, replaced, found, written, progress)
    return Exit.TOOL if found.missing else Exit.DONE


def _chosen_projects(index: Index, packages: tuple[str, ...]) -> list[str]:
    chosen = [canonicalize_name(package) for package in packages]
    for package in chosen:
        if package not in index.packages:
            raise BadInput(f"index {index.name} does not list {package}", hint=close_match(package, index.packages))
    return sorted(chosen or index.packages)


def _report(
    name: str, replaced: Mapping[str, IndexFile], found: Recording, written: Collection[str], progress: Progress
) -> None:
    """Print what changed. ``replaced`` are the recorded files, by name, that ``found`` takes the place of."""
    now = {entry.file.name: entry.file for entry in found.files}
    _report_differences(replaced, now, progress, expected=found.missing.keys())
    _report_reasons("missing", found.missing, progress)
    _report_reasons("installed size unknown", found.unmeasured, progress)
    added = now.keys() - replaced.keys()
    summary = _summary(name, found, len(added), len(written))
    print_text(summary)


def _report_reasons(kind: str, reasons: Mapping[str, str], progress: Progress) -> None:
    for file, reason in sorted(reasons.items()):
        progress.note(f"{kind}: {file}: {reason}")


def _report_differences(
    old: Mapping[str, IndexFile], new: Mapping[str, IndexFile], progress: Progress, expected: Collection[str]
) -> None:
    """Print files that changed or disappeared. Those in ``expected`` are reported elsewhere."""
    for file in sorted(old.keys() & new.keys()):
        before, now = old[file].sha256, new[file].sha256
        # An index must not replace a file under its name, so this needs a person's attention.
        if before != now:
            progress.note(f"changed: {file} has a different sha256: {before} -> {now}")
    for file in sorted(old.keys() - new.keys()):
        if file not in expected:
            progress.note(f"removed: {file} is no longer on the index")


def _summary(name: str, found: Recording, added: int, written: int) -> str:
    parts = [
        f"{counted(len(found.files), 'file')} recorded",
        f"{added} of them new",
        f"{len(found.missing)} missing",
        f"{found.left_out} left out (not for Linux, or not a wheel)",
    ]
    if found.unmeasured:
        parts.append(f"{len(found.unmeasured)} of unknown installed size")
    return f"index {name}: {', '.join(parts)}; {counted(written, 'path')} written"


def serve(app: App, names: tuple[str, ...], port: int) -> int:
    """Serve the records of ``names`` (all, if empty) on loopback until Ctrl-C; prints one address a line."""
    from lockgen.index.server import RecordedIndexes, serving

    folder = app.folder
    with folder.shared():
        manifest = read_inputs(folder).manifest
        chosen = [find_index(manifest, name) for name in names] or list(manifest.indexes.values())
        indexes = {
            index.name: parse_record(folder.read, index.recorded, index.name)
            for index in chosen
            if index.recorded is not None
        }
    if not indexes:
        raise BadInput("no index in versions.toml has a record", hint="create one: lockgen index record NAME")
    # Served from memory: the folder is not locked while the server runs.
    with serving(RecordedIndexes(indexes), port=port) as (base, stopped):
        for name in sorted(indexes):
            print_text(f"{base}/{name}/simple/")
        app.progress.note("press Ctrl-C to stop")
        stopped.wait()
    return Exit.DONE
