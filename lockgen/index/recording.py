"""Recording an index: its pages, the metadata of its wheels for Linux, and their sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lockgen.core.index import IndexFile
from lockgen.core.manifest import Index
from lockgen.core.parsing import parse_wheel_filename
from lockgen.core.ports import Progress
from lockgen.core.urls import redacted
from lockgen.core.words import counted
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.installed_size import measure_remote
from lockgen.index.live_index import reason_without_hash
from lockgen.index.metadata import MetadataReader
from lockgen.index.parallel_reads import try_each
from lockgen.index.record_writer import RecordedFile, headers_of
from lockgen.index.simple_api import read_pages
from lockgen.io.http import Http

_NOT_LINUX = re.compile(r"^(win|macosx|ios|android|emscripten)")


class _NewFile(NamedTuple):
    """A file that is not in the current record."""

    project: str
    file: IndexFile


@dataclass
class Recording:
    """What a recording found.

    ``missing`` maps a file that is not in the record to the reason, ``unmeasured`` a file of unknown size to the
    reason. ``left_out`` is the number of other files: those that are not for Linux or not wheels.
    """

    files: list[RecordedFile] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    left_out: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the index has no file at all."""
        return not self.files and not self.missing and not self.left_out


def record_index(
    http: Http, index: Index, projects: Iterable[str], before: Mapping[str, RecordedFile], progress: Progress
) -> Recording:
    """Read ``projects`` on ``index``. A file that fails is in ``missing``; it does not stop the others.

    ``before`` is the current record, by file name: files with an unchanged sha256 are not read again.

    Raises:
        LockgenError: the index cannot be read, or has none of the projects.
    """
    address = http.add_index(index.url, index.name)
    found = Recording()
    new_files: list[_NewFile] = []
    names = list(projects)
    progress.step(f"reading {counted(len(names), 'page')} of {index.name}")
    for page in read_pages(http, address, names, index.name):
        new_files += _sort_files(page.project, page.files, before, found)
    if found.is_empty and not new_files:
        raise ToolFailed(
            f"{redacted(index.url)} has no file of {', '.join(names)}", hint=f"check the url of [index.{index.name}]"
        )
    _read_metadata(http, new_files, found, progress)
    _measure(http, found, progress)
    return found


def _sort_files(
    project: str, files: Iterable[IndexFile], before: Mapping[str, RecordedFile], found: Recording
) -> list[_NewFile]:
    """Add ``files`` to ``found`` as far as they need no reading; returns the others."""
    new_files: list[_NewFile] = []
    for file in files:
        known = before.get(file.name)
        if not file.name.endswith(".whl") or not _is_for_linux(file.name):
            found.left_out += 1
        elif file.sha256 is None:
            found.missing[file.name] = reason_without_hash(file)
        elif known is not None and known.file.sha256 == file.sha256:
            found.files.append(replace(known, project=project, file=_with_sizes(file, known.file)))
        else:
            new_files.append(_NewFile(project, file))
    return new_files


def _is_for_linux(name: str) -> bool:
    # The negative test keeps "any" and every kind of linux tag.
    tags = parse_wheel_filename(name)[3]
    return any(not _NOT_LINUX.match(tag.platform) for tag in tags)


def _with_sizes(file: IndexFile, known: IndexFile) -> IndexFile:
    """``file`` with the sizes of ``known``, which has the same sha256 and so the same bytes."""
    size = file.size if file.size is not None else known.size
    return replace(file, size=size, installed=known.installed)


def _read_metadata(http: Http, new_files: list[_NewFile], found: Recording, progress: Progress) -> None:
    """Add ``new_files`` to ``found`` with their metadata."""
    progress.step(f"reading the metadata of {counted(len(new_files), 'file')}")
    reader = MetadataReader(http)
    by_name = {new.file.name: new.file for new in new_files}
    # Not from the cache: the record must have what the index serves now.
    texts, failed = try_each(by_name, lambda name: headers_of(reader.wheel_text(by_name[name])))
    for project, file in new_files:
        if file.name in failed:
            found.missing[file.name] = str(failed[file.name])
        else:
            found.files.append(RecordedFile(project, file, texts[file.name]))


def _measure(http: Http, found: Recording, progress: Progress) -> None:
    """Add the missing sizes to ``found``. A wheel that cannot be measured stays in the record without them."""
    unmeasured: dict[str, IndexFile] = {}
    for recorded in found.files:
        file = recorded.file
        if file.installed is None or file.size is None:
            unmeasured[file.name] = file
    if not unmeasured:
        return
    progress.step(f"measuring {counted(len(unmeasured), 'wheel')}")
    measured, failed = try_each(unmeasured, lambda name: measure_remote(http, unmeasured[name]))
    found.unmeasured = _reasons(failed)
    found.files = [replace(entry, file=measured.get(entry.file.name, entry.file)) for entry in found.files]


def _reasons(failed: Mapping[str, LockgenError]) -> dict[str, str]:
    return {name: str(error) for name, error in failed.items()}
