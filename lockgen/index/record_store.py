"""The record of an index in the project: its folder, reading its files, and writing it."""

from __future__ import annotations

from collections.abc import Mapping

from lockgen.core.close_match import close_match
from lockgen.core.documents import parse_json
from lockgen.core.manifest import Index, Manifest
from lockgen.core.ports import Progress
from lockgen.errors import BadInput
from lockgen.index.record_reader import parse_record
from lockgen.index.record_writer import RecordedFile
from lockgen.io.ownership import record_paths, record_records, refuse_foreign
from lockgen.io.workspace import Folder


def find_index(manifest: Manifest, name: str) -> Index:
    """The index ``name`` of versions.toml.

    Raises:
        BadInput: versions.toml does not have it.
    """
    if name not in manifest.indexes:
        raise BadInput(f"there is no [index.{name}] in versions.toml", hint=close_match(name, manifest.indexes))
    return manifest.indexes[name]


def record_folder(index: Index) -> str:
    """The folder of the index's record.

    Raises:
        BadInput: versions.toml has no folder for it.
    """
    if index.recorded is None:
        hint = f'add it: [index.{index.name}] recorded = "locks/index/{index.name}"'
        raise BadInput(f"[index.{index.name}] has no folder for its record", hint=hint)
    return index.recorded


def read_recorded_files(
    folder: Folder, index: Index, progress: Progress, *, may_replace_all: bool
) -> dict[str, RecordedFile]:
    """The files of the current record, by name; empty if it does not exist.

    With ``may_replace_all``, a damaged record counts as none.

    Raises:
        BadInput: it is damaged, and replacing it would lose the packages that are not recorded again.
    """
    where = record_folder(index)
    data = folder.read(f"{where}/index.json")
    if data is None:
        return {}
    try:
        record = parse_record(folder.read, where, index.name)
    except BadInput as error:
        if not may_replace_all:
            raise
        progress.note(f"replacing the damaged record: {error.faults[0].place}: {error}")
        return {}
    paths = _metadata_paths(data)
    found: dict[str, RecordedFile] = {}
    for page in record.pages.values():
        for file in page.files:
            headers = folder.read(f"{where}/metadata/{paths[file.name]}") or b""
            found[file.name] = RecordedFile(page.project, file, headers.decode())
    return found


def _metadata_paths(data: bytes) -> dict[str, str]:
    """File name to the name of its metadata file, in an index.json that `parse_record` accepted."""
    paths: dict[str, str] = {}
    for entries in parse_json(data)["projects"].values():
        for entry in entries:
            paths[entry["name"]] = entry["metadata"]["file"]
    return paths


def write_record(folder: Folder, where: str, tree: Mapping[str, bytes]) -> list[str]:
    """Write the record, and remove metadata files of the old one. Returns the paths that changed.

    Raises:
        BadInput: lockgen would replace files that it did not write.
    """
    new = {f"{where}/{path}": data for path, data in tree.items()}
    refuse_foreign(folder, new, record_records(folder, where))
    changes: dict[str, bytes | None] = {}
    # Only files that the old index.json names are lockgen's to remove, and never a link.
    for path in record_paths(where, folder.read(f"{where}/index.json")):
        if path not in new and not folder.is_link(path):
            changes[path] = None
    changes.update(new)
    return folder.replace(changes)
