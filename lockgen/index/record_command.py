"""`lockgen index record` and `lockgen index serve`: a metadata-only copy of an index, and the copy on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from packaging.utils import canonicalize_name, parse_wheel_filename

from lockgen.core.index import IndexFile
from lockgen.core.manifest import Index, Manifest
from lockgen.core.ports import Progress
from lockgen.core.urls import redacted
from lockgen.errors import BadInput, Exit, LockgenError, ToolFailed
from lockgen.index.artifacts import measured
from lockgen.index.live_index import NO_HASH
from lockgen.index.metadata import MetadataReader, read_all
from lockgen.index.record_reader import parse_record
from lockgen.index.record_writer import RecordedFile, headers_of, render_record
from lockgen.index.simple_api import read_page
from lockgen.io.http import Http
from lockgen.io.ownership import ANYTHING, record_paths, record_records, refuse_foreign
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import read_inputs
from lockgen.manifest.reader import close_match

_ELSEWHERE = re.compile(r"^(win|macosx|ios|android|emscripten)")


@dataclass
class _Found:
    """What a recording came to. ``missing`` maps a file to the reason why it is not in the record, ``unmeasured`` one
    that is in it to the reason why its sizes are not.
    """

    files: list[RecordedFile] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    elsewhere: int = 0


def index_called(manifest: Manifest, name: str) -> Index:
    """The index ``name`` of versions.toml.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in manifest.indexes:
        raise BadInput(f"there is no [index.{name}] in versions.toml", hint=close_match(name, manifest.indexes))
    return manifest.indexes[name]


def record(root: Path, name: str, packages: tuple[str, ...], progress: Progress) -> int:
    """Makes or refreshes the record of index ``name``; a file that fails is left out and told.

    Sizes are asked of what has none yet. Where a server tells none, they stay unknown, and the record is good.

    Raises:
        LockgenError: the index cannot be read at all; nothing was written.
    """
    folder = Folder(root, progress)
    with folder.locked():
        manifest = read_inputs(folder).manifest
        index = index_called(manifest, name)
        where = place_of(index)
        wanted = _wanted(index, packages)
        refuse_foreign(folder, {f"{where}/index.json": ANYTHING}, record_records(folder, where))
        before = recorded_files(folder, index, progress, whole=wanted == sorted(index.packages))
        found = _record(index, wanted, before, progress)
        kept = [entry for entry in before.values() if entry.project not in wanted]
        tree = render_record(name, redacted(index.url), [*kept, *found.files])
        written = write_record(folder, where, tree)
    _report(name, wanted, before, found, written, progress)
    return Exit.TOOL if found.missing else Exit.DONE


def place_of(index: Index) -> str:
    """The folder of the index's record.

    Raises:
        BadInput: versions.toml names none.
    """
    if index.recorded is None:
        hint = f'add it: [index.{index.name}] recorded = "locks/index/{index.name}"'
        raise BadInput(f"[index.{index.name}] does not say where its record lies", hint=hint)
    return index.recorded


def _wanted(index: Index, packages: tuple[str, ...]) -> list[str]:
    chosen = [canonicalize_name(package) for package in packages]
    for package in chosen:
        if package not in index.packages:
            raise BadInput(f"index {index.name} does not list {package}", hint=close_match(package, index.packages))
    return sorted(chosen or index.packages)


def recorded_files(folder: Folder, index: Index, progress: Progress, *, whole: bool) -> dict[str, RecordedFile]:
    """The files of the record that is there, by name; none where there is none, or it is broken and made anew.

    Raises:
        BadInput: it is broken, and what it says of other packages would be lost (not ``whole``).
    """
    where = str(index.recorded)
    data = folder.read(f"{where}/index.json")
    if data is None:
        return {}
    try:
        known = parse_record(folder.read, where, index.name)
    except BadInput as error:
        if not whole:
            raise
        progress.note(f"the record that was there is made anew: {error.faults[0].place}: {error}")
        return {}
    paths = {
        entry["name"]: entry["metadata"]["file"]
        for entries in json.loads(data)["projects"].values()
        for entry in entries
    }
    return {
        file.name: RecordedFile(
            page.project, file, (folder.read(f"{where}/metadata/{paths[file.name]}") or b"").decode()
        )
        for page in known.pages.values()
        for file in page.files
    }


def _record(index: Index, wanted: list[str], before: Mapping[str, RecordedFile], progress: Progress) -> _Found:
    http = Http()
    found = _Found()
    fresh: list[tuple[str, IndexFile]] = []
    for project in wanted:
        progress.step(f"reading {project} on {index.name}")
        for file in read_page(http, index.url, project).files:
            known = before.get(file.name)
            if not file.name.endswith(".whl") or not _is_for_linux(file.name):
                found.elsewhere += 1
            elif file.sha256 is None:
                found.missing[file.name] = NO_HASH
            elif known is not None and known.file.sha256 == file.sha256:
                found.files.append(RecordedFile(project, _with_sizes(file, known.file), known.headers))
            else:
                fresh.append((project, file))
    if not (found.files or found.missing or fresh or found.elsewhere):
        raise ToolFailed(
            f"{redacted(index.url)} has no file of {', '.join(wanted)}", hint=f"look at the url of [index.{index.name}]"
        )
    _read_fresh(http, fresh, found, progress)
    _measure(http, found, progress)
    return found


