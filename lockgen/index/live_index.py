"""A live index read as data: its pages, and the metadata of the files that may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile
from lockgen.core.ports import Progress
from lockgen.core.urls import redacted
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.metadata import WORKERS, MetadataReader
from lockgen.index.simple_api import read_page
from lockgen.io.http import Http

NO_HASH = "the index gives no sha256 for it"


def read_live(
    http: Http,
    name: str,
    url: str,
    packages: Sequence[str],
    usable: Callable[[IndexFile], bool],
    progress: Progress,
) -> ExplicitIndex:
    """Pages of ``packages`` and the metadata of their ``usable`` files. A file that fails is withheld, with why.

    Raises:
        ToolFailed: a page cannot be read, or all of the files fail.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        pages = list(pool.map(lambda project: read_page(http, url, project), packages))
    wanted = [file for page in pages for file in page.files if usable(file)]
    withheld = {file.name: NO_HASH for file in wanted if file.sha256 is None}
    hashed = [file for file in wanted if file.sha256 is not None]
    progress.step(f"reading the metadata of {len(hashed)} files of {name}")
    metadata, failed = read_each(MetadataReader(http), hashed)
    withheld |= {file: str(error) for file, error in failed.items()}
    if failed and not metadata:
        raise ToolFailed.of(fault for error in failed.values() for fault in error.faults)
    for file, reason in sorted(withheld.items()):
        progress.note(f"index {name}: {file} is left out: {reason}")
    kept = {
        page.project: replace(page, files=tuple(file for file in page.files if file.name in metadata)) for page in pages
    }
    return ExplicitIndex(name, redacted(url), kept, metadata, withheld)


def read_each(
    reader: MetadataReader, files: Sequence[IndexFile]
) -> tuple[dict[str, CoreMetadata], dict[str, LockgenError]]:
    """The metadata of ``files`` by name, and the error of each that could not be read."""
    found: dict[str, CoreMetadata] = {}
    failed: dict[str, LockgenError] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        answers = {file.name: pool.submit(reader.wheel, file) for file in files}
        for name, answer in answers.items():
            try:
                found[name] = answer.result()
            except LockgenError as error:
                failed[name] = error
    return found, failed
