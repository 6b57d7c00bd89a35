"""A live index as data: its pages, and the metadata of the files that may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.ports import Progress
from lockgen.core.urls import redacted
from lockgen.core.words import counted
from lockgen.errors import Fault, LockgenError, ToolFailed
from lockgen.index.metadata import MetadataReader
from lockgen.index.parallel_reads import try_each
from lockgen.index.simple_api import read_pages
from lockgen.io.http import Http


def reason_without_hash(file: IndexFile) -> str:
    """Why ``file``, which has no sha256, cannot be used."""
    if file.ambiguous:
        return "the index lists it with different hashes"
    return "the index gives no sha256 for it"


def read_live(
    http: Http,
    name: str,
    url: str,
    packages: Sequence[str],
    usable: Callable[[IndexFile], bool],
    progress: Progress,
) -> ExplicitIndex:
    """The pages of ``packages``, and the metadata of their ``usable`` files.

    A file that fails is withheld with the reason.

    Raises:
        ToolFailed: a page cannot be read, or every file fails.
    """
    pages = read_pages(http, url, packages, name)
    withheld: dict[str, str] = {}
    hashed: list[IndexFile] = []
    for file in _wanted_files(pages, usable):
        if file.sha256 is None:
            withheld[file.name] = reason_without_hash(file)
        else:
            hashed.append(file)
    progress.step(f"reading the metadata of {counted(len(hashed), 'file')} of {name}")
    metadata, failed = read_wheels(MetadataReader(http), hashed)
    if failed and not metadata:
        # Some files of an index may be broken. If all are, the index or the network is at fault.
        raise ToolFailed.of(_faults_of(failed.values()))
    for file_name, error in failed.items():
        withheld[file_name] = str(error)
    _report_withheld(name, withheld, progress)
    kept = {page.project: _with_metadata_only(page, metadata) for page in pages}
    return ExplicitIndex(name, redacted(url), kept, metadata, withheld)


def _faults_of(errors: Iterable[LockgenError]) -> Iterator[Fault]:
    for error in errors:
        yield from error.faults


def _report_withheld(index: str, withheld: Mapping[str, str], progress: Progress) -> None:
    for file, reason in sorted(withheld.items()):
        progress.note(f"index {index}: {file} is left out: {reason}")


def read_wheels(
    reader: MetadataReader, files: Sequence[IndexFile]
) -> tuple[dict[str, CoreMetadata], dict[str, LockgenError]]:
    """The metadata of ``files`` by name, and the error of each file that could not be read."""
    by_name = {file.name: file for file in files}
    return try_each(by_name, lambda name: reader.wheel(by_name[name]))


def _wanted_files(pages: Sequence[ProjectPage], usable: Callable[[IndexFile], bool]) -> list[IndexFile]:
    found: list[IndexFile] = []
    for page in pages:
        found += [file for file in page.files if usable(file)]
    return found


def _with_metadata_only(page: ProjectPage, metadata: Mapping[str, CoreMetadata]) -> ProjectPage:
    return replace(page, files=tuple(file for file in page.files if file.name in metadata))