def _with_sizes(file: IndexFile, known: IndexFile) -> IndexFile:
    """``file`` with the sizes that are known of the same bytes: only for the same sha256."""
    return replace(file, size=file.size if file.size is not None else known.size, installed=known.installed)


def _measure(http: Http, found: _Found, progress: Progress) -> None:
    """Completes ``found`` where a size is unknown; what cannot be measured stays as it is, with the reason."""
    files = {e.file.name: e.file for e in found.files if e.file.installed is None or e.file.size is None}
    if not files:
        return
    progress.step(f"measuring {len(files)} wheels")

    def measure(file: IndexFile) -> IndexFile | LockgenError:
        try:
            return measured(http, file)
        except LockgenError as error:
            return error

    for name, answer in read_all(list(files.values()), measure).items():
        if isinstance(answer, LockgenError):
            found.unmeasured[name] = str(answer)
        else:
            files[name] = answer
    found.files = [replace(entry, file=files.get(entry.file.name, entry.file)) for entry in found.files]


def _read_fresh(http: Http, fresh: list[tuple[str, IndexFile]], found: _Found, progress: Progress) -> None:
    reader = MetadataReader(http)
    progress.step(f"reading the metadata of {len(fresh)} files")

    def read(file: IndexFile) -> str | LockgenError:
        try:
            return headers_of(reader.wheel_text(file))
        except LockgenError as error:
            return error

    texts = read_all([file for _, file in fresh], read)
    for project, file in fresh:
        text = texts[file.name]
        if isinstance(text, LockgenError):
            found.missing[file.name] = str(text)
        else:
            found.files.append(RecordedFile(project, file, text))


def _is_for_linux(name: str) -> bool:
    return any(not _ELSEWHERE.match(tag.platform) for tag in parse_wheel_filename(name)[3])


def write_record(folder: Folder, where: str, tree: Mapping[str, bytes]) -> list[str]:
    """Writes the record; metadata files that only the old index.json names are removed. The paths that changed.

    Raises:
        BadInput: files that are not lockgen's are in the way.
    """
    new: dict[str, bytes | None] = {f"{where}/{path}": data for path, data in tree.items()}
    old = record_paths(where, folder.read(f"{where}/index.json"))
    refuse_foreign(folder, new, record_records(folder, where))
    gone = {path: None for path in old if path not in new and not folder.is_link(path)}
    return folder.replace({**gone, **new})


def _report(
    name: str,
    wanted: Iterable[str],
    before: Mapping[str, RecordedFile],
    found: _Found,
    written: list[str],
    progress: Progress,
) -> None:
    now = {entry.file.name: entry.file for entry in found.files}
    old = {file: entry.file for file, entry in before.items() if entry.project in set(wanted)}
    for file in sorted(old.keys() & now.keys()):
        if old[file].sha256 != now[file].sha256:
            progress.note(f"changed: {file} has another sha256 now: {old[file].sha256} -> {now[file].sha256}")
    for file in sorted(old.keys() - now.keys()):
        if file not in found.missing:
            progress.note(f"gone: {file} is not on the index any more")
    for file, reason in sorted(found.missing.items()):
        progress.note(f"missing: {file}: {reason}")
    for file, reason in sorted(found.unmeasured.items()):
        progress.note(f"installed size unknown: {file}: {reason}")
    added = len(now.keys() - old.keys())
    click.echo(
        f"index {name}: {len(now)} files recorded, {added} of them new, {len(found.missing)} missing, "
        f"{found.elsewhere} left out (not for Linux, or no wheel){_unmeasured(found)}; {len(written)} paths written"
    )


def _unmeasured(found: _Found) -> str:
    return f", {len(found.unmeasured)} of unknown installed size" if found.unmeasured else ""


def serve(root: Path, names: tuple[str, ...], port: int, progress: Progress) -> int:
    """Serves the records of ``names`` (all, if empty) on loopback until Ctrl-C; prints one address a line."""
    from lockgen.index.server import RecordedIndexes, serving

    folder = Folder(root, progress)
    with folder.shared():
        manifest = read_inputs(folder).manifest
        chosen = [index_called(manifest, name) for name in names] or list(manifest.indexes.values())
        recorded = [index for index in chosen if index.recorded is not None]
        if not recorded:
            raise BadInput("no index here has a record", hint="make one: lockgen index record NAME")
        indexes = {index.name: parse_record(folder.read, str(index.recorded), index.name) for index in recorded}
    with serving(RecordedIndexes(indexes), port=port) as (base, stopped):
        for name in sorted(indexes):
            click.echo(f"{base}/{name}/simple/")
        progress.note("Ctrl-C stops it")
        stopped.wait()
    return Exit.DONE
